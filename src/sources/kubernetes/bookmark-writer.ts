import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Bookmark } from '../source.ts';

export type BookmarkWriterOptions = {
  readonly bookmark: Bookmark;
  readonly clock: Clock;
  readonly text: () => string;
  /** It cannot be written, and why; undefined: it can again. */
  readonly onTrouble: (message: string | undefined) => void;
};

/** Between two writes; what was taken meanwhile is repeated after a crash. */
const PAUSE_MS = 100;
/** After one that failed. */
const RETRY_MS = 1000;

/** Writes how far a source has come, not for each event but at most ten times a second, and at the end. */
export class BookmarkWriter {
  readonly #options: BookmarkWriterOptions;
  readonly #stop = new AbortController();
  #isDirty = false;
  #isFailing = false;
  #writing: Promise<void> | undefined;

  constructor(options: BookmarkWriterOptions) {
    this.#options = options;
  }

  /** What it would write is another than before. */
  touch(): void {
    this.#isDirty = true;
    this.#writing ??= this.#write();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#writing;
    if (this.#isDirty) await this.#writeOnce();
  }

  async #write(): Promise<void> {
    const { clock } = this.#options;
    while (this.#isDirty && !this.#stop.signal.aborted) {
      await this.#writeOnce();
      await clock.until(clock.nowMs() + (this.#isFailing ? RETRY_MS : PAUSE_MS), this.#stop.signal);
    }
    this.#writing = undefined;
  }

  async #writeOnce(): Promise<void> {
    const { bookmark, text, onTrouble } = this.#options;
    this.#isDirty = false;
    try {
      await bookmark.write(text());
      if (this.#isFailing) onTrouble(undefined);
      this.#isFailing = false;
    } catch (error) {
      this.#isDirty = true;
      this.#isFailing = true;
      onTrouble(messageOf(error));
    }
  }
}
