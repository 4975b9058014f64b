import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { admissionCases } from './corpus/admissions.ts';

/**
 * Makes test/fixtures/upstream/: what Knative Serving's own code answers to each question of the corpus. The corpus is the
 * same each time, so that a changed file is a changed answer, or a changed question.
 *
 *     node scripts/upstream/make-fixtures.ts
 */
const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const FIXTURES = fileURLToPath(new URL('../../test/fixtures/upstream/', import.meta.url));
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
const SEED = 20_241_124;
const MIXED = 2000;

const CORPORA: Readonly<Record<string, { readonly ask: string; readonly cases: readonly object[] }>> = {
  admissions: { ask: 'admit', cases: admissionCases(SEED, MIXED) },
};

const temporary = mkdtempSync(join(tmpdir(), 'upstream-'));
try {
  const program = join(temporary, 'upstream');
  execFileSync('go', ['build', '-trimpath', '-o', program, '.'], { cwd: FOLDER, stdio: 'inherit' });
  for (const [name, { ask, cases }] of Object.entries(CORPORA)) {
    const answers = answersTo(program, ask, cases);
    const lines = cases.map((each, i) => JSON.stringify({ ...each, answer: answers[i] }));
    const packed = gzipSync(`${lines.join('\n')}\n`, { level: 9 });
    writeFileSync(join(FIXTURES, `${name}.jsonl.gz`), packed);
    console.log(`${name}: ${cases.length} cases, ${packed.length} bytes`);
  }
} finally {
  rmSync(temporary, { recursive: true });
}

function answersTo(program: string, ask: string, cases: readonly object[]): readonly unknown[] {
  const input = cases.map((each) => `${JSON.stringify({ ask, ...each })}\n`).join('');
  const { status, stdout, stderr } = spawnSync(program, {
    input,
    maxBuffer: OUTPUT_BYTES_MAX,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`no answers to ${ask}: ${stderr}`);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}
