import type { CloudEvent } from '../../events/event.ts';

type Kept = { readonly event: CloudEvent; readonly bytes: number };

/** The newest events of all channels, so that a consumer who keeps up never reads from disk; bounded by bytes (P6). */
export class TailCache {
  readonly #bytesMax: number;
  readonly #kept = new Map<number, Kept>(); // by row id, the oldest first
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
    if (this.#bytes <= this.#bytesMax) return;
    for (const [oldest, kept] of this.#kept) {
      this.#kept.delete(oldest);
      this.#bytes -= kept.bytes;
      if (this.#bytes <= this.#bytesMax) return;
    }
  }
}
