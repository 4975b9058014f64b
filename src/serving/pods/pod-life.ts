import type { Clock } from '../../base/clock.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { crashOf, troubleAfter, type Trouble } from '../activator/trouble.ts';
import type { InstanceStatus, Terminated } from '../runtime/instance-status.ts';
import type { Ended, Instance, InstanceSpec, Runtime } from '../runtime/runtime.ts';

/** A Pod that stands by itself: what a Deployment, a Job or a user has asked for. */
export type PodPlan = {
  readonly key: string; // namespace/name
  readonly instance: InstanceSpec;
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never';
  /** Between its removal and SIGKILL: requests that it has end first, then it is sent SIGTERM. */
  readonly graceMs: number;
  /** So long it may take in all, restarts included. */
  readonly deadlineMs: number | undefined;
  /** In former runs of the platform. */
  readonly restartsBefore: number;
};

/** How it stands now. */
export type PodStanding = {
  readonly state: 'starting' | 'running' | 'pausing' | 'stopping' | 'over';
  readonly isReady: boolean;
  readonly restarts: number;
  readonly startedMs: number;
  readonly sinceMs: number; // in this state
  /** How its main container ended the last time. */
  readonly last: Terminated | undefined;
  readonly trouble: Trouble | undefined;
  /** As its runtime tells of its containers, if it does. */
  readonly told: InstanceStatus | undefined;
  readonly result: Result | undefined; // of one that is over
};
export type Result = { readonly phase: 'Succeeded' | 'Failed'; readonly reason: string | undefined };

export type PodTools = {
  readonly runtime: Runtime;
  readonly clock: Clock;
  /** Something about it is other than before. */
  readonly onChange: (key: string) => void;
};

const DEADLINE = 'DeadlineExceeded';
/** Kubernetes' exit code of a container that could not be started. */
const START_ERROR = 128;
/** Whoever has used up its time with the requests it had is given so long to end. */
const LEAST_GRACE_MS = 1000;

/**
 * Runs one Pod, from its start until it is over or removed.
 *   L1  it is started again as its restart policy says, at once the first time and after growing pauses of up to a minute
 *       then (activator/trouble.ts); it keeps its name, and what was in its emptyDirs.
 *   L2  one that is removed gets no new requests, answers those that it has, and is then told to end.
 *   L3  stop() resolves when nothing of it runs any more; twice is as good as once.
 */
export class PodLife {
  readonly plan: PodPlan;
  readonly #tools: PodTools;
  readonly #stop = new AbortController();
  readonly #startedMs: number;
  readonly #life: Promise<void>;
  #state: PodStanding['state'] = 'starting';
  #sinceMs: number;
  #isReady = false;
  #instance: Instance | undefined;
  #restarts: number;
  #last: Terminated | undefined;
  #trouble: Trouble | undefined;
  #told: InstanceStatus | undefined;
  #result: Result | undefined;
  #inFlight = 0;
  #idle = Promise.withResolvers<void>();
  #graceMs: number;

  constructor(plan: PodPlan, tools: PodTools) {
    this.plan = plan;
    this.#tools = tools;
    this.#restarts = plan.restartsBefore;
    this.#graceMs = plan.graceMs;
    this.#startedMs = tools.clock.nowMs();
    this.#sinceMs = this.#startedMs;
    this.#life = Promise.resolve().then(() => this.#live());
    if (plan.deadlineMs !== undefined) void this.#watchDeadline(this.#startedMs + plan.deadlineMs);
  }

  get standing(): PodStanding {
    return {
      state: this.#state,
      isReady: this.#isReady && this.#state === 'running',
      restarts: this.#restarts,
      startedMs: this.#startedMs,
      sinceMs: this.#sinceMs,
      last: this.#last,
      trouble: this.#trouble,
      told: this.#told,
      result: this.#result,
    };
  }

  /** The instance that takes requests; undefined: none does now. */
  get ready(): Instance | undefined {
    return this.#isReady && this.#state === 'running' ? this.#instance : undefined;
  }

  /** What runs of it now, whether or not it takes requests. */
  get running(): Instance | undefined {
    return this.#instance;
  }

  /** Hands a running instance what has changed in its volumes. */
  refresh(spec: InstanceSpec): void {
    this.#instance?.refresh(spec);
  }

  /** A request is on its way to it; `requestEnded` follows. */
  requestBegins(): void {
    this.#inFlight += 1;
  }

  requestEnded(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#idle.resolve();
  }

  async stop(graceMaxMs: number = Number.POSITIVE_INFINITY): Promise<void> {
    this.#graceMs = Math.min(this.plan.graceMs, graceMaxMs);
    if (!this.#stop.signal.aborted) {
      if (this.#state !== 'over') this.#set('stopping');
      this.#stop.abort();
    }
    await this.#life;
  }

  async #live(): Promise<void> {
    const { clock } = this.#tools;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#set('starting');
      const { terminated, trouble } = await this.#runOnce();
      this.#last = terminated;
      if (signal.aborted) return;
      if (this.#isLast(terminated)) return this.#end(terminated.exitCode === 0 ? 'Succeeded' : 'Failed');
      this.#trouble = trouble;
      this.#restarts += 1;
      this.#set('pausing');
      await clock.until(trouble.untilMs, signal); // L1
    }
  }

