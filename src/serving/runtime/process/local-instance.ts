import { setTimeout as pause } from 'node:timers/promises';
import { backoffDelayMs } from '../../../base/backoff.ts';
import { PlatformError } from '../../../base/errors.ts';
import { within } from '../../../base/within.ts';
import { publishSignal, type ProbeFault } from '../../../telemetry/signals.ts';
import type { ContainerSpec } from '../container-spec.ts';
import type { ContainerStatus, InstanceStatus, Terminated } from '../instance-status.ts';
import { mainContainer, type Ended, type Instance, type InstanceSpec, type TellStatus } from '../runtime.ts';
import type { Usage } from '../usage.ts';
import { exitCodeOf } from '../exit-code.ts';
import { failed, failedBy } from './child.ts';
import { ContainerRun, type Past, type RunTools } from './container-run.ts';
import type { RunProcess } from './run-process.ts';
import type { VolumeFolders } from './isolation/volume-folders.ts';

export type InstanceTools = {
  /** What a run of a container is made with. */
  readonly toolsFor: (container: ContainerSpec, spec: InstanceSpec, changed: () => void) => RunTools;
  readonly volumes: VolumeFolders | undefined; // it has some
  readonly usageOf: (child: RunProcess) => Promise<Usage | undefined>;
  readonly tell: TellStatus;
  /** It is there from now on, ready or not. */
  readonly onBegin: (instance: LocalInstance) => void;
  /** What earlier instances of this id have left (R5). */
  readonly past: Map<string, Past>;
  /** It has ended; `isOver`: because it was asked to, so that it does not come again. */
  readonly onEnd: (isOver: boolean) => void;
};

/** As the activator has it for instances that crash: at once, then 1 s, 2 s, 4 s … a minute. */
const PAUSE = { policy: 'exponential', delayMs: 1000, maxMs: 60_000 } as const;
const STEADY_MS = 60_000;
export const FIRST: Past = { restarts: 0, last: undefined };
const MEASURE_EVERY_MS = 10_000;

/**
 * An instance as processes of this machine: init containers one after the other, then all others together. It stands and
 * falls with its main container; the others are started again in place when they end.
 */
export class LocalInstance implements Instance {
  readonly id: string;
  readonly ended: Promise<Ended>;
  #spec: InstanceSpec;
  readonly #tools: InstanceTools;
  readonly #runs = new Map<string, ContainerRun>();
  readonly #inits = new Map<string, ContainerStatus>();
  readonly #over = new AbortController();
  readonly #end = Promise.withResolvers<Ended>();
  #wasAsked = false;
  #readyMs = 0;

  private constructor(spec: InstanceSpec, id: string, tools: InstanceTools) {
    this.id = id;
    this.#spec = spec;
    this.#tools = tools;
    this.ended = this.#end.promise;
  }

