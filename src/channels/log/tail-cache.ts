import type { CloudEvent } from '../../events/event.ts';

type Kept = { readonly event: CloudEvent; readonly bytes: number; owing: number };

/**
 * The newest events of all channels that some group has not settled yet, so that a consumer who keeps up never reads from
 * disk; bounded by bytes (P6). What is settled goes at once: events that die young cost the garbage collector least.
 */
export class TailCache {
  readonly #bytesMax: number;
  readonly #kept = new Map<number, Kept>(); // by row id, the oldest first
  /** Goes on from where it was: an iteration begun anew steps over all that has been removed (up to 50 µs an event). */
  #oldest = this.#kept.entries();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(row: number): Kept | undefined {
    return this.#kept.get(row);
  }

  /** `owing`: how many groups it is kept for. */
  add(row: number, event: CloudEvent, bytes: number, owing: number): void {
    if (owing === 0) return;
    this.#kept.set(row, { event, bytes, owing });
    this.#bytes += bytes;
    while (this.#bytes > this.#bytesMax) this.#forgetOldest();
  }

  /** One of its groups is done with it. */
  settle(row: number): void {
    const kept = this.#kept.get(row);
    if (kept === undefined || (kept.owing -= 1) > 0) return;
    this.#kept.delete(row);
    this.#bytes -= kept.bytes;
  }

  #forgetOldest(): void {
    const next = this.#oldest.next();
    if (next.done === true) {
      this.#oldest = this.#kept.entries(); // it had come to the end
      return;
    }
    const [oldest, { bytes }] = next.value;
    this.#kept.delete(oldest);
    this.#bytes -= bytes;
  }
}
