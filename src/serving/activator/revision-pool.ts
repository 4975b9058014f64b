import { messageOf, PlatformError } from '../../base/errors.ts';
import { publishSignal, type Signals, type Wake } from '../../telemetry/signals.ts';
import { Demand } from '../autoscaler/demand.ts';
import type { RevisionPlan } from '../plan.ts';
import type { Ended } from '../runtime/runtime.ts';
import type { Happening, PoolTools } from './pool-tools.ts';
import {
  chooseSlot,
  isListening,
  isReady,
  runningAt,
  startingSlot,
  type ReadySlot,
  type Slot,
} from './slot.ts';
import { troubleAfter, type Trouble } from './trouble.ts';
import { WaitingLine, type Lease } from './waiting.ts';

/** So many instances of a revision start at a time: more would only slow each other down. */
const STARTING_MAX = 8;
/** A process that refuses connections is given so long to end by itself, so that its exit code is told. */
const DYING_MS = 500;
const STOP_GRACE_MAX_MS = 10_000;

export type PoolCounts = {
  readonly ready: number;
  readonly desired: number;
  readonly inFlight: number;
  readonly waiting: number;
};

/**
 * The instances of one revision, and the requests that wait for them.
 *   A1  an instance never has more than `containerConcurrency` requests, and none unless it is ready.
 *   A2  the first request starts an instance in its own turn; nothing polls, and a revision at zero holds no timer.
 *   A3  an instance that is asked to end first answers what it has; none is ended with a request in flight, unless its
 *       time is over.
 *   A4  what cannot start is tried again with a growing pause; meanwhile requests are refused with the reason. What had
 *       been ready and crashed is replaced with the same pauses, and requests wait for that.
 */
export class RevisionPool {
  #plan: RevisionPlan;
  readonly #tools: PoolTools;
  #slots: Slot[] = [];
  readonly #waiting: WaitingLine;
  readonly #demand: Demand;
  readonly #initialUntilMs: number;
  #isInitialReached = false;
  #desired = 0;
  #turn = 0;
  #inFlight = 0;
  #trouble: Trouble | undefined;
  #isRemoved = false;

  constructor(plan: RevisionPlan, tools: PoolTools) {
    const nowMs = tools.clock.nowMs();
    this.#plan = plan;
    this.#tools = tools;
    this.#waiting = new WaitingLine(tools.room);
    this.#demand = new Demand(nowMs);
    this.#initialUntilMs = nowMs + plan.scale.progressDeadlineMs;
  }

  get plan(): RevisionPlan {
    return this.#plan;
  }