  #isLast({ exitCode }: Terminated): boolean {
    const { restartPolicy } = this.plan;
    return restartPolicy === 'Never' || (restartPolicy === 'OnFailure' && exitCode === 0);
  }

  #end(phase: Result['phase'], reason?: string): void {
    this.#result = { phase, reason };
    this.#set('over');
  }

  async #runOnce(): Promise<{ readonly terminated: Terminated; readonly trouble: Trouble }> {
    const { runtime, clock } = this.#tools;
    const { instance: spec, key } = this.plan;
    const beganMs = clock.nowMs();
    try {
      const instance = await runtime.start(spec, key.split('/')[1] ?? key, (told) => this.#hear(told));
      this.#instance = instance;
      this.#isReady = this.#told?.isReady ?? true;
      const readyMs = clock.nowMs();
      if (!this.#stop.signal.aborted) this.#set('running');
      const ended = await this.#untilEnded(instance);
      const terminated = terminatedBy(ended, readyMs, clock.nowMs());
      const failure = crashOf(ended, clock.nowMs() - readyMs);
      return { terminated, trouble: troubleAfter(this.#trouble, failure, clock.nowMs()) };
    } catch (error) {
      const reason = messageOf(error);
      const code = error instanceof PlatformError ? error.code : 'StartFailed';
      const terminated = this.#toldEnd() ?? {
        exitCode: exitCodeIn(code),
        reason: exitCodeIn(code) === 0 ? 'Completed' : 'Error',
        message: reason,
        startedMs: beganMs,
        finishedMs: clock.nowMs(),
      };
      const failure = { kind: 'start', code, reason } as const;
      return { terminated, trouble: troubleAfter(this.#trouble, failure, clock.nowMs()) };
    } finally {
      this.#instance = undefined;
      this.#isReady = false;
    }
  }

  /** How its main container ended, when its runtime has told so before it was ready. */
  #toldEnd(): Terminated | undefined {
    const state = this.#told?.containers[0]?.state;
    if (state?.kind !== 'terminated') return undefined;
    const { kind: _kind, ...terminated } = state;
    return terminated;
  }

  async #untilEnded(instance: Instance): Promise<Ended> {
    const { signal } = this.#stop;
    const stop = (): void => void this.#drain(instance);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    const ended = await instance.ended;
    signal.removeEventListener('abort', stop);
    return ended;
  }

  /** L2 */
  async #drain(instance: Instance): Promise<void> {
    const { clock } = this.#tools;
    const endMs = clock.nowMs() + this.#graceMs;
    const over = new AbortController();
    if (this.#inFlight > 0) {
      this.#idle = Promise.withResolvers();
      await Promise.race([this.#idle.promise, instance.ended, clock.until(endMs, over.signal)]);
    }
    over.abort();
    const leftMs = endMs - clock.nowMs();
    await instance.stop(this.#graceMs === 0 ? 0 : Math.max(LEAST_GRACE_MS, leftMs));
  }

  /** Kubernetes ends a Pod that takes longer than its activeDeadlineSeconds, and counts it as failed. */
  async #watchDeadline(deadlineMs: number): Promise<void> {
    await this.#tools.clock.until(deadlineMs, this.#stop.signal);
    if (this.#stop.signal.aborted || this.#state === 'over') return;
    this.#end('Failed', DEADLINE);
    this.#stop.abort();
  }

  #hear(told: InstanceStatus): void {
    this.#told = told;
    if (this.#instance !== undefined) this.#isReady = told.isReady;
    this.#tools.onChange(this.plan.key);
  }

  #set(state: PodStanding['state']): void {
    this.#state = state;
    this.#sinceMs = this.#tools.clock.nowMs();
    this.#tools.onChange(this.plan.key);
  }
}

function exitCodeIn(code: string): number {
  const found = /^ExitCode(\d+)$/.exec(code)?.[1];
  return found === undefined ? START_ERROR : Number(found);
}

const SIGNALS: Readonly<Record<string, number>> = {
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

function terminatedBy(
  { exitCode, signal, reason }: Ended,
  startedMs: number,
  finishedMs: number,
): Terminated {
  const code = exitCode ?? START_ERROR + (SIGNALS[signal ?? ''] ?? 1);
  const isOutOfMemory = reason.startsWith('OOMKilled');
  return {
    exitCode: code,
    reason: isOutOfMemory ? 'OOMKilled' : code === 0 ? 'Completed' : 'Error',
    message: reason,
    startedMs,
    finishedMs,
  };
}
