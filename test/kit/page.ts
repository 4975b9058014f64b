import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));

/** The code blocks of a language below a heading of one of our pages: what people copy is what a test executes. */
export function codeBelow(page: string, heading: string, language: string): readonly string[] {
  const sections = readFileSync(`${CHECKOUT}${page}`, 'utf8').split(/^(?=#+ )/m);
  const section = sections.find((each) => each.replace(/^#+ /, '').startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`${page} has no heading "${heading}"`);
  const fenced = section.matchAll(/^```(\w+)\n([^]*?)^```$/gm);
  return [...fenced].flatMap(([, marked, code = '']) => (marked === language ? [code] : []));
}

/** What a block of a page prints, run by a shell as it stands; it fails as the block does. */
export function runBlock(
  block: string | undefined,
  cwd: string,
  more: Readonly<Record<string, string>>,
): Promise<string> {
  const env = { ...process.env, ...more };
  return new Promise((resolve, reject) => {
    execFile(
      'bash',
      ['-euo', 'pipefail', '-c', block ?? 'exit 9'],
      { env, cwd, timeout: 60_000 },
      (error, out, err) =>
        error === null ? resolve(out) : reject(new Error(`${error.message}\n${out}${err}`)),
    );
  });
}
