import type { Resource } from '../../apis/resource.ts';
import { ApiError, expired } from './api-error.ts';
import type { WatchEvent, WatchOptions } from './resource-store.ts';

/** One committed change, with the state before it when that is known. */
export type Change = {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly group: string;
  readonly kind: string;
  readonly object: Resource;
  readonly before: Resource | undefined;
};

/** A watcher that does not keep up is cut after so many unread changes; it lists again. */
const UNREAD_MAX = 10_000;

/** The recent changes, and those who watch them (S7). */
export class Watchers {
  readonly #historyMax: number;
  readonly #watchers = new Set<(change: Change) => void>();
  #history: Change[];
  #oldest: number; // changes after this version are all here

  constructor(history: Change[], oldest: number, historyMax: number) {
    this.#history = history;
    this.#oldest = oldest;
    this.#historyMax = historyMax;
  }

  announce(change: Change): void {
    this.#history.push(change);
    if (this.#history.length > this.#historyMax * 1.1) {
      this.#history = this.#history.slice(-this.#historyMax);
      this.#oldest = (this.#history[0]?.version ?? 1) - 1;
    }
    for (const watcher of this.#watchers) watcher(change);
  }

  /** Throws Expired at once when `since` is too old to go on from. */
  watch(options: WatchOptions): AsyncIterable<WatchEvent> {
    this.#changesAfter(options);
    return this.#stream(options);
  }

  /** A version that was never given out is as lost as one that is too old: the reader knows a state that is not ours. */
  #changesAfter(options: WatchOptions): WatchEvent[] {
    const since = Number(options.since);
    const newest = this.#history.at(-1)?.version ?? this.#oldest;
    if (!(since >= this.#oldest && since <= newest)) throw expired(options.since, this.#oldest + 1);
    return this.#history
      .filter(({ version }) => version > since)
      .flatMap((change) => seenThrough(options, change));
  }

  async *#stream(options: WatchOptions): AsyncGenerator<WatchEvent> {
    const unread = this.#changesAfter(options); // again: the reader may begin long after it asked
    let wake: (() => void) | undefined;
    let isTooSlow = false;
    const watcher = (change: Change): void => {
      unread.push(...seenThrough(options, change));
      isTooSlow ||= unread.length > UNREAD_MAX;
      wake?.();
    };
    const onAbort = (): void => wake?.();
    this.#watchers.add(watcher);
    options.signal.addEventListener('abort', onAbort);
    try {
      while (!options.signal.aborted) {
        if (isTooSlow) throw new ApiError(410, 'Expired', 'the watch did not keep up with the changes');
        const next = unread.splice(0);
        for (const event of next) yield event;
        if (unread.length === 0 && !options.signal.aborted)
          await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#watchers.delete(watcher);
      options.signal.removeEventListener('abort', onAbort);
    }
  }
}

/** What a watcher with a selector sees: an object that leaves its selection is deleted, one that enters it is added. */
function seenThrough({ group, kind, namespace, matches }: WatchOptions, change: Change): WatchEvent[] {
  const { object, before, type } = change;
  if (change.group !== group || change.kind !== kind) return [];
  if (namespace !== undefined && object.metadata.namespace !== namespace) return [];
  if (matches === undefined) return [{ type, object }];
  const isIn = matches(object);
  const wasIn = before !== undefined ? matches(before) : type === 'MODIFIED'; // not known: told rather than lost
  if (type === 'DELETED') return isIn || wasIn ? [{ type, object }] : [];
  if (isIn) return [{ type: wasIn ? 'MODIFIED' : 'ADDED', object }];
  return wasIn ? [{ type: 'DELETED', object }] : [];
}
