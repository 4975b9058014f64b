import { messageOf, PlatformError } from '../../base/errors.ts';
import { publishSignal, type Signals } from '../../telemetry/signals.ts';
import type { Metered } from '../autoscaler/resource-meter.ts';
import type { RevisionPlan } from '../plan.ts';
import type { InstanceStatus } from '../runtime/instance-status.ts';
import type { Ended } from '../runtime/runtime.ts';
import { isListening } from './is-listening.ts';
import { KeptIds } from './kept-ids.ts';
import type { Happening, PoolTools } from './pool-tools.ts';
import { isReady, isUp, runningAt, startingSlot, type ReadySlot, type Slot } from './slot.ts';
import { crashOf, noBerth, troubleAfter, type Trouble } from './trouble.ts';

/** Whoever has requests for the instances, and is told what becomes of them. */
export type InstancesOwner = {
  readonly plan: RevisionPlan;
  /** One has become ready. */
  onReady(): void;
  /** One takes requests again. */
  onAgain(): void;
  /** One did not become ready. */
  onFailed(trouble: Trouble): void;
  /** There may be too few. */
  onFewer(): void;
};

/** So many instances of a revision start at a time: more would only slow each other down. */
const STARTING_MAX = 8;
/** A process that refuses connections is given so long to end by itself, so that its exit code is told. */
const DYING_MS = 500;
/** Between SIGTERM and SIGKILL at least, where the time of the requests is over already; as a kubelet has it. */
const GRACE_MIN_MS = 2000;
/** An instance that has only upgraded connections left is told to end after so long, as upstream's drain (pkg/network). */
const QUIET_MS = 30_000;

/** The instances of one revision, from their start to their end. A1 to A5 are those of revision-pool.ts. */
export class Instances {
  readonly #tools: PoolTools;
  readonly #owner: InstancesOwner;
  readonly #kept = new KeptIds();
  #slots: readonly Slot[] = [];
  #trouble: Trouble | undefined;
  #lacksBerth = false;
  #isRemoved = false;

  constructor(tools: PoolTools, owner: InstancesOwner) {
    this.#tools = tools;
    this.#owner = owner;
  }

  get all(): readonly Slot[] {
    return this.#slots;
  }

  /** Those that there are, and the names that are kept for a restart. */
  get size(): number {
    return this.#slots.length + this.#kept.size;
  }

  get readyCount(): number {
    return this.#slots.filter(isReady).length;
  }

  /** Those whose use of CPU and memory counts. */
  get metered(): readonly Metered[] {
    return this.#slots.filter(isReady).map(({ running }) => running.instance);
  }

  get hasReady(): boolean {
    return this.#slots.some(isReady);
  }

  /** Those that are counted on: neither on their way out nor suspected. */
  get standing(): readonly Slot[] {
    return this.#slots.filter(({ state }) => state === 'starting' || state === 'ready');
  }

  /** The last that went wrong. */
  get trouble(): Trouble | undefined {
    return this.#lacksBerth ? noBerth(this.#tools.berths.max) : this.#trouble;
  }

