import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../base/errors.ts';
import type { Bookmark } from '../sources/source.ts';

const TEXT_MAX = 64 * 1024;

/** How far each source has come, a small file for each: written beside, synced, and put in its place. */
export class Bookmarks {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  of(uid: string): Bookmark {
    const file = this.#fileOf(uid);
    let writing: Promise<void> = Promise.resolve();
    return {
      read: () => readFile(file, 'utf8').catch(absent),
      write: (text) => {
        const written = writing.catch(() => undefined).then(() => this.#write(file, text));
        writing = written;
        return written;
      },
    };
  }

  async forget(uid: string): Promise<void> {
    await rm(this.#fileOf(uid), { force: true });
  }

  #fileOf(uid: string): string {
    return join(this.#folder, `${uid.replace(/[^\w-]/g, '_')}.bookmark`);
  }

  async #write(file: string, text: string): Promise<void> {
    if (text.length > TEXT_MAX)
      throw new PlatformError('BOOKMARK_TOO_LARGE', `${file}: ${text.length} characters`, {
        retryable: false,
      });
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const beside = await open(`${file}.new`, 'w', 0o600);
    try {
      await beside.writeFile(text);
      await beside.sync();
    } finally {
      await beside.close();
    }
    await rename(`${file}.new`, file);
    const folder = await open(this.#folder, 'r');
    try {
      await folder.sync(); // a rename is durable with its folder
    } finally {
      await folder.close();
    }
  }
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
