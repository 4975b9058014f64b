import type { DueAt } from './protocol.ts';

export type Due = DueAt & {
  readonly attempts: number;
  readonly lane: string | undefined;
  /** undefined: not known here, it has to be read; null: deliver. */
  readonly stage: Uint8Array | null | undefined;
};

/**
 * The soonest retries of one group, in memory; the rest stays on disk, where all of them are (design decision 6).
 *   D1  every retry that is due at `horizon` or sooner is in the list; without a horizon the list has all of them.
 *   D2  there are never more than `max`, unless a page is being read; then the later half is forgotten afterwards.
 */
export class DueList {
  readonly #max: number;
  #heap: Due[] = [];
  readonly #members = new Set<number>();
  #horizon: DueAt | undefined;
  #isLoading = false;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#heap.length;
  }

  get horizon(): DueAt | undefined {
    return this.#horizon;
  }

  get isLoading(): boolean {
    return this.#isLoading;
  }

  has(seq: number): boolean {
    return this.#members.has(seq);
  }

  /** The first that is due, as far as this list knows; undefined when it ends before that. */
  peek(): Due | undefined {
    const first = this.#heap[0];
    const isPastHorizon =
      first !== undefined && this.#horizon !== undefined && isBefore(this.#horizon, first);
    return isPastHorizon ? undefined : first;
  }

  seqs(): Iterable<number> {
    return this.#members;
  }

  /** What lies past the horizon is on disk already and is not taken, unless a page is being read. */
  push(due: Due): void {
    if (!this.#isLoading && this.#horizon !== undefined && isBefore(this.#horizon, due)) return;
    this.#members.add(due.seq);
    this.#heap.push(due);
    this.#up(this.#heap.length - 1);
    if (!this.#isLoading && this.#heap.length > this.#max) this.#forgetLaterHalf();
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

  /** Nothing of what is on disk is here yet. */
  expectAll(): void {
    this.#horizon = { dueMs: -1, seq: 0 };
  }

  /** From here on a page is being read: whatever is pushed meanwhile is taken, however late it is due. */
  beginLoad(): void {
    this.#isLoading = true;
  }

  /** The page has been pushed: it reached as far as `horizon`, or it was the last one. */
  endLoad(horizon: DueAt | undefined): void {
    this.#isLoading = false;
    this.#horizon = horizon;
    if (this.#heap.length > this.#max) this.#forgetLaterHalf();
  }

  #forgetLaterHalf(): void {
    const sorted = this.#heap.toSorted((a, b) => (isBefore(a, b) ? -1 : 1));
    const kept = sorted.slice(0, Math.ceil(this.#max / 2));
    for (const { seq } of sorted.slice(kept.length)) this.#members.delete(seq);
    this.#heap = kept; // a sorted array is a heap
    const last = kept.at(-1);
    if (last === undefined || (this.#horizon !== undefined && isBefore(this.#horizon, last))) return;
    this.#horizon = { dueMs: last.dueMs, seq: last.seq };
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

const isBefore = (a: DueAt, b: DueAt): boolean => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.seq < b.seq);
