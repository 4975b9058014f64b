import { readdirSync, statSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export type FolderWatchOptions = {
  /** A folder, or a single file. */
  readonly path: string;
  /** Told once what was saved together has been saved. */
  readonly onChange: () => void;
  readonly foldersMax?: number;
};

/** Editors save in several steps, and several files at once. */
const QUIET_MS = 80;
const LATEST_MS = 1000;
/** The kernel bounds watches for each user; a source tree that has more folders is watched in part, which is told. */
const FOLDERS_MAX = 1000;
const SKIPPED = new Set(['node_modules']);

/** Watches the sources below a folder: not `node_modules`, and nothing whose name begins with a dot. */
export class FolderWatch {
  readonly #options: FolderWatchOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #only: string | undefined;
  readonly #root: string;
  #isWhole = true;
  #timer: NodeJS.Timeout | undefined;
  #firstMs = 0;

  constructor(options: FolderWatchOptions) {
    this.#options = options;
    const isFile = statSync(options.path).isFile();
    this.#only = isFile ? basename(options.path) : undefined;
    this.#root = isFile ? dirname(options.path) : options.path;
  }

  open(): void {
    this.#rescan();
  }

  /** How many folders are watched, and whether those are all. */
  get extent(): { readonly folders: number; readonly isWhole: boolean } {
    return { folders: this.#watchers.size, isWhole: this.#isWhole };
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #rescan(): void {
    const max = this.#options.foldersMax ?? FOLDERS_MAX;
    const all = this.#only === undefined ? foldersBelow(this.#root, max + 1) : [this.#root];
    const wanted = new Set(all.slice(0, max));
    this.#isWhole = all.length <= max;
    for (const [folder, watcher] of this.#watchers) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of wanted) if (!this.#watchers.has(folder)) this.#watch(folder);
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, (_, name) => this.#hear(name));
      watcher.on('error', () => this.#hear(null)); // it has gone: the next scan tells
      this.#watchers.set(folder, watcher);
    } catch {
      this.#isWhole = false; // gone again, or the kernel has no watch left
    }
  }

  #hear(name: string | null): void {
    const isOther = this.#only !== undefined && name !== null && name !== this.#only;
    if (isOther || (name !== null && isSkipped(name))) return;
    const nowMs = performance.now();
    if (this.#timer === undefined) this.#firstMs = nowMs;
    clearTimeout(this.#timer);
    const leftMs = Math.max(0, this.#firstMs + LATEST_MS - nowMs);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#rescan();
        this.#options.onChange();
      },
      Math.min(QUIET_MS, leftMs),
    );
  }
}

/** The folder and those below it, nearest first, no more than `max`. */
function foldersBelow(root: string, max: number): readonly string[] {
  const found = [root];
  for (let i = 0; i < found.length && found.length < max; i += 1) {
    const folder = found[i] ?? root;
    for (const entry of entriesOf(folder))
      if (entry.isDirectory() && !isSkipped(entry.name)) found.push(join(folder, entry.name));
  }
  return found.slice(0, max);
}

function entriesOf(folder: string): readonly { name: string; isDirectory(): boolean }[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // gone meanwhile
  }
}

function isSkipped(name: string): boolean {
  return SKIPPED.has(name) || name.startsWith('.');
}
