import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CHECKOUT } from './page.ts';

/** A fenced block: what its first line says after the fence, and its text. */
export type Block = { readonly language: string; readonly path: string | undefined; readonly text: string };

/**
 * What a checkout needs to be run, and to be checked in what a guide adds to it: of the tests those that hold every source,
 * and what they stand on. Modules are linked.
 */
const PARTS = [
  'bin',
  'src',
  'test/kit',
  'test/contracts',
  'test/servers',
  'test/fixtures',
  'test/architecture/imports.test.ts',
  'test/architecture/layers.ts',
  'test/architecture/read-imports.ts',
  'test/platform/source-kinds.test.ts',
  'bench',
  'scripts',
  'docs',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
  '.oxlintrc.json',
  '.oxfmtrc.json',
];

export const textOfPage = (path: string): string => readFileSync(join(CHECKOUT, path), 'utf8');

export function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^```(\w+)(?: (\S+))?\n([^]*?)^```$/gm)].map(
    ([, language = '', path, body = '']) => ({
      language,
      path,
      text: body,
    }),
  );
}

/** Copies this checkout as far as a guide needs it. */
export function copyCheckout(folder: string): void {
  for (const part of PARTS) cpSync(join(CHECKOUT, part), join(folder, part), { recursive: true });
  symlinkSync(join(CHECKOUT, 'node_modules'), join(folder, 'node_modules'));
}

/** Writes a block where its path says: a file, or, of a `diff`, lines behind the one that is there already. */
export function applyBlock(folder: string, { language, path, text }: Block): void {
  if (path === undefined) return;
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, language === 'diff' ? patched(readFileSync(file, 'utf8'), text, path) : text);
}

function patched(before: string, diff: string, path: string): string {
  const lines = diff.split('\n').filter((line) => line !== '');
  const textOf = (wanted: readonly string[]): string => wanted.map((line) => `${line.slice(1)}\n`).join('');
  const known = textOf(lines.filter((line) => line.startsWith(' ')));
  const places = before.split(known).length - 1;
  if (places !== 1)
    throw new Error(`${path} has this ${places} times, and the guide means one place:\n${known}`);
  return before.replace(known, () => textOf(lines));
}
