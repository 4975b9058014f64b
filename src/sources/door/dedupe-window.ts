import type { Clock } from '../../base/clock.ts';

/** Deliveries that are remembered at a time, over all sources; the oldest is forgotten first. */
const REMEMBERED_MAX = 10_000;

type Taking = { readonly untilMs: number; readonly taken: Promise<void> };

/**
 * Takes the same delivery once within a window.
 *   W1  a repetition is answered only when the first has been: never "taken" before it is.
 *   W2  a delivery that could not be taken is forgotten, so that it can be sent again.
 *   W3  it is kept in memory: a restart forgets.
 */
export class DedupeWindow {
  readonly #clock: Clock;
  readonly #takings = new Map<string, Taking>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `take` unless `key` was taken within the last `windowMs`; rejects as the `take` that counts does. */
  async once(key: string, windowMs: number, take: () => Promise<void>): Promise<'taken' | 'repeated'> {
    const nowMs = this.#clock.nowMs();
    const known = this.#takings.get(key);
    if (known !== undefined && known.untilMs > nowMs) {
      await known.taken; // W1
      return 'repeated';
    }
    const taking: Taking = { untilMs: nowMs + windowMs, taken: take() };
    this.#takings.delete(key); // the newest stands last
    this.#takings.set(key, taking);
    this.#forget(nowMs);
    try {
      await taking.taken;
      return 'taken';
    } catch (error) {
      if (this.#takings.get(key) === taking) this.#takings.delete(key); // W2
      throw error;
    }
  }

  #forget(nowMs: number): void {
    for (const [oldest, { untilMs }] of this.#takings) {
      if (this.#takings.size <= REMEMBERED_MAX && untilMs > nowMs) return;
      this.#takings.delete(oldest);
    }
  }
}
