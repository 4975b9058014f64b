import { rfc3339 } from '../../apis/conditions.ts';
import { backoffDelayMs } from '../../base/backoff.ts';
import { messageOf } from '../../base/errors.ts';
import type { RunningSource, SourceAdapter, SourceTools } from '../source.ts';
import { eventOf } from './event.ts';
import type { PingPlan } from './plan.ts';
import { comeDue, LATE_MAX_MS, readProgress, seenBy, writeProgress, type Missed } from './progress.ts';
import { ticksOf } from './schedule.ts';

export const pingAdapter: SourceAdapter<PingPlan> = {
  open(plan, tools) {
    const source = new PingTicker(plan, tools);
    source.start();
    return source;
  },
};

/** Upstream's: not all sources at the same moment (eventing pkg/adapter/mtping/runner.go). */
const JITTER_MS = 500;
/** So many ticks wait for a sink that takes none; beyond that the oldest but the one in hand are given up. */
const OWED_MAX = 100;
/** The clock is looked at anew after this long, since it may have been set. */
const LOOK_AGAIN_MS = 3_600_000;
const RETRY = { policy: 'exponential', delayMs: 500, maxMs: 30_000 } as const;

/**
 * Makes an event of each time that a schedule comes true.
 *   T1  a tick that has come due is owed: it is noted durably in the moment before it is delivered, and until it is taken.
 *   T2  ticks are delivered one after the other, each with its own time; one that is repeated after a crash has the same id.
 *   T3  ticks that were noticed more than a minute late, or that too many others had been waiting before, are missed: they
 *       are counted and told by a Warning Event, once, and not made up for.
 *   T4  between ticks it holds a timer and nothing else.
 */
