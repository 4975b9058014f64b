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
  #waiting = 0;

  get waiting(): number {
    return this.#waiting;
  }

  /** Takes the lane for an event, or queues it: false means that it has to wait. */
  enter(lane: string, waiter: Waiter): boolean {
    const queue = this.#lanes.get(lane);
    if (queue === undefined) {
      this.#lanes.set(lane, []);
      return true;
    }
    queue.push(waiter);
    this.#waiting += 1;
    return false;
  }

  /** The event that held the lane is done: who is next, if anybody. */
  leave(lane: string): Waiter | undefined {
    const queue = this.#lanes.get(lane);
    const next = queue?.shift();
    if (next === undefined) this.#lanes.delete(lane);
    else this.#waiting -= 1;
    return next;
  }

  *waiters(): Generator<readonly [string, Waiter]> {
    for (const [lane, queue] of this.#lanes) for (const waiter of queue) yield [lane, waiter];
  }
}
