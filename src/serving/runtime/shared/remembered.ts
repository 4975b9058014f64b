import type { Past } from '../process/container-run.ts';
import { VolumeFolders } from '../process/isolation/volume-folders.ts';
import type { InstanceSpec } from '../runtime.ts';

/** What an earlier instance of an id has left (R5). */
export type Remembered = {
  readonly past: Map<string, Past>;
  readonly volumes: VolumeFolders | undefined;
};

/** Instances that crashed and have not been started again; the oldest are forgotten. */
const LEFT_MAX = 1000;

/** What instances leave for their restarts: how their containers ended, and what is in their volumes. */
export class Memory {
  readonly #folderOf: (id: string) => string;
  readonly #token: string;
  readonly #remembered = new Map<string, Remembered>(); // by instance
  readonly #left = new Set<string>();

  /** `folderOf`: where the volumes of an instance are; `token`: of this run of the platform. */
  constructor(folderOf: (id: string) => string, token: string) {
    this.#folderOf = folderOf;
    this.#token = token;
  }

  /** For an instance that starts. */
  of({ volumes }: InstanceSpec, id: string): Remembered {
    this.#left.delete(id);
    const remembered: Remembered = this.#remembered.get(id) ?? {
      past: new Map(),
      volumes: volumes.length === 0 ? undefined : new VolumeFolders(this.#folderOf(id), this.#token),
    };
    this.#remembered.set(id, remembered);
    return remembered;
  }

  /** It has ended; `isOver`: because it was asked to, so that it does not come again. */
  ended(id: string, isOver: boolean): void {
    if (isOver) return this.#forget(id);
    this.#left.add(id);
    const [oldest] = this.#left;
    if (this.#left.size > LEFT_MAX && oldest !== undefined) this.#forget(oldest);
  }

  close(): void {
    for (const id of this.#remembered.keys()) this.#forget(id);
  }

  #forget(id: string): void {
    this.#remembered.get(id)?.volumes?.remove();
    this.#remembered.delete(id);
    this.#left.delete(id);
  }
}
