import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { ContainerSpec } from '../container-spec.ts';
import { failed } from './child.ts';
import type { View } from './isolation/namespaces.ts';

/**
 * Where it starts: `workingDir` is a path of the image, or, when the image has none such, of this machine; what is below a
 * mount is there once that is mounted.
 */
export function workingDirOf({
  directory,
  workingDir,
  mounts,
}: Pick<ContainerSpec, 'directory' | 'workingDir' | 'mounts'>): string {
  if (workingDir === undefined || workingDir === '') return directory;
  if (mounts.some(({ path }) => `${workingDir}/`.startsWith(`${path}/`))) return workingDir;
  const found = [join(directory, workingDir), workingDir].find(
    (path) => isAbsolute(path) && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true,
  );
  if (found !== undefined) return found;
  throw failed('ContainerCannotRun', `workingDir ${workingDir} is no folder of the image or of this machine`);
}

export const isProgram = ({ launch }: Pick<ContainerSpec, 'launch'>): boolean => launch.kind === 'program';

/** Where a command is found: where its container has it, when that is to be seen there. */
export function startedAs(
  [file = '', ...args]: readonly string[],
  { directory }: Pick<ContainerSpec, 'directory'>,
  { binds, cwd }: Pick<View, 'binds' | 'cwd'>,
): [string, ...string[]] {
  const isShown = binds.some(({ path }) => file.startsWith(`${path}/`));
  return isShown ? [file, ...args] : located([file, ...args], directory, cwd);
}

/** `command[0]` is looked for in the working directory, in the image, and then as it stands, on PATH or as a path. */
function located(
  [file = '', ...args]: readonly string[],
  directory: string,
  cwd: string,
): [string, ...string[]] {
  const inImage = [join(cwd, file), join(directory, file)];
  const candidates = file.startsWith('./') || !isAbsolute(file) ? inImage : [join(directory, file)];
  return [candidates.find(isExecutable) ?? file, ...args];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
