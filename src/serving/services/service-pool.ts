import { connect } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { isReady, runningAt, startingSlot, type ReadySlot, type Slot } from '../activator/slot.ts';
import type { Lease } from '../activator/waiting.ts';
import type { ExchangePlan, GatewayPool } from '../gateway/pool.ts';
import type { PodLife } from '../pods/pod-life.ts';
import type { Instance } from '../runtime/runtime.ts';

/** A Pod of a Service; `port` is where it takes requests, undefined: the port that it was given in PORT. */
export type Member = { readonly pod: string; readonly port: number | undefined };

export type ServicePoolTools = {
  readonly lifeOf: (pod: string) => PodLife | undefined;
  readonly clock: Clock;
  readonly random: () => number;
};

type Endpoint = {
  readonly slot: Slot;
  readonly life: PodLife;
  readonly instance: Instance;
  readonly stop: AbortController;
};
type Waiter = { readonly give: (slot: ReadySlot) => void; readonly refuse: (error: PlatformError) => void };

/** A day: Kubernetes has no such bound; whoever asks and whoever answers have theirs. */
const TIMEOUT_MS = 24 * 3_600_000;
/** So long a request waits for a Pod that is just starting. */
const COMING_MS = 10_000;
const WAITING_MAX = 1000;
const LOOK_FIRST_MS = 2;
const LOOK_MAX_MS = 500;

/**
 * The Pods that answer for one port of a v1 Service.
 *   V1  a request goes to a ready Pod that listens, to the one with the fewest requests.
 *   V2  where none does, it waits while one is starting, for at most ten seconds; else it is refused at once, with the reason.
 *   V3  a Pod that is to go gets nothing new, and is waited for by whoever removes it (pod-life.ts, L2).
 */
export class ServicePool implements GatewayPool {
  readonly plan: ExchangePlan;
  readonly retryAfterS = 1;
  readonly #name: string; // Service namespace/name
  readonly #tools: ServicePoolTools;
  #members: readonly Member[] = [];
  #why = 'it has no selector';
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #bySlot = new Map<Slot, Endpoint>();
  readonly #waiting = new Set<Waiter>();

  constructor(name: string, protocol: ExchangePlan['protocol'], tools: ServicePoolTools) {
    this.#name = name;
    this.#tools = tools;
    this.plan = { protocol, timeoutMs: TIMEOUT_MS, responseStartTimeoutMs: 0, idleTimeoutMs: 0 };
  }

