/** One event that waits for its turn in an ordered group. */
export type Waiter = {
  readonly seq: number;
  isOwed: boolean;
  readonly attempts: number;
  readonly stage: Uint8Array | null | undefined;
};

/** Partition keys of an ordered group: one event at a time each, the others wait in order (promise P5). */
export class Lanes {
  readonly #lanes = new Map<string, Waiter[]>();
  readonly #waiting = new Set<number>();

  /** Keys that are held, and events that wait for them: what this takes in memory. */
  get size(): number {
    return this.#lanes.size + this.#waiting.size;
  }

  isWaiting(seq: number): boolean {
    return this.#waiting.has(seq);
  }

  /** Takes the lane for an event, or queues it: false means that it has to wait. */
  enter(lane: string, waiter: Waiter): boolean {
    const queue = this.#lanes.get(lane);
    if (queue === undefined) {
      this.#lanes.set(lane, []);
      return true;
    }
    queue.push(waiter);
    this.#waiting.add(waiter.seq);
    return false;
  }

  /** The event that held the lane is done: who is next, if anybody. */
  leave(lane: string): Waiter | undefined {
    const next = this.#lanes.get(lane)?.shift();
    if (next === undefined) this.#lanes.delete(lane);
    else this.#waiting.delete(next.seq);
    return next;
  }

  *waiters(): Generator<readonly [string, Waiter]> {
    for (const [lane, queue] of this.#lanes) for (const waiter of queue) yield [lane, waiter];
  }
}
