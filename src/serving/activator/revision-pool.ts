import { Pool } from 'undici';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { publishSignal, type Wake } from '../../telemetry/signals.ts';
import { CALM, decideScale, type ScaleState } from '../autoscaler/decide.ts';
import { Window } from '../autoscaler/window.ts';
import type { RevisionPlan } from '../plan.ts';
import type { Ended } from '../runtime/runtime.ts';
import type { PoolTools } from './pool-tools.ts';
import { chooseSlot, type Slot } from './slot.ts';

/** A place at an instance, held for one request. */
export type Lease = { readonly slot: Slot; readonly wake: Wake | undefined };

type Waiter = {
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: PlatformError) => void;
  readonly sinceMs: number;
  wake: boolean;
};

/** Over all requests that wait at one revision (serving pkg/activator/net/throttler.go). */
const WAITING_MAX = 10_000;
/** So many instances of a revision start at a time: more would only slow each other down. */
const STARTING_MAX = 8;
/** One that is crashing is gone by then, and its exit code is its own. */
const SUSPECT_MS = 500;
const BACKOFF_FIRST_MS = 1000;
const BACKOFF_MAX_MS = 60_000;

/**
 * The instances of one revision, and the requests that wait for them.
 *   A1  an instance never has more than `containerConcurrency` requests, and none unless it is ready.
 *   A2  the first request starts an instance in its own turn; nothing polls.
 *   A3  an instance that is asked to end first answers what it has; none is ended with a request in flight, unless its
 *       time is over.
 *   A4  what cannot start is tried again with a growing pause; meanwhile requests are refused with the reason.
 */
export class RevisionPool {
  #plan: RevisionPlan;
  readonly #tools: PoolTools;
  #slots: Slot[] = [];
  readonly #waiting = new Set<Waiter>();
  readonly #window: Window;
  #state: ScaleState = CALM;
  #desired = 0;
  #turn = 0;
  #inFlight = 0;
  #requests = 0;
  #area = 0; // request-milliseconds since the last sample
  #areaAtMs: number;
  #failure: { readonly error: PlatformError; readonly count: number; readonly untilMs: number } | undefined;
  #emptySinceMs: number | undefined;
  #isRemoved = false;

  constructor(plan: RevisionPlan, tools: PoolTools) {
    this.#plan = plan;
    this.#tools = tools;
    this.#window = new Window(plan.scale.windowMs);
    this.#areaAtMs = tools.clock.nowMs();
  }

  get plan(): RevisionPlan {
    return this.#plan;
  }

  set plan(plan: RevisionPlan) {
    this.#plan = plan;
  }

  /** Whether the ticker has to look at it. */
  get isUp(): boolean {
    return this.#slots.length > 0 || this.#waiting.size > 0;
  }

