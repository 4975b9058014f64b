import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setSourceMapsSupport } from 'node:module';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';

const FRAME = /(?:file:\/\/)?([^\s()]+?):(\d+)(?::\d+)?\)?$/;

/** The line of a bundle that an error comes from, as `file:line`; undefined when its stack names none. */
export function placeOf(error: unknown, root: string): string | undefined {
  const stack: unknown = Reflect.get(Object(error), 'stack');
  if (typeof stack !== 'string') return undefined;
  for (const frame of stack.split('\n')) {
    const [, file = '', line] = FRAME.exec(frame) ?? [];
    if (line === undefined || file.startsWith('node:')) continue;
    // What TypeScript was stripped from goes by its path in the bundle (images/strip-types.ts).
    if (!isAbsolute(file)) {
      if (/\.[cm]?ts$/.test(file)) return `${file}:${line}`;
    } else if (file.startsWith(root + sep)) return `${relative(root, file)}:${line}`;
  }
  return undefined;
}

/**
 * The line of a bundle that does not parse. Node keeps it to itself for a module that was imported, so its checker is asked,
 * about the entry and then its neighbours; only worth its time when a bundle is tried.
 */
export function syntaxPlaceOf(entry: string, root: string): string | undefined {
  for (const file of [entry, ...scriptsBelow(root)].slice(0, CHECKED_MAX)) {
    const args = ['--no-warnings', '--check', file];
    const { stderr } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      timeout: CHECK_TIMEOUT_MS,
    });
    const [, line] = /:(\d+)$/.exec(String(stderr).split('\n', 1)[0] ?? '') ?? [];
    if (line !== undefined) return `${relative(root, file)}:${line}`;
  }
  return undefined;
}

const CHECKED_MAX = 20;
const CHECK_TIMEOUT_MS = 2000;

function scriptsBelow(root: string): readonly string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.[cm]?js$/.test(path) && !path.includes('node_modules'))
    .map((path) => join(root, path));
}

/** The folder that the files of a bundle are named below: where it starts, unless its entry is elsewhere. */
export function rootOf(entry: string, workingDir: string): string {
  return entry.startsWith(workingDir + sep) ? workingDir : dirname(entry);
}

/** Stacks tell of what was written where the entry says what it was compiled from; without that it costs nothing. */
export function heedSourceMaps(entry: string): void {
  try {
    if (!readFileSync(entry).includes('//# sourceMappingURL=')) return;
    setSourceMapsSupport(true);
  } catch {
    // its import says what is wrong
  }
}
