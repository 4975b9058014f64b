import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { LogSink } from './child.ts';

export type LogFilesOptions = {
  readonly folder: string;
  readonly fileBytesMax: number; // then it is rotated
  readonly filesMax: number; // of one instance, the current one included
  readonly totalBytesMax: number; // over all instances, the oldest files go first
};

/** Contract: Defaults, "logs of instances". */
export const LOG_FILE_BOUNDS = {
  fileBytesMax: 10 * 1024 * 1024,
  filesMax: 3,
  totalBytesMax: 1024 * 1024 * 1024,
};

const SWEEP_EVERY_BYTES = 16 * 1024 * 1024;

/** What instances print, a file for each, by `namespace/instance`. */
export class LogFiles implements LogSink {
  readonly #options: LogFilesOptions;
  readonly #open = new Map<string, { handle: number; bytes: number }>();
  readonly #listeners = new Map<string, Set<(chunk: Buffer) => void>>();
  #sinceSweep = 0;

  constructor(options: LogFilesOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  }

  write(instance: string, _stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const file = this.#fileFor(instance, chunk.byteLength);
    writeSync(file.handle, chunk);
    file.bytes += chunk.byteLength;
    for (const listener of this.#listeners.get(instance) ?? []) listener(chunk);
    this.#sinceSweep += chunk.byteLength;
    if (this.#sinceSweep > SWEEP_EVERY_BYTES) this.#sweep();
  }

  /** What is kept of an instance's output, the oldest first; undefined when it never printed. */
  read(instance: string): Buffer | undefined {
    const path = this.#pathOf(instance);
    const files = [...this.#rotated(path).toReversed(), path].filter((each) => existsSync(each));
    return files.length === 0 ? undefined : Buffer.concat(files.map((each) => readFileSync(each)));
  }

  /** Calls `listener` with what comes from now on; returns how to stop. */
  follow(instance: string, listener: (chunk: Buffer) => void): () => void {
    const listeners = this.#listeners.get(instance) ?? new Set();
    this.#listeners.set(instance, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** The instance has ended: its file is closed, and stays to be read. */
  ended(instance: string): void {
    const file = this.#open.get(instance);
    if (file !== undefined) closeSync(file.handle);
    this.#open.delete(instance);
  }

  close(): void {
    for (const instance of this.#open.keys()) this.ended(instance);
  }

  #fileFor(instance: string, more: number): { handle: number; bytes: number } {
    const known = this.#open.get(instance);
    if (known !== undefined && known.bytes + more <= this.#options.fileBytesMax) return known;
    const path = this.#pathOf(instance);
    if (known !== undefined) this.#rotate(instance, path);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = {
      handle: openSync(path, 'a', 0o600),
      bytes: statSync(path, { throwIfNoEntry: false })?.size ?? 0,
    };
    this.#open.set(instance, file);
    return file;
  }

  #rotate(instance: string, path: string): void {
    this.ended(instance);
    const names = [path, ...this.#rotated(path)];
    rmSync(names.at(-1) ?? path, { force: true });
    for (let i = names.length - 2; i >= 0; i -= 1) {
      const [from, to] = [names[i], names[i + 1]];
      if (from !== undefined && to !== undefined && existsSync(from)) renameSync(from, to);
    }
  }

  #rotated(path: string): string[] {
    return Array.from({ length: this.#options.filesMax - 1 }, (_, i) => `${path}.${i + 1}`);
  }

  #pathOf(instance: string): string {
    return join(this.#options.folder, `${instance}.log`);
  }

  #sweep(): void {
    this.#sinceSweep = 0;
    const { folder, totalBytesMax } = this.#options;
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => ({ path: join(folder, name), stat: statSync(join(folder, name)) }))
      .filter(({ stat }) => stat.isFile())
      .toSorted((a, b) => a.stat.mtimeMs - b.stat.mtimeMs);
    let total = files.reduce((sum, { stat }) => sum + stat.size, 0);
    for (const { path, stat } of files) {
      if (total <= totalBytesMax) return;
      rmSync(path, { force: true });
      total -= stat.size;
    }
  }
}