  get counts(): {
    readonly ready: number;
    readonly desired: number;
    readonly inFlight: number;
    readonly waiting: number;
  } {
    const ready = this.#slots.filter(({ state }) => state === 'ready').length;
    return {
      ready,
      desired: Math.max(this.#desired, 0),
      inFlight: this.#inFlight,
      waiting: this.#waiting.size,
    };
  }

  /** Takes a place at once when there is one: the way of nearly every request. */
  tryAcquire(): Slot | undefined {
    if (this.#waiting.size > 0) return undefined; // first come, first served
    const slot = chooseSlot(
      this.#slots,
      this.#plan.containerConcurrency,
      this.#tools.random,
      (this.#turn += 1),
    );
    if (slot !== undefined) this.#occupy(slot);
    return slot;
  }

  /** Waits for a place, until `signal` aborts; rejects with QUEUE_FULL or with why no instance can be had. */
  acquire(signal: AbortSignal): Promise<Lease> {
    const sinceMs = this.#tools.clock.nowMs();
    if (this.#waiting.size >= WAITING_MAX) {
      return Promise.reject(
        new PlatformError('QUEUE_FULL', 'pending request queue full', { retryable: true }),
      );
    }
    if (this.#failure !== undefined && this.#failure.untilMs > sinceMs && this.#slots.length === 0) {
      return Promise.reject(this.#failure.error); // A4
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve,
        reject,
        sinceMs,
        wake: this.#slots.every(({ state }) => state !== 'ready'),
      };
      this.#waiting.add(waiter);
      signal.addEventListener('abort', () => this.#waiting.delete(waiter), { once: true });
      this.#scaleOnDemand(); // A2
    });
  }

  release(slot: Slot): void {
    this.#account();
    this.#inFlight -= 1;
    slot.inFlight -= 1;
    if (slot.inFlight === 0) slot.idleSinceMs = this.#tools.clock.nowMs();
    if (slot.state === 'draining' && slot.inFlight === 0) void this.#end(slot);
    else this.#serveWaiting();
  }

  /** Something answered no longer as it should: an instance that is alone in having it is replaced. */
  suspect(slot: Slot): void {
    if (slot.state !== 'ready' || this.#isRemoved) return;
    slot.state = 'suspect';
    const { clock } = this.#tools;
    const gone = new AbortController();
    void slot.instance?.ended.then(() => gone.abort());
    void clock.until(clock.nowMs() + SUSPECT_MS, gone.signal).then(() => {
      if (!gone.signal.aborted) this.#drain(slot);
    });
  }

  /** Brings up what the plan wants without a request: `initialScale`, `minScale`. */
  prepare(): void {
    const { minScale, initialScale } = this.#plan.scale;
    this.#scaleTo(Math.max(minScale, initialScale, this.#slots.length));
  }

  /** Once a second: takes a sample; every second time decides. */
  tick(isDecision: boolean): void {
    this.#account();
    const nowMs = this.#tools.clock.nowMs();
    const { scale } = this.#plan;
    this.#window.record(scale.metric === 'rps' ? this.#requests : this.#area / 1000);
    this.#area = 0;
    this.#requests = 0;
    if (!isDecision) return;
    const observed = {
      stable: this.#window.mean(scale.windowMs, scale.algorithm),
      panic: this.#window.mean(scale.panicWindowMs, scale.algorithm),
      ready: this.counts.ready,
      nowMs,
    };
    const decision = decideScale(scale, this.#state, observed);
    if (decision === undefined) return;
    this.#state = decision.state;
    this.#scaleTo(this.#afterRetention(decision.scale, nowMs));
  }

  /** The instance that a Pod stands for is to go; another takes its place when it is wanted. */
  async replace(id: string): Promise<void> {
    const slot = this.#slots.find((each) => each.id === id);
    if (slot !== undefined) this.#drain(slot);
    if (this.#waiting.size > 0) this.#scaleOnDemand();
  }

  /** Drains every instance; resolves when all are gone. */
  async empty(): Promise<void> {
    const slots = this.#slots.filter(({ state }) => state === 'ready');
    for (const slot of slots) this.#drain(slot);
    await Promise.all(slots.map(async ({ instance }) => instance?.ended));
  }

  /** Ends all instances: each first answers what it has, for at most `graceMs`. */
  async remove(graceMs: number): Promise<void> {
    this.#isRemoved = true;
    this.#refuseWaiting(
      new PlatformError('REVISION_GONE', `revision ${this.#plan.key} is gone`, { retryable: false }),
    );
    const graceUntil = AbortSignal.timeout(Math.max(1, graceMs));
    await Promise.all(
      this.#slots.map(async (slot) => {
        slot.state = 'draining';
        await new Promise<void>((resolve) => {
          if (slot.inFlight === 0) resolve();
          else graceUntil.addEventListener('abort', () => resolve(), { once: true });
        });
        await this.#end(slot);
      }),
    );
  }

  #occupy(slot: Slot): void {
    this.#account();
    slot.inFlight += 1;
    this.#inFlight += 1;
    this.#requests += 1;
  }

  #serveWaiting(): void {
    for (const waiter of this.#waiting) {
      const slot = chooseSlot(
        this.#slots,
        this.#plan.containerConcurrency,
        this.#tools.random,
        (this.#turn += 1),
      );
      if (slot === undefined) return;
      this.#waiting.delete(waiter);
      this.#occupy(slot);
      waiter.resolve({ slot, wake: waiter.wake ? wakeOf(slot, waiter.sinceMs) : undefined });
    }
  }

  /** As many as the requests of this moment need: the two-second decision would come late for them. */
  #scaleOnDemand(): void {
    const { containerConcurrency, scale } = this.#plan;
    const each = containerConcurrency === 0 ? Number.POSITIVE_INFINITY : containerConcurrency;
    const needed = Math.max(1, Math.ceil((this.#inFlight + this.#waiting.size) / each));
    const running = this.#slots.filter(({ state }) => state === 'starting' || state === 'ready').length;
    const wanted = Math.max(needed, running === 0 ? scale.activationScale : 0, running);
    this.#scaleTo(scale.maxScale === 0 ? wanted : Math.min(wanted, scale.maxScale));
  }

  #scaleTo(scale: number): void {
    this.#desired = scale;
    const running = this.#slots.filter(({ state }) => state === 'starting' || state === 'ready');
    for (let i = running.length; i < scale && this.#canStart(); i += 1) void this.#start();
    if (running.length > scale) this.#scaleDown(running, running.length - scale);
  }

  #canStart(): boolean {
    const starting = this.#slots.filter(({ state }) => state === 'starting').length;
    const isPaused = this.#failure !== undefined && this.#failure.untilMs > this.#tools.clock.nowMs();
    return !this.#isRemoved && !isPaused && starting < STARTING_MAX;
  }

  /** A3: the longest idle first; one that is busy answers what it has and then goes. */
  #scaleDown(running: readonly Slot[], count: number): void {
    if (this.#waiting.size > 0) return;
    const candidates = running
      .filter(({ state }) => state === 'ready')
      .toSorted((a, b) => a.inFlight - b.inFlight || a.idleSinceMs - b.idleSinceMs);
    for (const slot of candidates.slice(0, count)) this.#drain(slot);
  }

  #drain(slot: Slot): void {
    slot.state = 'draining';
    this.#tools.observe({
      kind: 'draining',
      revision: this.#plan.key,
      id: slot.id,
      atMs: this.#tools.clock.nowMs(),
    });
    if (slot.inFlight === 0) return void this.#end(slot);
    const done = new AbortController();
    const { clock } = this.#tools;
    void slot.instance?.ended.then(() => done.abort());
    void clock.until(clock.nowMs() + this.#plan.timeoutMs, done.signal).then(() => this.#end(slot));
  }

  async #end(slot: Slot): Promise<void> {
    await slot.instance?.stop(Math.min(this.#plan.timeoutMs, 10_000));
  }

  async #start(): Promise<void> {
    const { runtime, clock, observe, nameInstance } = this.#tools;
    const id = nameInstance(this.#plan);
    const slot: Slot = {
      id,
      state: 'starting',
      inFlight: 0,
      instance: undefined,
      client: undefined,
      idleSinceMs: clock.nowMs(),
    };
    this.#slots.push(slot);
    observe({ kind: 'starting', revision: this.#plan.key, id, atMs: clock.nowMs() });
    this.#tell(id, 'starting', undefined);
    try {
      const instance = await runtime.start(this.#plan.instance, id);
      slot.instance = instance;
      slot.client = new Pool(`http://127.0.0.1:${instance.port}`, {
        keepAliveTimeout: 60_000,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      slot.idleSinceMs = clock.nowMs();
      void instance.ended.then((ended) => this.#ended(slot, ended));
      if (this.#isRemoved) return void instance.stop(0);
      slot.state = 'ready';
      this.#failure = undefined;
      this.#serveWaiting();
      observe({ kind: 'ready', revision: this.#plan.key, id, atMs: clock.nowMs(), instance });
      this.#tell(id, 'ready', undefined);
    } catch (error) {
      this.#drop(slot);
      this.#failed(id, error);
    }
  }

  #failed(id: string, error: unknown): void {
    const { clock, observe } = this.#tools;
    const code = error instanceof PlatformError ? error.code : 'StartFailed';
    const count = (this.#failure?.count ?? 0) + 1;
    const pauseMs = Math.min(BACKOFF_FIRST_MS * 2 ** (count - 1), BACKOFF_MAX_MS);
    const reason = messageOf(error);
    const shown = new PlatformError(code, `revision ${this.#plan.key} cannot start: ${reason}`, {
      retryable: true,
      cause: error,
    });
    this.#failure = { error: shown, count, untilMs: clock.nowMs() + pauseMs };
    observe({ kind: 'failed', revision: this.#plan.key, id, atMs: clock.nowMs(), code, reason });
    this.#tell(id, 'failed', `${code}: ${reason}`);
    if (this.#slots.every(({ state }) => state === 'draining')) this.#refuseWaiting(shown);
  }

  #ended(slot: Slot, ended: Ended): void {
    const { clock, observe } = this.#tools;
    this.#drop(slot);
    void slot.client?.destroy();
    observe({ kind: 'ended', revision: this.#plan.key, id: slot.id, atMs: clock.nowMs(), ended });
    this.#tell(slot.id, 'stopped', ended.wasAsked ? undefined : ended.reason);
    if (this.#isRemoved) return;
    if (this.#waiting.size > 0) this.#scaleOnDemand();
    else if (!ended.wasAsked) this.#scaleTo(Math.max(this.#plan.scale.minScale, this.#inFlight > 0 ? 1 : 0));
  }

  #drop(slot: Slot): void {
    this.#slots = this.#slots.filter((each) => each !== slot);
  }

  #refuseWaiting(error: PlatformError): void {
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
  }

  /** The last instance stays `retentionMs` longer than the decision to go to zero. */
  #afterRetention(scale: number, nowMs: number): number {
    if (scale > 0) this.#emptySinceMs = undefined;
    else this.#emptySinceMs ??= nowMs;
    const isKept =
      this.#emptySinceMs !== undefined && nowMs < this.#emptySinceMs + this.#plan.scale.retentionMs;
    return scale === 0 && (isKept || this.#inFlight > 0 || this.#waiting.size > 0) ? 1 : scale;
  }

  #account(): void {
    const nowMs = this.#tools.clock.nowMs();
    this.#area += this.#inFlight * (nowMs - this.#areaAtMs);
    this.#areaAtMs = nowMs;
  }

  #tell(
    instance: string,
    state: 'starting' | 'ready' | 'stopped' | 'failed',
    reason: string | undefined,
  ): void {
    const atMs = this.#tools.clock.nowMs();
    publishSignal('serving.instance', { atMs, revision: this.#plan.key, instance, state, reason });
  }
}

function wakeOf({ instance }: Slot, sinceMs: number): Wake | undefined {
  if (instance === undefined) return undefined;
  return {
    queuedMs: 0,
    startedMs: Math.max(0, instance.startedMs - sinceMs),
    readyMs: Math.max(0, instance.readyMs - sinceMs),
  };
}
