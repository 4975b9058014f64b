import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';
import type { Consumer, GroupOptions, Offer, Verdict } from './channel.ts';

/**
 * An event at hand. `conclude` brings the verdict to where the event is kept; its place in flight is free once that has
 * resolved. It resolves with what is to be offered next in its stead (a later stage, or the same one when it is due), or
 * with undefined when the event is no longer held here. It never rejects: when the backend is gone it resolves, and the
 * adapter has stopped these offers.
 */
export type Held = Offer & {
  /** Not to be offered sooner; since the epoch. */
  readonly dueMs?: number;
  /** Whether others have it now: then it is dropped here, and not offered. */
  readonly isGone?: () => boolean;
  readonly conclude: (verdict: Verdict) => Promise<Held | undefined>;
};

/** A held event with its place in the order of arrival, and the key it holds or waits for. */
type Entry = { held: Held; readonly place: number; lane: string | undefined };

/**
 * The offers of one group, for every adapter that has events brought to it: how many are under way, what has to wait for
 * its key, and how they end. It keeps nothing: what it holds is the backend's until it is concluded.
 *   O1  at most `inFlightMax` offers are unanswered; the others wait, in the order they came.
 *   O2  ordered, an event holds its key from take() until it is concluded with nothing to follow: a retry, too.
 *   O3  how much is held is the adapter's to bound, by `size` and `onRoom`.
 *   O4  after stop() nothing is offered; what is unanswered after the grace time is aborted.
 */
export class Offers {
  readonly #clock: Clock;
  readonly #onRoom: () => void;
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  readonly #ready = new Set<Entry>();
  readonly #lanes = new Map<string, Entry[]>(); // those behind the key's holder
  readonly #resting = new Set<string>(); // keys whose holder waits for its time
  #serving: { readonly options: GroupOptions; readonly consumer: Consumer } | undefined;
  #arrivals = 0;
  #inFlight = 0;
  #size = 0;
  #waiting = 0;
  #onIdle: (() => void) | undefined;
  #stopping: Promise<void> | undefined;

  /** `onRoom` is called whenever fewer are held than before. */
  constructor(clock: Clock, onRoom: () => void = () => undefined) {
    this.#clock = clock;
    this.#onRoom = onRoom;
  }

  /** Held here: ready, under way, waiting for their time or for their key. */
  get size(): number {
    return this.#size;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Those of `size` that wait for their time. */
  get waiting(): number {
    return this.#waiting;
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Exchanges consumer and options. When the order changes, what is under way goes on as it was. */
  serve(options: GroupOptions, consumer: Consumer): void {
    const isOrderNew = this.#serving !== undefined && this.#serving.options.isOrdered !== options.isOrdered;
    this.#serving = { options, consumer };
    if (isOrderNew) this.#formLanes();
    this.#pump();
  }

  take(held: Held): void {
    this.#size += 1;
    this.#enter({ held, place: (this.#arrivals += 1), lane: undefined });
    this.#pump();
  }

  /** Gives up, in the order they came, those that are ready, hold no key and are chosen: nobody was offered them. */
  withdraw(isChosen: (held: Held) => boolean): readonly Held[] {
    const chosen = [...this.#ready].filter(({ held, lane }) => lane === undefined && isChosen(held));
    for (const entry of chosen) this.#ready.delete(entry);
    this.#size -= chosen.length;
    return chosen.map(({ held }) => held);
  }

  /** Gives up, in the order they came, all that stands behind an event that waits for its time. */
  withdrawBehindWaiting(): readonly Held[] {
    const behind = [...this.#resting].flatMap((lane) => this.#lanes.get(lane)?.splice(0) ?? []);
    this.#size -= behind.length;
    return behind.map(({ held }) => held);
  }

  /** No further offers; waits for those under way and, after `graceMs`, aborts them. Twice is as good as once. */
  stop(graceMs: number): Promise<void> {
    return (this.#stopping ??= this.#drain(graceMs));
  }

  async #drain(graceMs: number): Promise<void> {
    this.#stop.abort();
    if (this.#inFlight === 0) return;
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    const done = new AbortController();
    void this.#clock.until(this.#clock.nowMs() + graceMs, done.signal).then(() => this.#abort.abort());
    await idle;
    done.abort();
  }

  /** O2: behind the holder of its key, or ready. */
  #enter(entry: Entry): void {
    entry.lane = this.#laneOf(entry.held);
    const behind = entry.lane === undefined ? undefined : this.#lanes.get(entry.lane);
    if (behind !== undefined) return void behind.push(entry);
    if (entry.lane !== undefined) this.#lanes.set(entry.lane, []);
    this.#place(entry);
  }

  #place(entry: Entry): void {
    const { dueMs } = entry.held;
    if (dueMs !== undefined && dueMs > this.#clock.nowMs()) void this.#wait(entry, dueMs);
    else this.#ready.add(entry);
  }

  async #wait(entry: Entry, dueMs: number): Promise<void> {
    const { lane } = entry;
    this.#waiting += 1;
    if (lane !== undefined) this.#resting.add(lane);
    await this.#clock.until(dueMs, this.#stop.signal);
    if (lane !== undefined) this.#resting.delete(lane);
    this.#waiting -= 1;
    this.#ready.add(entry);
    this.#pump();
  }

  #pump(): void {
    if (this.#serving === undefined || this.isStopped) return;
    const { options, consumer } = this.#serving;
    for (const entry of this.#ready) {
      if (this.#inFlight >= options.inFlightMax) return; // O1
      this.#ready.delete(entry);
      if (entry.held.isGone?.() === true) {
        this.#finish(entry);
        continue;
      }
      this.#inFlight += 1;
      void this.#offer(entry, consumer);
    }
  }

  async #offer(entry: Entry, consumer: Consumer): Promise<void> {
    const { event, attempt, stage, seq, conclude } = entry.held;
    const verdict = await consumer({ event, attempt, stage, seq }, this.#abort.signal);
    const next = await conclude(verdict);
    if (verdict.kind === 'retry') await nextTurn(); // a consumer that fails at once would leave no room for anything else
    this.#inFlight -= 1;
    if (next === undefined) {
      this.#finish(entry);
    } else {
      entry.held = next;
      this.#place(entry); // O2
    }
    this.#pump();
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  #finish({ lane }: Entry): void {
    this.#size -= 1;
    if (lane !== undefined) {
      const next = this.#lanes.get(lane)?.shift();
      if (next === undefined) this.#lanes.delete(lane);
      else this.#place(next);
    }
    this.#onRoom();
  }

  /** Of what nobody was offered yet. */
  #formLanes(): void {
    const entries = [...this.#ready, ...[...this.#lanes.values()].flat()].toSorted(
      (a, b) => a.place - b.place,
    );
    this.#ready.clear();
    this.#lanes.clear();
    for (const entry of entries) this.#enter(entry);
  }

  #laneOf({ event }: Held): string | undefined {
    return this.#serving?.options.isOrdered === true
      ? (event.attributes.get('partitionkey') ?? '')
      : undefined;
  }
}
