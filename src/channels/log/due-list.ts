export type Due = {
  readonly seq: number;
  readonly dueMs: number;
  readonly attempts: number;
  readonly lane: string | undefined;
  /** undefined: not known here, it has to be read; null: deliver. */
  readonly stage: Uint8Array | null | undefined;
};

/**
 * The soonest retries of one group, in memory; the rest stays on disk, where all of them are (design decision 6).
 * When there get to be more than `max`, the later half is forgotten here, and `horizon` says up to where this list is
 * complete; `undefined` means that it has all.
 */
export class DueList {
  readonly #max: number;
  #heap: Due[] = [];
  readonly #members = new Set<number>();
  #horizon: { readonly dueMs: number; readonly seq: number } | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#heap.length;
  }

  get horizon(): { readonly dueMs: number; readonly seq: number } | undefined {
    return this.#horizon;
  }

  has(seq: number): boolean {
    return this.#members.has(seq);
  }

  peek(): Due | undefined {
    return this.#heap[0];
  }

  seqs(): Iterable<number> {
    return this.#members;
  }

  /** What lies past the horizon is on disk already and is not taken, unless `isLoading`. */
  push(due: Due, isLoading = false): void {
    if (!isLoading && this.#horizon !== undefined && isBefore(this.#horizon, due)) return;
    this.#members.add(due.seq);
    this.#heap.push(due);
    this.#up(this.#heap.length - 1);
    if (this.#heap.length > this.#max) this.#forgetLaterHalf();
  }

  pop(): Due | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return undefined;
    this.#members.delete(first.seq);
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#down();
    }
    return first;
  }

  /** A page from disk has been pushed: the list is complete up to its last row, or altogether. */
  extendTo(horizon: { readonly dueMs: number; readonly seq: number } | undefined): void {
    this.#horizon = horizon;
  }

  #forgetLaterHalf(): void {
    const sorted = this.#heap.toSorted((a, b) => (isBefore(a, b) ? -1 : 1));
    const kept = sorted.slice(0, Math.ceil(this.#max / 2));
    for (const { seq } of sorted.slice(kept.length)) this.#members.delete(seq);
    this.#heap = kept; // a sorted array is a heap
    const last = kept.at(-1);
    if (last !== undefined) this.#horizon = { dueMs: last.dueMs, seq: last.seq };
  }

  #up(from: number): void {
    let i = from;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#swapIfBefore(i, parent)) return;
      i = parent;
    }
  }

  #down(): void {
    let i = 0;
    for (;;) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      const [a, b] = [this.#heap[left], this.#heap[right]];
      if (a === undefined) return;
      const child = b !== undefined && isBefore(b, a) ? right : left;
      if (!this.#swapIfBefore(child, i)) return;
      i = child;
    }
  }

  #swapIfBefore(child: number, parent: number): boolean {
    const [a, b] = [this.#heap[child], this.#heap[parent]];
    if (a === undefined || b === undefined || !isBefore(a, b)) return false;
    this.#heap[child] = b;
    this.#heap[parent] = a;
    return true;
  }
}

type Position = { readonly dueMs: number; readonly seq: number };
const isBefore = (a: Position, b: Position): boolean =>
  a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.seq < b.seq);
