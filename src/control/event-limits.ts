/** client-go's own figures (tools/record, events_cache.go). */
const BURST = 25;
const ANOTHER_AFTER_MS = 300_000;
const SIMILAR_MAX = 10;
const SIMILAR_FOR_MS = 600_000;
/** Objects, and things said of them, that are remembered. */
const REMEMBERED_MAX = 4096;

type Bucket = { readonly left: number; readonly atMs: number };
type Similar = { readonly messages: Set<string>; readonly sinceMs: number };

/** How much may be said of one object, so that no fault that repeats itself fills the store. */
export class EventLimits {
  readonly #buckets = new Map<string, Bucket>();
  readonly #similar = new Map<string, Similar>();

  /** Whether one more may be said of this object: 25 at once, and one more every five minutes. */
  allows(object: string, nowMs: number): boolean {
    const known = this.#buckets.get(object) ?? { left: BURST, atMs: nowMs };
    const left = Math.min(BURST, known.left + (nowMs - known.atMs) / ANOTHER_AFTER_MS);
    const isAllowed = left >= 1;
    remember(this.#buckets, object, { left: isAllowed ? left - 1 : left, atMs: nowMs });
    return isAllowed;
  }

  /** Whether so much that differs in its message alone was said lately that it is counted as one. */
  isCombined(series: string, message: string, nowMs: number): boolean {
    const known = this.#similar.get(series);
    const isOld = known === undefined || nowMs - known.sinceMs > SIMILAR_FOR_MS;
    const messages = isOld ? new Set<string>() : known.messages;
    const isMore = messages.size >= SIMILAR_MAX && !messages.has(message);
    if (!isMore) messages.add(message);
    remember(this.#similar, series, { messages, sinceMs: isOld ? nowMs : known.sinceMs });
    return isMore;
  }
}

/** The one that was not looked at for the longest makes room. */
export function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > REMEMBERED_MAX && oldest !== undefined) map.delete(oldest);
}
