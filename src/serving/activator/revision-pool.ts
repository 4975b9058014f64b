import { Demand, type Reading } from '../autoscaler/demand.ts';
import type { RevisionPlan } from '../plan.ts';
import { Balancer } from './choose-slot.ts';
import { Instances } from './instances.ts';
import { waitingMax } from './limits.ts';
import type { PoolCounts, PoolTools } from './pool-tools.ts';
import { cannotStart, gone } from './refusals.ts';
import { wakeOf, type ReadySlot, type Slot } from './slot.ts';
import { wasKilled, type Trouble } from './trouble.ts';
import { WaitingLine, type Lease } from './waiting.ts';

/**
 * The requests of one revision, and how many instances they are given.
 *   A1  an instance never has more than `containerConcurrency` requests, and none unless it is ready.
 *   A2  the first request starts an instance in its own turn; nothing polls, and a revision at zero holds no timer.
 *   A3  an instance that is asked to end first answers what it has; none is ended with a request in flight, unless its
 *       time is over.
 *   A4  what cannot start is tried again with a growing pause; meanwhile requests are refused with the reason. What had
 *       been ready and crashed is replaced with the same pauses, and requests wait for that.
 *   A5  what was killed before it was ready has not shown that it cannot start: it is started once more for those who wait.
 *   A6  connections that carry another protocol do not hold an instance that is to go: it is told so after 30 s, or half
 *       of the time it has, and says good-bye to them itself.
 */
export class RevisionPool {
  #plan: RevisionPlan;
  readonly #tools: PoolTools;
  readonly #instances: Instances;
  readonly #balancer: Balancer;
  readonly #waiting: WaitingLine;
  readonly #demand: Demand;
  readonly #initialUntilMs: number;
  #isInitialReached = false;
  #desired = 0;
  #inFlight = 0;
  #isRemoved = false;

