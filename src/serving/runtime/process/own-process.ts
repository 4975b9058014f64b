import { realpathSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ContainerSpec } from '../container-spec.ts';
import { RUNNER_MAIN } from './runner-child.ts';
import type { Apart } from './runner-pool.ts';

/** What makes a function's runner one of its own; undefined: a warm one can take it. */
export function apartFor(
  { directory, ownStart }: Pick<ContainerSpec, 'directory' | 'ownStart'>,
  cwd: string,
  wrapper: readonly string[],
  env: Readonly<Record<string, string>>,
): Apart | undefined {
  if (ownStart === undefined) return wrapper.length === 0 ? undefined : { wrapper };
  const { nodeArgs, isRestricted } = ownStart;
  const reads = isRestricted ? [directory, ...runnerReads()].map(readArg) : [];
  return { wrapper, cwd, own: { nodeArgs: [...nodeArgs, ...reads], env } };
}

/** What a runner imports before it is handed anything: its own modules, and the SDK with what that needs. */
function runnerReads(): readonly string[] {
  const root = join(fileURLToPath(RUNNER_MAIN), ROOT_ABOVE);
  const sdk = findPackageJSON('cloudevents', RUNNER_MAIN);
  return sdk === undefined ? [root] : [...new Set([root, ...[sdk, realpathSync(sdk)].map(modulesAround)])];
}

/** The outermost `node_modules` that it is in: package managers keep what belongs together in links below that. */
function modulesAround(path: string): string {
  const name = `${sep}node_modules${sep}`;
  return path.slice(0, path.indexOf(name) + name.length - 1);
}

/** From `runner/main` to `src` or `dist`. */
const ROOT_ABOVE = ['..', '..', '..', '..', '..'].join(sep);
const readArg = (folder: string): string => `--allow-fs-read=${folder}${sep}`;