  set plan(plan: RevisionPlan) {
    if (plan.scale.windowMs !== this.#plan.scale.windowMs) this.#demand.forget();
    this.#plan = plan;
  }

  /** Whether the ticker has to look at it. */
  get isUp(): boolean {
    return this.#slots.length > 0 || this.#waiting.size > 0 || this.#wanted() > 0;
  }

  get counts(): PoolCounts {
    const ready = this.#slots.filter(isReady).length;
    return { ready, desired: this.#wanted(), inFlight: this.#inFlight, waiting: this.#waiting.size };
  }

  get slots(): readonly Readonly<Slot>[] {
    return this.#slots;
  }

  /** Why there is no instance, as long as there is none. */
  get trouble(): Trouble | undefined {
    return this.#slots.some(isReady) ? undefined : this.#trouble;
  }

  /** When it may help to ask again, in seconds. */
  get retryAfterS(): number {
    const leftMs = (this.#trouble?.untilMs ?? 0) - this.#tools.clock.nowMs();
    return Math.max(1, Math.ceil(leftMs / 1000));
  }

  /** Takes a place at once when there is one: the way of nearly every request. */
  tryAcquire(): ReadySlot | undefined {
    const slot = this.#waiting.size > 0 ? undefined : this.#choose(); // first come, first served
    if (slot === undefined) return undefined;
    this.#demand.begin(this.#tools.clock.nowMs());
    this.#occupy(slot);
    return slot;
  }

  /** Waits for a place, until `signal` aborts; rejects with why none can be had (WaitingLine.join, REVISION_GONE, A4). */
  async acquire(signal: AbortSignal): Promise<Lease> {
    const nowMs = this.#tools.clock.nowMs();
    if (this.#isRemoved) throw gone(this.#plan);
    const { trouble } = this;
    if (trouble?.kind === 'start' && trouble.untilMs > nowMs && this.#standing.length === 0) {
      throw cannotStart(this.#plan, trouble); // A4
    }
    this.#demand.begin(nowMs);
    try {
      const place = this.#waiting.join(nowMs, !this.#slots.some(isReady), signal);
      this.#serveWaiting();
      this.#fill(); // A2
      this.#tools.keepTicking(this);
      return await place;
    } catch (error) {
      this.#demand.end(this.#tools.clock.nowMs());
      throw error;
    }
  }

  release(slot: Slot): void {
    const nowMs = this.#tools.clock.nowMs();
    this.#demand.end(nowMs);
    this.#inFlight -= 1;
    slot.inFlight -= 1;
    if (slot.inFlight === 0) slot.idleSinceMs = nowMs;
    if (slot.state === 'draining' && slot.inFlight === 0) void this.#end(slot);
    else this.#serveWaiting();
  }

  /** A connection to it was refused or reset: it gets nothing until it is seen to listen, and is replaced if it does not. */
  suspect(slot: ReadySlot): void {
    if (slot.state !== 'ready' || this.#isRemoved) return;
    slot.state = 'suspect';
    void this.#examine(slot);
  }

  /** Brings up what the plan wants without a request: `minScale`, and `initialScale` until that was reached once. */
  prepare(): void {
    this.#fill();
    if (this.isUp) this.#tools.keepTicking(this);
  }

  /** Once a second: takes a sample, and starts what a pause held back; every second time decides. */
  tick(isDecision: boolean): void {
    const nowMs = this.#tools.clock.nowMs();
    const { scale } = this.#plan;
    this.#demand.sample(scale, nowMs);
    const wanted = isDecision
      ? this.#demand.decide(scale, this.#slots.filter(isReady).length, nowMs)
      : undefined;
    if (wanted !== undefined) {
      this.#desired = wanted > 0 || this.#mayGo(nowMs) ? wanted : Math.min(1, this.#standing.length);
      this.#scaleDown();
    }
    this.#fill();
    if (!this.isUp) this.#demand.forget();
  }

  /** The instance that a Pod stands for is to go; another takes its place when it is wanted. */
  async replace(id: string): Promise<void> {
    const slot = this.#slots.find((each) => each.id === id);
    if (slot !== undefined && slot.state !== 'draining') this.#drain(slot);
    this.#fill();
    await slot?.running?.instance.ended;
  }

  /** Drains every instance; resolves when all are gone. */
  async empty(): Promise<void> {
    this.#desired = 0;
    const slots = this.#slots.filter(isReady);
    for (const slot of slots) this.#drain(slot);
    await Promise.all(slots.map(async ({ running }) => running.instance.ended));
  }

  /** Ends all instances: each first answers what it has, for at most `graceMs`. */
  async remove(graceMs: number): Promise<void> {
    this.#isRemoved = true;
    this.#desired = 0;
    this.#waiting.refuse(gone(this.#plan));
    const timeUp = AbortSignal.timeout(Math.max(1, graceMs));
    const overdue = new Promise<void>((resolve) => {
      timeUp.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.all(
      [...this.#slots].map(async (slot) => {
        if (slot.state !== 'draining') this.#drain(slot);
        await Promise.race([slot.running?.instance.ended, overdue]);
        await this.#end(slot);
      }),
    );
  }

  get #standing(): readonly Slot[] {
    return this.#slots.filter(({ state }) => state === 'starting' || state === 'ready');
  }

  #choose(): ReadySlot | undefined {
    const { containerConcurrency } = this.#plan;
    return chooseSlot(this.#slots, containerConcurrency, this.#tools.random, (this.#turn += 1)); // A1
  }

  #occupy(slot: Slot): void {
    slot.inFlight += 1;
    this.#inFlight += 1;
  }

  #serveWaiting(): void {
    for (let waiter = this.#waiting.first; waiter !== undefined; waiter = this.#waiting.first) {
      const slot = this.#choose();
      if (slot === undefined) return;
      this.#occupy(slot);
      waiter.give({ slot, wake: waiter.isWaking ? wakeOf(slot, waiter.sinceMs) : undefined });
    }
  }

  /** What the last decision, the plan and the requests of this moment ask for, within `maxScale`. */
  #wanted(): number {
    if (this.#isRemoved) return 0;
    const { minScale, initialScale, maxScale } = this.#plan.scale;
    const isInitial = !this.#isInitialReached && this.#tools.clock.nowMs() < this.#initialUntilMs;
    const wanted = Math.max(this.#desired, minScale, isInitial ? initialScale : 0, this.#wantedAtOnce());
    return maxScale === 0 ? wanted : Math.min(wanted, maxScale);
  }

  /** As many as those that wait need: the two-second decision, with its target and its panic, would come late for them. */
  #wantedAtOnce(): number {
    const waiting = this.#waiting.size;
    if (waiting === 0) return 0;
    const { containerConcurrency, scale } = this.#plan;
    const standing = this.#standing;
    const busy = standing.reduce((sum, { inFlight }) => sum + inFlight, 0);
    const needed = containerConcurrency === 0 ? 1 : Math.ceil((busy + waiting) / containerConcurrency);
    return standing.length === 0 ? Math.max(needed, scale.activationScale) : needed;
  }

  #fill(): void {
    const wanted = this.#wanted();
    if (this.#waiting.size > 0) this.#desired = Math.max(this.#desired, wanted);
    for (let count = this.#standing.length; count < wanted && this.#canStart(); count += 1)
      void this.#start();
  }

  #canStart(): boolean {
    const starting = this.#slots.filter(({ state }) => state === 'starting').length;
    const isPaused = this.#trouble !== undefined && this.#trouble.untilMs > this.#tools.clock.nowMs();
    return !this.#isRemoved && !isPaused && starting < STARTING_MAX;
  }

  /** The last one goes when nothing was asked for the whole window, and `retentionMs` more. */
  #mayGo(nowMs: number): boolean {
    const { windowMs, retentionMs } = this.#plan.scale;
    return this.#waiting.size === 0 && this.#demand.idleMs(nowMs) >= windowMs + retentionMs;
  }

  /** A3: the longest idle first; one that is busy answers what it has and then goes. */
  #scaleDown(): void {
    const ready = this.#slots.filter(isReady);
    const count = ready.length - this.#wanted();
    if (count <= 0 || this.#waiting.size > 0) return;
    const idlest = ready.toSorted((a, b) => a.inFlight - b.inFlight || a.idleSinceMs - b.idleSinceMs);
    for (const slot of idlest.slice(0, count)) this.#drain(slot);
  }

  #drain(slot: Slot): void {
    const { clock } = this.#tools;
    slot.state = 'draining';
    this.#tell(slot, { kind: 'draining' }, 'draining');
    if (slot.inFlight === 0) return void this.#end(slot);
    const done = new AbortController();
    void slot.running?.instance.ended.then(() => done.abort());
    void clock.until(clock.nowMs() + this.#plan.timeoutMs, done.signal).then(() => this.#end(slot));
  }

  #end(slot: Slot): Promise<void> {
    if (slot.running === undefined) return Promise.resolve(); // #start sees that it is not wanted any more
    slot.stopping ??= slot.running.instance.stop(Math.min(this.#plan.timeoutMs, STOP_GRACE_MAX_MS));
    return slot.stopping;
  }

  async #examine(slot: ReadySlot): Promise<void> {
    const { clock } = this.#tools;
    const { instance } = slot.running;
    if (await isListening(instance.port)) {
      if (slot.state === 'suspect') slot.state = 'ready';
      return this.#serveWaiting();
    }
    this.#fill();
    const done = new AbortController();
    void instance.ended.then(() => done.abort());
    await clock.until(clock.nowMs() + DYING_MS, done.signal);
    if (!done.signal.aborted && slot.state === 'suspect') this.#drain(slot);
  }

  async #start(): Promise<void> {
    const { runtime, clock, nameInstance } = this.#tools;
    const slot = startingSlot(nameInstance(this.#plan), clock.nowMs());
    this.#slots.push(slot);
    this.#tools.keepTicking(this);
    this.#tell(slot, { kind: 'starting' }, 'starting');
    try {
      const instance = await runtime.start(this.#plan.instance, slot.id);
      slot.running = runningAt(instance, clock.nowMs());
      void instance.ended.then((ended) => this.#ended(slot, ended));
      if (slot.state !== 'starting') return void this.#end(slot); // removed or replaced meanwhile
      this.#ready(slot);
      this.#tell(slot, { kind: 'ready', instance }, 'ready');
    } catch (error) {
      this.#failed(slot, error);
    }
    this.#fill();
  }

  #ready(slot: Slot): void {
    const nowMs = this.#tools.clock.nowMs();
    slot.state = 'ready';
    slot.idleSinceMs = nowMs;
    this.#demand.touch(nowMs);
    if (this.#slots.filter(isReady).length >= this.#plan.scale.initialScale) this.#isInitialReached = true;
    this.#serveWaiting();
  }

  #failed(slot: Slot, error: unknown): void {
    const code = error instanceof PlatformError ? error.code : 'StartFailed';
    const reason = messageOf(error);
    this.#drop(slot);
    this.#trouble = troubleAfter(this.#trouble, { kind: 'start', code, reason }, this.#tools.clock.nowMs());
    this.#tell(slot, { kind: 'failed', code, reason }, 'failed', `${code}: ${reason}`);
    if (this.#standing.length > 0) return;
    this.#desired = 0; // the next request tries again
    this.#waiting.refuse(cannotStart(this.#plan, this.#trouble));
  }

  #ended(slot: Slot, ended: Ended): void {
    const nowMs = this.#tools.clock.nowMs();
    const isCrash = !ended.wasAsked && slot.state !== 'draining';
    this.#drop(slot);
    void slot.running?.client.destroy();
    if (isCrash) {
      const livedMs = nowMs - (slot.running?.readyAtMs ?? nowMs);
      const code = ended.signal ?? `ExitCode${ended.exitCode ?? 0}`;
      this.#trouble = troubleAfter(
        this.#trouble,
        { kind: 'crash', code, reason: ended.reason, livedMs },
        nowMs,
      );
    } else if (this.#slots.length === 0) this.#trouble = undefined; // all went as asked
    this.#tell(slot, { kind: 'ended', ended }, 'stopped', ended.wasAsked ? undefined : ended.reason);
    this.#fill();
  }

  #drop(slot: Slot): void {
    this.#slots = this.#slots.filter((each) => each !== slot);
  }

  #tell(
    { id }: Slot,
    happening: Happening,
    state: Signals['serving.instance']['state'],
    reason?: string,
  ): void {
    const atMs = this.#tools.clock.nowMs();
    const revision = this.#plan.key;
    this.#tools.observe({ ...happening, revision, id, atMs });
    publishSignal('serving.instance', { atMs, revision, instance: id, state, reason });
  }
}

function gone({ key }: RevisionPlan): PlatformError {
  return new PlatformError('REVISION_GONE', `revision ${key} is gone`, { retryable: false });
}

function cannotStart({ key }: RevisionPlan, { code, reason }: Trouble): PlatformError {
  return new PlatformError(code, `revision ${key} cannot start: ${reason}`, { retryable: true });
}

function wakeOf({ running: { instance } }: ReadySlot, sinceMs: number): Wake {
  return {
    queuedMs: 0, // A2
    startedMs: Math.max(0, instance.startedMs - sinceMs),
    readyMs: Math.max(0, instance.readyMs - sinceMs),
  };
}