  /** For so long no other is started. */
  get pauseMs(): number {
    return Math.max(0, (this.#trouble?.untilMs ?? 0) - this.#tools.clock.nowMs());
  }

  fillTo(wanted: number): void {
    this.#lacksBerth = false;
    for (let count = this.standing.length; count < wanted && this.#canStart(); count += 1) {
      this.#lacksBerth = !this.#tools.berths.enter(this.#slots.length);
      if (this.#lacksBerth) return;
      void this.#start();
    }
  }

  /** A3: the longest idle go first; one that is busy answers what it has and then goes. */
  shrinkTo(wanted: number): void {
    const up = this.#slots.filter(isUp);
    const idlest = up.toSorted(
      (a, b) =>
        Number(b.isUnready) - Number(a.isUnready) || a.inFlight - b.inFlight || a.idleSinceMs - b.idleSinceMs,
    );
    for (const slot of idlest.slice(0, Math.max(0, up.length - wanted))) this.drain(slot);
  }

  /**
   * A3, A6: it gets nothing new. SIGTERM follows its last answer, SIGKILL the end of the time that a request may take, and
   * `leastMs` after SIGTERM at the earliest. What drains already is given less time, never more.
   */
  drain(slot: Slot, graceMs = this.#owner.plan.timeoutMs, leastMs = GRACE_MIN_MS): void {
    const killAtMs = this.#tools.clock.nowMs() + graceMs;
    if (slot.drain !== undefined && slot.drain.killAtMs <= killAtMs) return;
    slot.drain = { killAtMs, leastMs };
    if (slot.state !== 'draining') {
      slot.state = 'draining';
      this.#tell(slot, { kind: 'draining' }, 'draining');
    }
    if (slot.inFlight === 0 || slot.stopping !== undefined) return void this.#end(slot, true);
    void this.#endAt(slot, killAtMs);
    this.released(slot);
  }

  /** One of its requests is answered, or carries another protocol by now: A6. */
  released(slot: Slot): void {
    if (slot.state !== 'draining' || slot.inFlight > slot.upgraded) return;
    if (slot.inFlight === 0) return void this.#end(slot);
    const nowMs = this.#tools.clock.nowMs();
    const leftMs = Math.max(0, (slot.drain?.killAtMs ?? 0) - nowMs);
    void this.#endAt(slot, nowMs + Math.min(QUIET_MS, leftMs / 2));
  }

  /** A connection to it was refused or reset: it gets nothing until it is seen to listen, and is replaced if it does not. */
  suspect(slot: ReadySlot): void {
    if (slot.state !== 'ready' || this.#isRemoved) return;
    slot.state = 'suspect';
    void this.#examine(slot);
  }

  /** The instance that a Pod stands for is to go. */
  async replace(id: string): Promise<void> {
    const slot = this.#slots.find((each) => each.id === id);
    if (slot !== undefined) this.drain(slot);
    if (this.#kept.drop(id)) this.#observe(id, { kind: 'gone' });
    this.#owner.onFewer();
    await slot?.running?.instance.ended;
  }

  /** Drains every instance; resolves when all are gone. */
  async empty(): Promise<void> {
    const slots = this.#slots.filter(isUp);
    for (const slot of slots) this.drain(slot);
    await Promise.all(slots.map(async ({ running }) => running.instance.ended));
  }

  /** Ends all, and starts none any more: each first answers what it has, for at most `graceMs`. */
  async remove(graceMs: number): Promise<void> {
    this.#isRemoved = true;
    this.expireKept(Number.POSITIVE_INFINITY);
    const slots = this.#slots;
    for (const slot of slots) this.drain(slot, graceMs, Math.min(graceMs, GRACE_MIN_MS));
    await Promise.all(slots.map(async ({ running }) => running?.instance.ended));
  }

  /** Hands all of them what has changed of their spec. */
  refresh(): void {
    for (const { running } of this.#slots) running?.instance.refresh(this.#owner.plan.instance);
  }

  expireKept(nowMs: number): void {
    for (const id of this.#kept.expire(nowMs)) this.#observe(id, { kind: 'gone' });
  }

  #canStart(): boolean {
    const starting = this.#slots.filter(({ state }) => state === 'starting').length;
    return !this.#isRemoved && this.pauseMs === 0 && starting < STARTING_MAX;
  }

  async #start(): Promise<void> {
    const { runtime, clock, nameInstance } = this.#tools;
    const { plan } = this.#owner;
    const slot = startingSlot(this.#kept.take() ?? nameInstance(plan), clock.nowMs());
    this.#slots = [...this.#slots, slot];
    this.#tell(slot, { kind: 'starting' }, 'starting');
    try {
      const tell = (status: InstanceStatus): void => this.#stands(slot, status);
      const instance = await runtime.start(plan.instance, slot.id, tell);
      slot.running = runningAt(instance, clock.nowMs());
      void instance.ended.then((ended) => this.#ended(slot, ended));
      if (slot.state !== 'starting') return void this.#end(slot); // removed or replaced meanwhile
      slot.state = 'ready';
      slot.idleSinceMs = clock.nowMs();
      this.#owner.onReady(); // the requests come first, who is told of it after
      this.#tell(slot, { kind: 'ready', instance }, 'ready');
    } catch (error) {
      this.#failed(slot, error);
    }
    this.#owner.onFewer();
  }

  /** The runtime tells how its containers stand (R6). */
  #stands(slot: Slot, status: InstanceStatus): void {
    if (!this.#slots.includes(slot)) return;
    slot.isUnready = slot.running !== undefined && !status.isReady;
    this.#observe(slot.id, { kind: 'changed', status });
    if (!slot.isUnready) this.#owner.onAgain();
  }

  #end(slot: Slot, isAgain = false): Promise<void> {
    if (slot.running === undefined) return Promise.resolve(); // #start sees that it is not wanted any more
    if (slot.stopping !== undefined && !isAgain) return slot.stopping;
    const { killAtMs = 0, leastMs = GRACE_MIN_MS } = slot.drain ?? {};
    const leftMs = killAtMs - this.#tools.clock.nowMs();
    slot.stopping = slot.running.instance.stop(Math.max(leftMs, leastMs));
    return slot.stopping;
  }

  async #endAt(slot: Slot, atMs: number): Promise<void> {
    await this.#endsBefore(slot, atMs);
    await this.#end(slot);
  }

  /** Waits for its end, until then at the latest; says whether it has ended. */
  async #endsBefore({ running }: Slot, atMs: number): Promise<boolean> {
    const done = new AbortController();
    void running?.instance.ended.then(() => done.abort());
    await this.#tools.clock.until(atMs, done.signal);
    return done.signal.aborted;
  }

  async #examine(slot: ReadySlot): Promise<void> {
    if (await isListening(slot.running.instance.port)) {
      if (slot.state === 'suspect') slot.state = 'ready';
      return this.#owner.onAgain();
    }
    this.#owner.onFewer();
    const hasEnded = await this.#endsBefore(slot, this.#tools.clock.nowMs() + DYING_MS);
    if (!hasEnded && slot.state === 'suspect') this.drain(slot);
  }

  #failed(slot: Slot, error: unknown): void {
    const code = error instanceof PlatformError ? error.code : 'StartFailed';
    const reason = messageOf(error);
    this.#drop(slot);
    this.#trouble = troubleAfter(this.#trouble, { kind: 'start', code, reason }, this.#tools.clock.nowMs());
    this.#tell(slot, { kind: 'failed', code, reason }, 'failed', `${code}: ${reason}`);
    this.#leave(slot, slot.state !== 'draining');
    this.#owner.onFailed(this.#trouble);
  }

  #ended(slot: Slot, ended: Ended): void {
    const nowMs = this.#tools.clock.nowMs();
    const isCrash = !ended.wasAsked && slot.state !== 'draining';
    this.#drop(slot);
    void this.#hangUp(slot);
    if (isCrash) {
      const livedMs = nowMs - (slot.running?.readyAtMs ?? nowMs);
      this.#trouble = troubleAfter(this.#trouble, crashOf(ended, livedMs), nowMs);
    } else if (this.#slots.length === 0) this.#trouble = undefined; // all went as asked
    this.#tell(slot, { kind: 'ended', ended }, 'stopped', ended.wasAsked ? undefined : ended.reason);
    this.#leave(slot, isCrash);
    this.#owner.onFewer();
  }

  /** What it had answered before its end may still be on the way; what hangs on a connection that a stranger holds is cut. */
  async #hangUp({ running }: Slot): Promise<void> {
    const { clock } = this.#tools;
    const done = new AbortController();
    void running?.client.close().then(() => done.abort());
    await clock.until(clock.nowMs() + DYING_MS, done.signal);
    if (!done.signal.aborted) await running?.client.destroy();
  }

  /** After a crash, whoever is started within a window goes on under its name. */
  #leave({ id }: Slot, isCrash: boolean): void {
    const { plan } = this.#owner;
    if (this.#isRemoved || !isCrash) return this.#observe(id, { kind: 'gone' });
    this.#kept.keep(id, this.#tools.clock.nowMs() + plan.scale.windowMs);
  }

  #drop(slot: Slot): void {
    this.#slots = this.#slots.filter((each) => each !== slot);
    this.#tools.berths.leave();
  }

  #tell(
    { id }: Slot,
    happening: Happening,
    state: Signals['serving.instance']['state'],
    reason?: string,
  ): void {
    this.#observe(id, happening);
    const atMs = this.#tools.clock.nowMs();
    publishSignal('serving.instance', { atMs, revision: this.#owner.plan.key, instance: id, state, reason });
  }

  #observe(id: string, happening: Happening): void {
    const atMs = this.#tools.clock.nowMs();
    this.#tools.observe({ ...happening, revision: this.#owner.plan.key, id, atMs });
  }
}
