/**
 * Which events of a channel a group is done with: all up to `cursor`, and single ones above it. What is not done is in
 * flight, waiting, or not offered yet. A hanging event holds the cursor, not the others: they are noted one by one, and
 * when they get too many the hanging one is given a row of its own (`owed`), and the cursor moves on (P4).
 */
export class Progress {
  readonly #above: Set<number>;
  #cursor: number;

  constructor(cursor: number, done: Uint32Array) {
    this.#cursor = cursor;
    this.#above = new Set(Array.from(done, (offset) => cursor + offset));
  }

  get cursor(): number {
    return this.#cursor;
  }

  get doneAbove(): number {
    return this.#above.size;
  }

  isDone(seq: number): boolean {
    return seq <= this.#cursor || this.#above.has(seq);
  }

  finish(seq: number): void {
    if (seq !== this.#cursor + 1) {
      this.#above.add(seq);
      return;
    }
    this.#cursor = seq;
    while (this.#above.size > 0 && this.#above.delete(this.#cursor + 1)) this.#cursor += 1;
  }

  /** As stored: offsets from the cursor, so that they fit 32 bits. */
  snapshot(): { readonly cursor: number; readonly done: Uint32Array } {
    const done = new Uint32Array(this.#above.size);
    let i = 0;
    for (const seq of this.#above) done[i++] = seq - this.#cursor;
    return { cursor: this.#cursor, done };
  }
}
