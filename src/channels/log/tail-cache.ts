import type { CloudEvent } from '../../events/event.ts';

type Kept = { readonly event: CloudEvent; readonly bytes: number; owing: number };

/** So many row ids of events that have gone are kept at least, so that the order is seldom renewed. */
const ORDER_SLACK = 1024;

/**
 * The newest events of all channels that some group has not settled yet, so that a consumer who keeps up never reads from
 * disk; bounded by bytes (P6). What is settled goes at once: events that die young cost the garbage collector least.
 */
export class TailCache {
  readonly #bytesMax: number;
  readonly #kept = new Map<number, Kept>(); // by row id, the oldest first
  /**
   * Row ids in the order they came, from `#first` on; some have gone since. Not an iterator of the map: one begun anew
   * steps over all that has been removed (up to 50 µs an event), and one that is kept holds every table the map ever had.
   */
  #order: number[] = [];
  #first = 0;
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
    this.#order.push(row);
    this.#bytes += bytes;
    if (this.#order.length > 2 * this.#kept.size + ORDER_SLACK) this.#renewOrder();
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
    while (this.#first < this.#order.length) {
      const row = this.#order[this.#first] ?? 0;
      this.#first += 1;
      const kept = this.#kept.get(row);
      if (kept === undefined) continue;
      this.#kept.delete(row);
      this.#bytes -= kept.bytes;
      return;
    }
  }

  #renewOrder(): void {
    this.#order = [...this.#kept.keys()];
    this.#first = 0;
  }
}
