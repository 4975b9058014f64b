import type { CloudEvent } from '../../events/event.ts';

type Kept = { readonly event: CloudEvent; readonly bytes: number };

/** The newest events of all channels, so that a consumer who keeps up never reads from disk; bounded by bytes (P6). */
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

  add(row: number, event: CloudEvent, bytes: number): void {
    this.#kept.set(row, { event, bytes });
    this.#bytes += bytes;
    while (this.#bytes > this.#bytesMax) this.#forgetOldest();
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