  constructor(plan: RevisionPlan, tools: PoolTools) {
    const nowMs = tools.clock.nowMs();
    this.#plan = plan;
    this.#tools = tools;
    this.#balancer = new Balancer(tools.random);
    this.#waiting = new WaitingLine(tools.room);
    this.#demand = new Demand(nowMs);
    this.#initialUntilMs = nowMs + plan.scale.progressDeadlineMs;
    const planNow = (): RevisionPlan => this.#plan;
    this.#instances = new Instances(tools, {
      get plan() {
        return planNow();
      },
      onReady: () => this.#ready(),
      onAgain: () => this.#serveWaiting(),
      onFailed: (trouble) => this.#failed(trouble),
      onFewer: () => this.#fill(),
    });
  }

  get plan(): RevisionPlan {
    return this.#plan;
  }

  set plan(plan: RevisionPlan) {
    this.#plan = plan;
    this.#instances.refresh();
  }

  /** Whether the ticker has to look at it. */
  get isUp(): boolean {
    return this.#instances.size + this.#waiting.size > 0 || this.#wanted() > 0;
  }

  get counts(): PoolCounts {
    const { readyCount: ready } = this.#instances;
    return { ready, desired: this.#wanted(), inFlight: this.#inFlight, waiting: this.#waiting.size };
  }

  get slots(): readonly Readonly<Slot>[] {
    return this.#instances.all;
  }

  /** Why there is no instance, as long as there is none. */
  get trouble(): Trouble | undefined {
    return this.#instances.hasReady ? undefined : this.#instances.trouble;
  }

  /** When it may help to ask again, in seconds. */
  get retryAfterS(): number {
    return Math.max(1, Math.ceil(this.#instances.pauseMs / 1000));
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
    const { pauseMs, standing } = this.#instances;
    if (trouble?.kind === 'start' && pauseMs > 0 && standing.length === 0) {
      throw cannotStart(this.#plan, trouble); // A4
    }
    this.#demand.begin(nowMs);
    try {
      const place = this.#join(nowMs, signal);
      this.#serveWaiting();
      this.#fill(); // A2
      this.#tools.keepTicking(this);
      return await place;
    } catch (error) {
      this.#demand.end(this.#tools.clock.nowMs());
      throw error;
    }
  }

  /** The request of a place carries another protocol from now on, and has the place until it is released as such. */
  upgraded(slot: Slot): void {
    slot.upgraded += 1;
    this.#instances.released(slot);
  }

  release(slot: Slot, wasUpgraded = false): void {
    if (wasUpgraded) slot.upgraded -= 1;
    const nowMs = this.#tools.clock.nowMs();
    this.#demand.end(nowMs);
    this.#inFlight -= 1;
    slot.inFlight -= 1;
    if (slot.inFlight === 0) slot.idleSinceMs = nowMs;
    this.#instances.released(slot);
    this.#serveWaiting();
  }

  /** Whether it has had as many ready instances as it starts with. */
  get isInitialReached(): boolean {
    return this.#isInitialReached;
  }

  /** What the autoscaler saw last, and what it made of it. */
  get reading(): Reading | undefined {
    return this.#demand.reading;
  }

  /** Cores or bytes of an instance, as class `hpa` measured it last; undefined: it has not, or is not asked to. */
  get used(): number | undefined {
    return this.#demand.used;
  }

  /** A connection to it was refused or reset: it gets nothing until it is seen to listen, and is replaced if it does not. */
  suspect(slot: ReadySlot): void {
    this.#instances.suspect(slot);
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
    this.#demand.sample(scale, nowMs, () => this.#instances.metered);
    if (isDecision) this.#decide(nowMs);
    this.#fill();
    this.#instances.expireKept(nowMs);
    if (!this.isUp) this.#demand.forget();
  }

  /** The instance that a Pod stands for is to go; another takes its place when it is wanted. */
  async replace(id: string): Promise<void> {
    await this.#instances.replace(id);
  }

  /** Drains every instance; resolves when all are gone. */
  async empty(): Promise<void> {
    this.#desired = 0;
    await this.#instances.empty();
  }

  /** Ends all instances: each first answers what it has, for at most `graceMs`. */
  async remove(graceMs: number): Promise<void> {
    this.#isRemoved = true;
    this.#desired = 0;
    this.#waiting.refuse(gone(this.#plan));
    await this.#instances.remove(graceMs);
  }

  #join(sinceMs: number, signal: AbortSignal): Promise<Lease> {
    const { containerConcurrency, scale } = this.#plan;
    const ready = this.#instances.readyCount;
    const max = waitingMax({ containerConcurrency, burstCapacity: scale.burstCapacity, ready });
    return this.#waiting.join({ sinceMs, isWaking: ready === 0, max }, signal);
  }

  #choose(): ReadySlot | undefined {
    return this.#balancer.choose(this.#instances.all, this.#plan.containerConcurrency); // A1
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

  #decide(nowMs: number): void {
    const { readyCount: ready, standing } = this.#instances;
    const hadRoom = this.#demand.hasRoom;
    const wanted = this.#demand.decide(this.#plan.scale, { ready, standing: standing.length }, nowMs);
    if (this.#demand.hasRoom !== hadRoom) this.#tools.rescaled(this.#plan.key);
    if (wanted === undefined) return;
    if (this.#plan.scale.scaler.kind === 'hpa') this.#tools.rescaled(this.#plan.key); // it has measured
    this.#desired = wanted > 0 || this.#mayGo(nowMs) ? wanted : Math.min(1, standing.length);
    if (this.#waiting.size === 0) this.#instances.shrinkTo(this.#wanted()); // A3
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
    const { standing } = this.#instances;
    const busy = standing.reduce((sum, { inFlight }) => sum + inFlight, 0);
    const needed = containerConcurrency === 0 ? 1 : Math.ceil((busy + waiting) / containerConcurrency);
    return standing.length === 0 ? Math.max(needed, scale.activationScale) : needed;
  }

  #fill(): void {
    const wanted = this.#wanted();
    if (this.#waiting.size > 0) this.#desired = Math.max(this.#desired, wanted);
    this.#instances.fillTo(wanted);
    if (this.#instances.size > 0) this.#tools.keepTicking(this);
  }

  /** The last one goes when nothing was asked for the whole window, and `retentionMs` more. */
  #mayGo(nowMs: number): boolean {
    const { windowMs, retentionMs } = this.#plan.scale;
    return this.#waiting.size === 0 && this.#demand.idleMs(nowMs) >= windowMs + retentionMs;
  }

  #ready(): void {
    this.#demand.touch(this.#tools.clock.nowMs());
    if (this.#instances.readyCount >= this.#plan.scale.initialScale) this.#isInitialReached = true;
    this.#serveWaiting();
  }

  #failed(trouble: Trouble): void {
    if (this.#instances.standing.length > 0) return;
    if (trouble.count === 1 && wasKilled(trouble)) return; // A5
    this.#desired = 0; // the next request tries again
    this.#waiting.refuse(cannotStart(this.#plan, trouble));
  }
}
