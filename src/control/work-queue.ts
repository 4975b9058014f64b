import type { Clock } from '../base/clock.ts';
import type { QueueMeter } from './queue-meter.ts';

export type WorkQueueOptions = {
  readonly clock: Clock;
  readonly random: () => number;
  readonly concurrency: number;
  /** Works on one key; a rejection is a failure, tried again after a growing pause. */
  readonly work: (key: string) => Promise<{ readonly againAfterMs: number } | undefined>;
  readonly meter?: QueueMeter | undefined;
};

const BACKOFF_FIRST_MS = 5;
const BACKOFF_MAX_MS = 300_000;

/**
 * Keys to work on.
 *   Q1  a key that is added many times before its turn has one turn.
 *   Q2  no two workers have the same key at a time; one that is added while it is worked on has another turn after.
 *   Q3  a key that fails comes back after a pause that doubles; a success forgets it.
 *   Q4  a key that is to come back several times comes back once, when the first of them is due: else each turn of one that
 *       asks for another would begin a series of its own, for ever.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #ready: string[] = [];
  readonly #queued = new Map<string, number>(); // since when
  readonly #active = new Set<string>();
  readonly #dirty = new Set<string>(); // added while active
  readonly #failures = new Map<string, number>();
  readonly #due = new Map<string, { readonly atMs: number; readonly replaced: AbortController }>();
  readonly #stop = new AbortController();
  #idle: (() => void)[] = [];

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  add(key: string): void {
    if (this.#stop.signal.aborted) return;
    if (this.#active.has(key)) this.#dirty.add(key); // Q2
    else if (!this.#queued.has(key)) {
      this.#queued.set(key, performance.now());
      this.#ready.push(key);
      this.#options.meter?.added();
      this.#next();
    }
  }

  addAfter(key: string, delayMs: number): void {
    const { clock } = this.#options;
    const atMs = clock.nowMs() + delayMs;
    const known = this.#due.get(key);
    if (known !== undefined && known.atMs <= atMs) return; // Q4
    known?.replaced.abort();
    const due = { atMs, replaced: new AbortController() };
    this.#due.set(key, due);
    const signal = AbortSignal.any([this.#stop.signal, due.replaced.signal]);
    void clock.until(atMs, signal).then(() => {
      if (this.#due.get(key) !== due) return;
      this.#due.delete(key);
      this.add(key);
    });
  }

  /** No further turns; resolves when those under way are over. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#ready.length = 0;
    if (this.#active.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #next(): void {
    while (this.#active.size < this.#options.concurrency) {
      const key = this.#ready.shift();
      if (key === undefined) return;
      const sinceMs = this.#queued.get(key) ?? 0;
      this.#queued.delete(key);
      this.#active.add(key);
      void this.#turn(key, this.#options.meter?.began(performance.now() - sinceMs));
    }
  }

  async #turn(key: string, ended?: (hasFailed: boolean) => void): Promise<void> {
    let hasFailed = false;
    try {
      const again = await this.#options.work(key);
      this.#failures.delete(key);
      if (again !== undefined) this.addAfter(key, again.againAfterMs);
    } catch {
      hasFailed = true;
      this.#options.meter?.retried();
      const failures = this.#failures.get(key) ?? 0; // Q3; whoever works has told of it
      this.#failures.set(key, failures + 1);
      this.addAfter(
        key,
        Math.min(BACKOFF_FIRST_MS * 2 ** failures, BACKOFF_MAX_MS) * (0.8 + 0.4 * this.#options.random()),
      );
    }
    ended?.(hasFailed);
    this.#active.delete(key);
    if (this.#dirty.delete(key)) this.add(key);
    this.#next();
    if (this.#active.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}
