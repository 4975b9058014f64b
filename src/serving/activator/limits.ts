/**
 * How many requests of one revision may wait (serving pkg/activator/net/throttler.go, pkg/queue/sharedmain): 10 000, as in
 * the activator's queue; where the activator keeps out of the way (`target-burst-capacity: 0`) and instances are up, ten
 * for each place, as in the queue of each of them.
 */
export function waitingMax({
  containerConcurrency,
  burstCapacity,
  ready,
}: {
  readonly containerConcurrency: number;
  readonly burstCapacity: number;
  readonly ready: number;
}): number {
  const isDirect = containerConcurrency > 0 && burstCapacity === 0 && ready > 0;
  return isDirect ? Math.min(WAITING_MAX, 10 * containerConcurrency * ready) : WAITING_MAX;
}

const WAITING_MAX = 10_000;

/**
 * Bounds what all revisions have together (P6), of requests that wait and of instances, so that no crowd shuts others out: each
 * may grow to what is still free (the dynamic threshold of shared switch buffers). One crowd gets half of the room, two get
 * a third each, and there is always a place for whoever has few.
 */
export class SharedRoom {
  readonly #max: number;
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get max(): number {
    return this.#max;
  }

  /** Takes a place for whoever has `size` already; false: it may not grow. */
  enter(size: number): boolean {
    if (size >= this.#max - this.#held) return false;
    this.#held += 1;
    return true;
  }

  leave(): void {
    this.#held -= 1;
  }
}
