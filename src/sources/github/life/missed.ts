import type { Attempted, DeliveriesPage } from '../rest/hooks.ts';
import { shortOf, type Notes, type Span } from './notes.ts';

/** GitHub keeps what it tried to bring for three days (docs.github.com/webhooks, Viewing webhook deliveries). */
export const KEPT_MS = 3 * 24 * 3_600_000;
/** An attempt may be listed after one that began later: so much before the last known one is looked through again. */
const OVERLAP_MS = 60_000;
/** GitHub waits ten seconds for an answer: an attempt without an end is none after this long. */
const PENDING_MAX_MS = 120_000;
/** As many are remembered at a time; of more the oldest come first, and then GitHub is asked anew. */
const MISSED_MAX = 5000;
/** Half a million attempts; a list that goes on for ever is none. */
const PAGES_MAX = 5000;

export type Missed = {
  /** What GitHub could not bring, each once, the oldest first. */
  readonly items: readonly Attempted[];
  /** All attempts up to then are taken once the items are. */
  readonly upToMs: number;
  /** Whether to look again soon: something is still under way, or was too much for one look. */
  readonly isMore: boolean;
  readonly lost: Span | undefined;
};

export type Known = Pick<Notes, 'fetched' | 'lookedAtMs' | 'upToMs'>;

/**
 * What GitHub tried to bring since the last look and could not. What the receiver answered with 2xx it has taken; what
 * was fetched before is taken too; all attempts of one delivery have its GUID.
 */
export async function findMissed(
  page: (cursor: string | undefined) => Promise<DeliveriesPage>,
  known: Known,
  nowMs: number,
): Promise<Missed> {
  const walk = new Walk(known, nowMs);
  let cursor: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const { items, cursor: after } = await page(cursor);
    for (const attempt of items) if (!walk.goesOn(attempt)) return walk.end(true);
    if (after === undefined || after === cursor) break;
    cursor = after;
  }
  return walk.end(false);
}

/** Goes back through the attempts, from the newest to the last one that is known. */
class Walk {
  readonly #known: Known;
  readonly #nowMs: number;
  readonly #taken: Set<string>;
  /** By GUID, the newest first. */
  readonly #missed = new Map<string, Attempted>();
  #upToMs = 0;
  #capMs = Number.POSITIVE_INFINITY;
  #oldestMs = Number.POSITIVE_INFINITY;

  constructor(known: Known, nowMs: number) {
    this.#known = known;
    this.#nowMs = nowMs;
    this.#taken = new Set(known.fetched);
  }

  /** False: from here on everything is known. */
  goesOn(attempt: Attempted): boolean {
    const { guid, code, atMs, isPending } = attempt;
    if (atMs < this.#known.upToMs - OVERLAP_MS) return false;
    this.#oldestMs = Math.min(this.#oldestMs, atMs);
    this.#upToMs = Math.max(this.#upToMs, atMs);
    const short = shortOf(guid);
    if (isPending && atMs > this.#nowMs - PENDING_MAX_MS) {
      this.#capMs = Math.min(this.#capMs, atMs - 1);
    } else if (code >= 200 && code < 300) {
      this.#taken.add(short);
      this.#missed.delete(short);
    } else if (!this.#taken.has(short)) {
      this.#missed.delete(short); // its first attempt is when it happened
      this.#missed.set(short, attempt);
      if (this.#missed.size > MISSED_MAX) this.#dropNewest();
    }
    return true;
  }

  end(isReached: boolean): Missed {
    return {
      items: [...this.#missed.values()].toReversed(),
      upToMs: Math.max(this.#known.upToMs, Math.min(this.#upToMs, this.#capMs)),
      isMore: this.#capMs < Number.POSITIVE_INFINITY,
      lost: isReached ? undefined : this.#lost(),
    };
  }

  /** The list has ended: what was before its end, or before what GitHub keeps, nobody knows. */
  #lost(): Span | undefined {
    const fromMs = this.#known.lookedAtMs;
    const toMs = Math.min(this.#oldestMs, this.#nowMs - KEPT_MS);
    return fromMs < toMs ? { fromMs, toMs } : undefined;
  }

  #dropNewest(): void {
    const [short, attempt] = this.#missed.entries().next().value ?? [];
    if (short === undefined || attempt === undefined) return;
    this.#missed.delete(short);
    this.#capMs = Math.min(this.#capMs, attempt.atMs - 1);
  }
}