class PingTicker implements RunningSource {
  readonly #plan: PingPlan;
  readonly #tools: SourceTools;
  readonly #schedule: string;
  readonly #stop = new AbortController();
  #seenMs = 0;
  #owed: number[] = [];
  #givenUp: Missed | undefined;
  #noted: string | undefined;
  #retrying: Promise<void> | undefined;
  #delivering: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(plan: PingPlan, tools: SourceTools) {
    this.#plan = plan;
    this.#tools = tools;
    this.#schedule = JSON.stringify(plan.schedule);
  }

  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.all([this.#delivering, this.#retrying]);
    this.#tellGivenUp();
  }

  async #run(): Promise<void> {
    const { clock, random, bookmark } = this.#tools;
    const { signal } = this.#stop;
    const text = await this.#patiently('read', () => bookmark.read());
    if (signal.aborted) return;
    this.#resume(text);
    let nextMs = this.#lookAtClock(this.#after(this.#seenMs)); // what came due while nothing ran
    await this.#note();
    if (this.#retrying === undefined) this.#tools.tell({ kind: 'running' });
    while (!signal.aborted) {
      await clock.until(Math.min(nextMs + JITTER_MS * random(), clock.nowMs() + LOOK_AGAIN_MS), signal);
      if (!signal.aborted) nextMs = this.#lookAtClock(nextMs);
    }
  }

  #resume(text: string | undefined): void {
    const { clock } = this.#tools;
    this.#noted = text;
    try {
      const { seenMs, owed } = readProgress(text, this.#schedule, clock.nowMs());
      [this.#seenMs, this.#owed] = [seenMs, [...owed]];
    } catch (error) {
      this.#seenMs = clock.nowMs();
      const message = `how far it had come cannot be read, so it begins anew: ${messageOf(error)}`;
      this.#tools.warn('ProgressLost', message);
    }
  }

  /** Takes up what has come due, and says when the next tick is. */
  #lookAtClock(expectedMs: number): number {
    const nowMs = this.#tools.clock.nowMs();
    const seenMs = seenBy(this.#seenMs, nowMs);
    const firstMs = seenMs === this.#seenMs ? expectedMs : this.#after(seenMs);
    const { due, missed, nextMs } = comeDue(ticksOf(this.#plan.schedule), firstMs, nowMs);
    this.#seenMs = due.at(-1) ?? (missed === undefined ? seenMs : nowMs - LATE_MAX_MS);
    if (missed !== undefined) {
      const message = `${told(missed)} came due while this source could not run; ${NOT_MADE_UP}`;
      this.#tools.warn('TicksMissed', message);
    }
    this.#owed.push(...due);
    this.#giveUp(this.#owed.splice(1, this.#owed.length - OWED_MAX));
    this.#deliverOwed();
    return nextMs;
  }

  #after(ms: number): number {
    return ticksOf(this.#plan.schedule)(ms) ?? Number.POSITIVE_INFINITY;
  }

  #deliverOwed(): void {
    if (this.#delivering === undefined && this.#owed.length > 0) this.#delivering = this.#deliverAll();
    else void this.#note(); // T1, of what has to wait for the one in hand
  }

  async #deliverAll(): Promise<void> {
    const { signal } = this.#stop;
    try {
      while (!signal.aborted) {
        await this.#note(); // T1
        const [due] = this.#owed;
        if (due === undefined || signal.aborted) return;
        await this.#tools.deliver(eventOf(this.#plan, due), signal); // T2
        this.#owed.shift();
        this.#tellGivenUp();
      }
    } catch (error) {
      if (!signal.aborted) throw error; // otherwise it stays owed
    } finally {
      this.#delivering = undefined;
    }
  }

  /** A disk that takes nothing is told and tried again; deliveries go on, and may be repeated after a crash. */
  async #note(): Promise<void> {
    const text = writeProgress({ seenMs: this.#seenMs, owed: this.#owed }, this.#schedule);
    if (text === this.#noted) return;
    try {
      await this.#tools.bookmark.write(text);
      this.#noted = text;
    } catch (error) {
      this.#noted = undefined;
      this.#tellDisk('written', error);
      this.#retrying ??= this.#noteLater().finally(() => (this.#retrying = undefined));
    }
  }

  async #noteLater(): Promise<void> {
    const write = (): Promise<void> =>
      this.#tools.bookmark.write(writeProgress({ seenMs: this.#seenMs, owed: this.#owed }, this.#schedule));
    await this.#patiently('written', write);
    if (!this.#stop.signal.aborted) this.#tools.tell({ kind: 'running' });
  }

  async #patiently<T>(verb: string, act: () => Promise<T>): Promise<T | undefined> {
    const { clock } = this.#tools;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        return await act();
      } catch (error) {
        this.#tellDisk(verb, error);
        await clock.until(clock.nowMs() + backoffDelayMs(RETRY, failures), signal);
      }
    }
    return undefined;
  }

  #tellDisk(verb: string, error: unknown): void {
    const message = `how far it has come could not be ${verb}: ${messageOf(error)}`;
    this.#tools.tell({ kind: 'failing', condition: 'Deployed', reason: 'ProgressNotKept', message });
  }

  #giveUp(ticks: readonly number[]): void {
    const [firstMs, lastMs] = [ticks[0], ticks.at(-1)];
    if (firstMs === undefined || lastMs === undefined) return;
    const before = this.#givenUp;
    this.#givenUp = {
      count: ticks.length + (before?.count ?? 0),
      isMore: false,
      firstMs: before?.firstMs ?? firstMs,
      lastMs,
    };
  }

  /** Told when the sink takes events again, so that a long absence is one Event. */
  #tellGivenUp(): void {
    if (this.#givenUp === undefined) return;
    const message = `${told(this.#givenUp)} came due while ${OWED_MAX} waited for the sink; ${NOT_MADE_UP}`;
    this.#tools.warn('TicksMissed', message);
    this.#givenUp = undefined;
  }
}

const NOT_MADE_UP = 'what was missed is not made up for';

function told({ count, isMore, firstMs, lastMs }: Missed): string {
  const ticks = isMore ? `more than ${count} ticks` : count === 1 ? '1 tick' : `${count} ticks`;
  if (isMore) return `${ticks} since ${rfc3339(firstMs)}`;
  return count === 1
    ? `${ticks}, of ${rfc3339(firstMs)},`
    : `${ticks}, from ${rfc3339(firstMs)} to ${rfc3339(lastMs)},`;
}
