import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../base/errors.ts';
import type { Bookmark } from '../sources/source.ts';
import { writeDurably } from './durable-file.ts';

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
    await writeDurably(file, text);
  }
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
