import type { Backlog } from './channel.ts';

type Seen = { readonly atMs: number; readonly events: number; readonly answers: number };

/** A backlog that has grown for so long without one answer is no progress. */
export const STALLED_AFTER_MS = 60_000;

/**
 * Notices subscriptions that owe more and more while none of their attempts comes to an end: a consumer that has stopped
 * without a word, or a subscriber that takes everything and answers nothing. Pure bookkeeping; it is told, and asks nobody.
 */
export class ProgressWatch {
  readonly #answers = new Map<string, number>();
  readonly #since = new Map<string, Seen>();

  /** One attempt of the group has come to its end, however. */
  ended(group: string): void {
    this.#answers.set(group, (this.#answers.get(group) ?? 0) + 1);
  }

  /** What is to be said of each group that makes no progress, by group; the figures are of `nowMs`. */
  stalled(
    backlogs: readonly Pick<Backlog, 'group' | 'events'>[],
    nowMs: number,
  ): ReadonlyMap<string, string> {
    const stalled = new Map<string, string>();
    for (const { group, events } of backlogs) {
      const now: Seen = { atMs: nowMs, events, answers: this.#answers.get(group) ?? 0 };
      const before = this.#since.get(group);
      if (before === undefined || before.answers !== now.answers || events <= before.events)
        this.#since.set(group, now);
      else if (nowMs - before.atMs >= STALLED_AFTER_MS) stalled.set(group, textOf(before, now));
    }
    return stalled;
  }

  forget(group: string): void {
    this.#answers.delete(group);
    this.#since.delete(group);
  }
}

function textOf(before: Seen, now: Seen): string {
  const seconds = Math.round((now.atMs - before.atMs) / 1000);
  return `no attempt has ended for ${seconds} s, while the backlog grew from ${before.events} to ${now.events} events`;
}