  get counts(): { readonly ready: number } {
    return { ready: this.#ready().length };
  }

  /** `why` says what is the matter when there are none. */
  setMembers(members: readonly Member[], why: string): void {
    this.#members = members;
    this.#why = why;
    this.look();
  }

  /** Something about Pods is other than before. */
  look(): void {
    const wanted = new Map(this.#members.map((member) => [member.pod, member]));
    for (const [pod, endpoint] of this.#endpoints) {
      const life = this.#tools.lifeOf(pod);
      if (!wanted.has(pod) || life !== endpoint.life || life.ready !== endpoint.instance)
        this.#drop(pod, endpoint);
    }
    for (const member of this.#members) {
      const life = this.#tools.lifeOf(member.pod);
      if (life?.ready !== undefined && !this.#endpoints.has(member.pod)) this.#add(member, life, life.ready);
    }
    if (!this.#mayCome()) this.#refuseWaiting();
  }

  tryAcquire(): ReadySlot | undefined {
    const slots = this.#ready();
    const [first] = slots;
    if (first === undefined) return undefined;
    const from = Math.floor(this.#tools.random() * slots.length);
    const turned = [...slots.slice(from), ...slots.slice(0, from)];
    const slot = turned.reduce((least, each) => (each.inFlight < least.inFlight ? each : least));
    slot.inFlight += 1;
    this.#bySlot.get(slot)?.life.requestBegins();
    return slot;
  }

  async acquire(signal: AbortSignal): Promise<Lease> {
    const slot = this.tryAcquire() ?? (await this.#wait(signal)); // V2
    return { slot, wake: undefined };
  }

  release(slot: ReadySlot): void {
    slot.inFlight -= 1;
    const endpoint = this.#bySlot.get(slot);
    endpoint?.life.requestEnded();
    if (endpoint !== undefined && slot.state === 'draining' && slot.inFlight === 0) this.#forget(endpoint);
  }

  upgraded(): void {
    // counted as a request until it ends
  }

  suspect(slot: ReadySlot): void {
    const endpoint = this.#bySlot.get(slot);
    if (endpoint === undefined || slot.state !== 'ready') return;
    slot.state = 'suspect';
    void this.#untilListening(endpoint);
  }

  close(): void {
    this.setMembers([], 'it is being deleted');
  }

  #ready(): readonly ReadySlot[] {
    return [...this.#endpoints.values()].map(({ slot }) => slot).filter(isReady);
  }

  #add(member: Member, life: PodLife, instance: Instance): void {
    const slot = startingSlot(member.pod.split('/')[1] ?? member.pod, this.#tools.clock.nowMs());
    const reached = member.port === undefined ? instance : atPort(instance, member.port);
    slot.running = runningAt(reached, this.#tools.clock.nowMs());
    const endpoint = { slot, life, instance, stop: new AbortController() };
    this.#endpoints.set(member.pod, endpoint);
    this.#bySlot.set(slot, endpoint);
    void this.#untilListening(endpoint);
  }

  /** V3 */
  #drop(pod: string, endpoint: Endpoint): void {
    endpoint.stop.abort();
    endpoint.slot.state = 'draining';
    this.#endpoints.delete(pod);
    if (endpoint.slot.inFlight === 0) this.#forget(endpoint);
  }

  #forget({ slot }: Endpoint): void {
    this.#bySlot.delete(slot);
    void slot.running?.client.close().catch(() => undefined); // with its instance
  }

  /** A Pod without a readiness probe is ready before its program listens. */
  async #untilListening({ slot, stop: { signal } }: Endpoint): Promise<void> {
    const { clock } = this.#tools;
    const port = slot.running?.instance.port ?? 0;
    for (let pauseMs = LOOK_FIRST_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LOOK_MAX_MS)) {
      if (await listens(port)) break;
      await clock.until(clock.nowMs() + pauseMs, signal);
    }
    if (signal.aborted) return;
    slot.state = 'ready';
    this.#serveWaiting();
  }

  #serveWaiting(): void {
    for (const waiter of this.#waiting) {
      const slot = this.tryAcquire();
      if (slot === undefined) return;
      waiter.give(slot);
    }
  }

  /** Whether a Pod is on its way to be ready. */
  #mayCome(): boolean {
    const nowMs = this.#tools.clock.nowMs();
    return this.#members.some(({ pod }) => {
      const standing = this.#tools.lifeOf(pod)?.standing;
      return standing !== undefined && isComing(standing.state) && nowMs - standing.sinceMs < COMING_MS;
    });
  }

  async #wait(signal: AbortSignal): Promise<ReadySlot> {
    if (!this.#mayCome()) throw this.#none();
    if (this.#waiting.size >= WAITING_MAX)
      throw new PlatformError('QUEUE_FULL', 'pending request queue full', { retryable: true });
    const { promise, resolve, reject } = Promise.withResolvers<ReadySlot>();
    const waiter: Waiter = { give: resolve, refuse: reject };
    const over = new AbortController();
    const { clock } = this.#tools;
    void clock.until(clock.nowMs() + COMING_MS, AbortSignal.any([signal, over.signal])).then(() => {
      if (!over.signal.aborted) reject(this.#none());
    });
    this.#waiting.add(waiter);
    try {
      return await promise;
    } finally {
      over.abort();
      this.#waiting.delete(waiter);
    }
  }

  #refuseWaiting(): void {
    for (const { refuse } of this.#waiting) refuse(this.#none());
  }

  #none(): PlatformError {
    return new PlatformError('NO_ENDPOINTS', `${this.#name} has no Pod that is ready: ${this.#reason()}`, {
      retryable: true,
    });
  }

  #reason(): string {
    if (this.#members.length === 0) return this.#why;
    const troubles = this.#members.flatMap(({ pod }) => {
      const last = this.#tools.lifeOf(pod)?.standing.last;
      return last === undefined
        ? []
        : [`Pod ${pod.split('/')[1] ?? pod} ${last.message.split('\n')[0] ?? ''}`];
    });
    return troubles[0] ?? `its ${this.#members.length} Pods are not ready`;
  }
}

function isComing(state: PodLife['standing']['state']): boolean {
  return state === 'starting' || state === 'running';
}

/** The same instance, at another port that it listens on. */
function atPort(instance: Instance, port: number): Instance {
  const { id, pid, startedMs, readyMs, ended } = instance;
  return {
    id,
    pid,
    port,
    startedMs,
    readyMs,
    ended,
    refresh: (spec) => instance.refresh(spec),
    stop: (graceMs) => instance.stop(graceMs),
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