  /** Resolves once all of its containers are ready (R1), rejects when one of them cannot be (R2). */
  static async start(spec: InstanceSpec, id: string, tools: InstanceTools): Promise<LocalInstance> {
    const instance = new LocalInstance(spec, id, tools);
    tools.onBegin(instance);
    try {
      tools.volumes?.write(spec);
      for (const container of spec.initContainers) await instance.#runInit(container);
      await Promise.all(spec.containers.map((container) => instance.#startOne(container)));
    } catch (error) {
      await instance.#stopAll(0);
      instance.#note();
      instance.#tell();
      tools.onEnd(false);
      throw error;
    }
    return instance.#isReadyNow();
  }

  get pid(): number {
    return this.#main.begun?.child.pid ?? 0;
  }

  get port(): number {
    return this.#main.begun?.port ?? 0;
  }

  get readyMs(): number {
    return this.#readyMs;
  }

  get startedMs(): number {
    return this.#main.begun?.startedMs ?? 0;
  }

  get loadedMs(): number | undefined {
    return this.#main.begun?.loadedMs;
  }

  get isFromPool(): boolean {
    return this.#main.begun?.isFromPool ?? false;
  }

  get spec(): InstanceSpec {
    return this.#spec;
  }

  /** The runs of its containers that have begun. */
  get runs(): readonly ContainerRun[] {
    return [...this.#runs.values()];
  }

  refresh(spec: InstanceSpec): void {
    this.#spec = spec;
    if (!this.#over.signal.aborted) this.#tools.volumes?.write(spec);
  }

  async stop(graceMs: number): Promise<void> {
    this.#wasAsked = true;
    this.#over.abort();
    await this.#stopAll(graceMs);
    await this.ended;
  }

  async usage(): Promise<Usage | undefined> {
    const children = [...this.#runs.values()].flatMap(({ begun }) => begun?.child ?? []);
    const all = await Promise.all(children.map((child) => this.#tools.usageOf(child)));
    const known = all.filter((each) => each !== undefined);
    if (known.length === 0) return undefined;
    return known.reduce((sum, { cpuSeconds, memoryBytes }) => ({
      cpuSeconds: sum.cpuSeconds + cpuSeconds,
      memoryBytes: sum.memoryBytes + memoryBytes,
    }));
  }

  /** Of one that has a single container and starts for the first time, whoever starts it knows all there is. */
  get #isPlain(): boolean {
    const { containers, initContainers } = this.#spec;
    return containers.length + initContainers.length === 1 && this.#tools.past.size === 0;
  }

  get #main(): ContainerRun {
    const run = this.#runs.get(mainContainer(this.#spec).name);
    if (run === undefined) throw new Error(`instance ${this.id} has not been started`);
    return run;
  }

  #isReadyNow(): LocalInstance {
    this.#readyMs = Date.now();
    if (!this.#isPlain) this.#tell();
    const main = this.#main;
    void main.ended.then((how) => this.#close(how));
    for (const run of this.#runs.values()) if (run !== main) void this.#keepUp(run);
    if (this.#spec.volumes.some((volume) => volume.kind === 'empty' && volume.bytesMax !== undefined))
      void this.#measure();
    return this;
  }

  async #close(how: Ended): Promise<void> {
    this.#over.abort();
    await this.#stopAll(0);
    this.#note();
    const wasAsked = this.#wasAsked || how.wasAsked;
    if (!wasAsked) this.#tell();
    this.#tools.onEnd(wasAsked);
    this.#end.resolve({ ...how, wasAsked });
  }

  async #runInit(container: ContainerSpec): Promise<void> {
    const run = this.#newRun(container);
    this.#inits.set(container.name, run.status);
    const { readyTimeoutMs } = this.#spec;
    const late = (): Error =>
      failed(
        'ProgressDeadlineExceeded',
        `init container ${container.name} has not come to its end within ${readyTimeoutMs} ms`,
      );
    try {
      await run.begin();
      const ended = await within(readyTimeoutMs, run.ended, late);
      if (exitCodeOf(ended) !== 0) throw named(container, failedBy(ended), 'init container');
    } finally {
      await run.stop(0);
      this.#inits.set(container.name, run.status);
      this.#noteOne(run);
    }
    this.#runs.delete(container.name);
    this.#tell();
  }

  async #startOne(container: ContainerSpec): Promise<void> {
    const run = this.#newRun(container);
    try {
      await run.start(this.#spec.readyTimeoutMs);
    } catch (error) {
      throw this.#spec.containers.length === 1 ? error : named(container, error, 'container');
    }
  }

  #newRun(container: ContainerSpec): ContainerRun {
    const past = this.#tools.past.get(container.name) ?? FIRST;
    const tools = this.#tools.toolsFor(container, this.#spec, () => {
      if (this.#readyMs > 0 || !this.#isPlain) this.#tell();
    });
    const onUnhealthy = (fault: ProbeFault): void => this.#tellFault(container, fault);
    const run = new ContainerRun(container, past, { ...tools, onUnhealthy });
    this.#runs.set(container.name, run);
    return run;
  }

  /** A container beside the main one that ends is started again, with growing pauses (R5). */
  async #keepUp(first: ContainerRun): Promise<void> {
    let [run, failures] = [first, 0];
    const { signal } = this.#over;
    for (;;) {
      const startedMs = Date.now();
      await run.ended;
      this.#noteOne(run);
      if (signal.aborted) return;
      failures = Date.now() - startedMs >= STEADY_MS ? 1 : failures + 1;
      try {
        if (failures > 1) await pause(backoffDelayMs(PAUSE, failures - 2), undefined, { signal });
        run = this.#newRun(run.spec);
        await run.start(this.#spec.readyTimeoutMs);
      } catch {
        await run.stop(0); // its status tells why
        if (signal.aborted) return;
      }
    }
  }

  /** As kubelet evicts who writes more into a volume than that may hold. */
  async #measure(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      await pause(MEASURE_EVERY_MS, undefined, { signal }).catch(() => undefined);
      const fault = signal.aborted ? undefined : this.#tools.volumes?.overfull(this.#spec);
      if (fault !== undefined) await this.#main.giveUp(fault);
    }
  }

  async #stopAll(graceMs: number): Promise<void> {
    await Promise.all([...this.#runs.values()].map((run) => run.stop(graceMs)));
  }

  #note(): void {
    for (const run of this.#runs.values()) this.#noteOne(run);
  }

  /** What its next run is told. */
  #noteOne({ spec, status }: ContainerRun): void {
    const { state, restarts } = status;
    if (state.kind !== 'terminated') return;
    const { kind: _kind, ...last } = state;
    this.#tools.past.set(spec.name, { restarts: restarts + 1, last: last satisfies Terminated });
  }

  get #status(): InstanceStatus {
    const containers = this.#spec.containers.map(({ name }) => this.#shown(name));
    const initContainers = this.#spec.initContainers.map(
      ({ name }) => this.#runs.get(name)?.status ?? this.#inits.get(name) ?? waiting(name, FIRST),
    );
    return {
      isReady: this.#readyMs > 0 && containers.every(({ isReady }) => isReady),
      containers,
      initContainers,
    };
  }

  /** One that is started again in a while is waiting for that. */
  #shown(name: string): ContainerStatus {
    const status = this.#runs.get(name)?.status;
    if (status === undefined) return waiting(name, this.#tools.past.get(name) ?? FIRST);
    const { state } = status;
    if (state.kind !== 'terminated' || this.#readyMs === 0 || this.#over.signal.aborted) return status;
    const message = `back-off restarting failed container=${name} pod=${this.id}`;
    return { ...status, state: { kind: 'waiting', reason: 'CrashLoopBackOff', message }, last: state };
  }

  #tellFault({ name: container }: ContainerSpec, fault: ProbeFault): void {
    const { namespace } = this.#spec;
    publishSignal('serving.unhealthy', {
      atMs: Date.now(),
      namespace,
      instance: this.id,
      container,
      ...fault,
    });
  }

  #tell(): void {
    this.#tools.tell(this.#status);
  }
}

function waiting(name: string, { restarts, last }: Past): ContainerStatus {
  const state = { kind: 'waiting', reason: 'PodInitializing' } as const;
  return { name, state, isReady: false, isStarted: false, restarts, last };
}

/** Tells which of several containers it was. */
function named({ name }: ContainerSpec, error: unknown, what: string): unknown {
  if (!(error instanceof PlatformError)) return error;
  const { code, message, retryable } = error;
  return new PlatformError(code, `${what} ${name}: ${message}`, { retryable, cause: error });
}
