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
import { basename, dirname, join } from 'node:path';
import { filesIn, type FoundFile } from './files-in.ts';
import { LogRuns, type LogRun } from './log-runs.ts';
import type { LogSink } from './output.ts';

export type LogFilesOptions = {
  readonly folder: string;
  readonly fileBytesMax: number; // then it is rotated
  readonly filesMax: number; // so many full files for all instances of a revision
  readonly totalBytesMax: number; // over all revisions, the oldest files go first
  readonly nowMs?: () => number;
  readonly instancesMax?: number; // of a revision, so that a million wakes are not a million files
};

/** Contract: Defaults, "logs of instances". */
export const LOG_FILE_BOUNDS = {
  fileBytesMax: 10 * 1024 * 1024,
  filesMax: 3,
  totalBytesMax: 1024 * 1024 * 1024,
  instancesMax: 100,
};

const SWEEP_EVERY_BYTES = 16 * 1024 * 1024;

type Listener = { readonly more: (chunk: Buffer) => void; readonly end: () => void };

/**
 * What instances print: `<namespace>/<revision>/<instance>.log`, with `.1`, `.2` … for what was rotated away.
 *   G1  what a revision has printed takes at most `filesMax × fileBytesMax`, and everything `totalBytesMax`: the oldest
 *       files go first, and the one that is being written never.
 *   G2  a disk that is full costs lines, never the platform.
 */
export class LogFiles implements LogSink {
  readonly #options: Required<LogFilesOptions>;
  readonly #paths = new Map<string, string>(); // of running instances
  readonly #open = new Map<string, { handle: number; bytes: number }>();
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #runs = new LogRuns();
  #sinceSweep = 0;
  #lostBytes = 0;

  constructor(options: LogFilesOptions) {
    this.#options = { instancesMax: LOG_FILE_BOUNDS.instancesMax, nowMs: Date.now, ...options };
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  }

  /** What could not be written since the start. */
  get lostBytes(): number {
    return this.#lostBytes;
  }

  begin(instance: string, { namespace, revision }: { namespace: string; revision: string }): void {
    this.#paths.set(instance, join(this.#options.folder, namespace, revision, `${instance}.log`));
    this.#runs.begin(instance);
  }

  write(instance: string, _stream: 'stdout' | 'stderr', chunk: Buffer): void {
    try {
      const file = this.#fileFor(instance, chunk.byteLength);
      writeSync(file.handle, chunk);
      file.bytes += chunk.byteLength;
      this.#runs.wrote(instance, chunk.byteLength, this.#options.nowMs());
    } catch {
      this.#lostBytes += chunk.byteLength; // G2
    }
    for (const { more } of this.#listeners.get(instance) ?? []) more(chunk);
    this.#sinceSweep += chunk.byteLength;
    if (this.#sinceSweep > SWEEP_EVERY_BYTES) this.#sweep();
  }

  /** Whether it prints now, or has printed. */
  has(instance: string): boolean {
    return this.#paths.has(instance) || existsSync(this.#find(instance));
  }

  /** What is kept of an instance's output, the oldest first; undefined when it never printed. */
  read(instance: string): Buffer | undefined {
    const path = this.#paths.get(instance) ?? this.#find(instance);
    const files = [...this.#rotated(path).toReversed(), path].filter((each) => existsSync(each));
    return files.length === 0 ? undefined : Buffer.concat(files.map((each) => readFileSync(each)));
  }

  /** One run of it, since this platform began; the last, or the one before. Undefined: nothing is known of such a one. */
  runOf(instance: string, isPrevious: boolean): LogRun | undefined {
    return this.#runs.of(instance, isPrevious);
  }

  /** Calls `more` with what comes from now on, and `end` once nothing more will; returns how to stop. */
  follow(instance: string, more: (chunk: Buffer) => void, end: () => void = () => undefined): () => void {
    const listeners = this.#listeners.get(instance) ?? new Set();
    const listener: Listener = { more, end };
    this.#listeners.set(instance, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(instance);
    };
  }

  /** The instance has ended: its file is closed, and stays to be read. */
  ended(instance: string): void {
    const path = this.#paths.get(instance);
    this.#close(instance);
    this.#paths.delete(instance);
    this.#runs.ended(instance);
    if (path !== undefined) this.#bound(dirname(path));
    for (const { end } of this.#listeners.get(instance) ?? []) end();
  }

  close(): void {
    for (const instance of this.#open.keys()) this.#close(instance);
  }

  #close(instance: string): void {
    const file = this.#open.get(instance);
    if (file !== undefined) closeSync(file.handle);
    this.#open.delete(instance);
  }

  #fileFor(instance: string, more: number): { handle: number; bytes: number } {
    const known = this.#open.get(instance);
    if (known !== undefined && known.bytes + more <= this.#options.fileBytesMax) return known;
    const path = this.#paths.get(instance) ?? this.#find(instance);
    if (known !== undefined) this.#rotate(instance, path);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = {
      bytes: statSync(path, { throwIfNoEntry: false })?.size ?? 0,
      handle: openSync(path, 'a', 0o600),
    };
    this.#open.set(instance, file);
    return file;
  }

  #rotate(instance: string, path: string): void {
    this.#close(instance);
    const names = [path, ...this.#rotated(path)];
    for (let i = names.length - 2; i >= 0; i -= 1) {
      const [from = '', to = ''] = [names[i], names[i + 1]];
      if (existsSync(from)) renameSync(from, to);
    }
    this.#bound(dirname(path));
  }

  #rotated(path: string): string[] {
    return Array.from({ length: this.#options.filesMax - 1 }, (_, i) => `${path}.${i + 1}`);
  }

  /** The file of an instance of an earlier time, or the place of one that nobody has announced. */
  #find(instance: string): string {
    const { folder } = this.#options;
    const name = `${basename(instance)}.log`;
    const found = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    return join(folder, found.find((path) => basename(path).startsWith(name)) ?? name).replace(/\.\d+$/, '');
  }

  /** G1, for one revision: what its instances have printed together. */
  #bound(folder: string): void {
    const { fileBytesMax, filesMax, instancesMax } = this.#options;
    // Room for the file that is written now to become a full one.
    this.#remove(filesIn(folder), (filesMax - 1) * fileBytesMax, instancesMax);
  }

  #sweep(): void {
    this.#sinceSweep = 0;
    this.#remove(filesIn(this.#options.folder), this.#options.totalBytesMax, Number.POSITIVE_INFINITY);
  }

  /** Keeps the newest files, up to so many bytes and files; of the others, those that nobody writes go. */
  #remove(files: readonly FoundFile[], bytesMax: number, filesMax: number): void {
    const written = new Set([...this.#open.keys()].map((instance) => this.#paths.get(instance)));
    let [bytes, count] = [0, 0];
    for (const file of files.toSorted((a, b) => b.atMs - a.atMs)) {
      bytes += file.bytes;
      count += 1;
      if ((bytes > bytesMax || count > filesMax) && !written.has(file.path))
        rmSync(file.path, { force: true });
    }
  }
}
