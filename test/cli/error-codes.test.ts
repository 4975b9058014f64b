import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CODE = /\bMR\d{4}\b/g;
const REFERENCE = readFileSync(join(ROOT, 'docs/reference/errors.md'), 'utf8');
const rows = REFERENCE.split('\n').filter((line) => line.startsWith('| MR'));

function codesInSources(): Set<string> {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(ROOT, 'src', name));
  return new Set(
    [...files, join(ROOT, 'bin/millrace')].flatMap((file) => readFileSync(file, 'utf8').match(CODE) ?? []),
  );
}

it('every error code in the sources is in the reference, and every one there is in the sources', () => {
  const documented = rows.map((row) => row.slice(2, 8));
  expect(documented).toEqual([...codesInSources()].toSorted());
});

it('every row of the reference tells the exit code, the meaning and what to do', () => {
  for (const row of rows)
    expect(row).toMatch(/^\| MR\d{4} \| (?:[1-5]|70)(?:, [1-5])* \| [^|]+\. \| [^|]+ \|$/);
});
