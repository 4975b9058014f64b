import type { Clock } from '../../base/clock.ts';
import type { Bookmark } from '../source.ts';

/** Between two writes; what was taken meanwhile is repeated after a crash. */
const PAUSE_MS = 100;

/** Writes how far a source has come, not for each event but at most ten times a second, and at the end. */
export class BookmarkWriter {
  readonly #bookmark: Bookmark;
  readonly #clock: Clock;
  readonly #text: () => string;
  readonly #stop = new AbortController();
  #isDirty = false;
  #writing: Promise<void> | undefined;

  constructor(bookmark: Bookmark, clock: Clock, text: () => string) {
    this.#bookmark = bookmark;
    this.#clock = clock;
    this.#text = text;
  }

  /** What it would write is another than before. */
  touch(): void {
    this.#isDirty = true;
    this.#writing ??= this.#write();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#writing;
    if (this.#isDirty) await this.#bookmark.write(this.#text());
    this.#isDirty = false;
  }

  async #write(): Promise<void> {
    const { signal } = this.#stop;
    while (this.#isDirty && !signal.aborted) {
      this.#isDirty = false;
      await this.#bookmark.write(this.#text());
      await this.#clock.until(this.#clock.nowMs() + PAUSE_MS, signal);
    }
    this.#writing = undefined;
  }
}
