import { chmodSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ContainerSpec } from '../../container-spec.ts';
import type { InstanceSpec } from '../../runtime.ts';
import { failed } from '../child.ts';
import { filesIn } from '../files-in.ts';
import type { Bind } from './mount-script.ts';
import { writeVolume } from './volume-files.ts';

const SHARED_MEMORY = '/dev/shm';

/** The volumes of one instance: a folder each, below one of its own, from which they are mounted. */
export class VolumeFolders {
  readonly #folder: string;
  readonly #token: string;
  #memory: string | undefined;

  /** `folder` is named as the instance is; `token` marks what is left in memory, so that the next run of the platform can remove it. */
  constructor(folder: string, token: string) {
    this.#folder = folder;
    this.#token = token;
  }

  /** Makes what is not there yet, and brings the files of the others up to date. */
  write({ volumes }: Pick<InstanceSpec, 'volumes'>): void {
    for (const volume of volumes) {
      const folder = join(this.#folder, volume.name);
      if (volume.kind === 'files') writeVolume(folder, volume.files, basename(this.#folder));
      else if (!existsSync(folder)) openFolder(folder);
    }
  }

  /** What a container sees of them, and where. */
  bindsOf({ mounts }: ContainerSpec, spec: InstanceSpec): readonly Bind[] {
    return mounts.map(({ volume: name, path, subPath, isReadOnly }) => {
      const volume = spec.volumes.find((each) => each.name === name);
      if (volume?.kind === 'empty' && volume.isMemory && subPath === '' && !isShared(name, spec))
        return { kind: 'tmpfs', path, bytesMax: volume.bytesMax };
      const isMemory = volume?.kind === 'empty' && volume.isMemory;
      const folder = isMemory ? this.#inMemory(name) : join(this.#folder, name);
      return { kind: 'bind', source: below(folder, subPath, volume?.kind === 'empty'), path, isReadOnly };
    });
  }

  /** The first `empty` volume that holds more than it may; undefined when none does. */
  overfull({ volumes }: InstanceSpec): string | undefined {
    for (const volume of volumes) {
      if (volume.kind !== 'empty' || volume.bytesMax === undefined) continue;
      const folder = volume.isMemory
        ? join(this.#memory ?? this.#folder, volume.name)
        : join(this.#folder, volume.name);
      const bytes = filesIn(folder).reduce((sum, file) => sum + file.bytes, 0);
      if (bytes > volume.bytesMax)
        return `Usage of EmptyDir volume "${volume.name}" exceeds the limit "${volume.bytesMax}".`;
    }
    return undefined;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
    if (this.#memory !== undefined) rmSync(this.#memory, { recursive: true, force: true });
  }

  /** One that several containers mount: a mount of one of them would not be seen by the others. */
  #inMemory(name: string): string {
    if (!existsSync(SHARED_MEMORY)) return join(this.#folder, name);
    this.#memory ??= mkdtempSync(join(SHARED_MEMORY, `millrace-${this.#token}-`));
    const folder = join(this.#memory, name);
    if (!existsSync(folder)) openFolder(folder);
    return folder;
  }
}

/** Removes what a killed run has left in memory. */
export function sweepMemory(token: string): void {
  if (!existsSync(SHARED_MEMORY) || token === '') return;
  for (const { path } of filesIn(SHARED_MEMORY)) {
    const name = path.slice(SHARED_MEMORY.length + 1).split('/')[0] ?? '';
    if (name.startsWith(`millrace-${token}-`))
      rmSync(join(SHARED_MEMORY, name), { recursive: true, force: true });
  }
}

function isShared(name: string, { containers, initContainers }: InstanceSpec): boolean {
  const all = [...initContainers, ...containers];
  return all.filter(({ mounts }) => mounts.some(({ volume }) => volume === name)).length > 1;
}

function openFolder(folder: string): void {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o777); // whoever the containers run as, and whatever the umask
}

/** A part of a volume; of an empty one it is made. It may not lead out of it. */
function below(folder: string, subPath: string, isEmpty: boolean): string {
  if (subPath === '') return folder;
  const path = join(folder, subPath);
  if (isEmpty && !existsSync(path)) openFolder(path);
  if (!existsSync(path)) throw failed('ContainerCannotRun', `subPath ${subPath} is not in its volume`);
  const [real, root] = [realpathSync(path), realpathSync(folder)];
  if (!real.startsWith(`${root}/`))
    throw failed('ContainerCannotRun', `subPath ${subPath} leads out of its volume`);
  return real;
}
