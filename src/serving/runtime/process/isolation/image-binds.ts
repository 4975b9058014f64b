import { existsSync, lstatSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { ContainerSpec } from '../../container-spec.ts';
import type { Bind } from './mount-script.ts';

/**
 * The folder of an image that its program is in, where that is named by an absolute path and this machine has nothing at
 * it: the program is then what it was called, and finds beside it what its image has there.
 */
export function imageBinds({
  launch,
  directory,
}: Pick<ContainerSpec, 'launch' | 'directory'>): readonly Bind[] {
  const file = launch.kind === 'program' ? launch.command[0] : undefined;
  if (file === undefined || !isAbsolute(file) || !isFile(join(directory, file))) return [];
  const top = `/${file.split('/').find((part) => part !== '') ?? ''}`;
  if (top === file || existsSync(top)) return [];
  return [{ kind: 'bind', source: join(directory, top), path: top, isReadOnly: true }];
}

function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
