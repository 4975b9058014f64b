import { messageOf, type PlatformError } from '../../../base/errors.ts';
import type { ProbeFault } from '../../../telemetry/signals.ts';
import type { ContainerSpec, ProbeSpec } from '../container-spec.ts';
import type { ContainerState, ContainerStatus, Terminated } from '../instance-status.ts';
import type { Ended } from '../runtime.ts';
import { exitCodeOf } from '../exit-code.ts';
import { failed, failedBy } from './child.ts';
import type { Cgroup } from './isolation/cgroups.ts';
import { IdleAtPort } from './idle-at-port.ts';
import { listeningPorts } from './ports.ts';
import type { ProbeTarget } from './probes/ask.ts';
import { firstSuccess } from './probes/first-success.ts';
import { watchProbe } from './probes/watch.ts';
import type { RunProcess } from './run-process.ts';

/** A process that has been given a container's code. */
export type Begun = {
  readonly child: RunProcess;
  readonly port: number;
  /** Where it is to listen in a network of its own; undefined: on `port`. */
  readonly inner?: number;
  /** Milliseconds since the epoch: a process had the code. */
  readonly startedMs: number;
  /** Of a function: when its import had come to its end, and whether its process had waited for it. */
  readonly loadedMs?: number;
  readonly isFromPool?: boolean;
  /** Whether it has said by itself that it answers: a function does. */
  readonly isReady: boolean;
};

export type RunTools = {
  /** Starts its process; `onTaken` is told of it before anything of the container runs in it. */
  readonly begin: (onTaken: (child: RunProcess) => void) => Promise<Begun>;
  readonly cgroup: Cgroup | undefined;
  readonly targetOf: (begun: Begun) => ProbeTarget;
  /**
   * Told of the port on which its program listens instead of the one that it was given; undefined: it is reached there
   * now. Otherwise it fails, and this says what else can be done, as the end of a sentence.
   */
  readonly elsewhere: (port: number) => string | undefined;
  /** Told that its program seems to have missed a port that another has; whether it can have a network of its own. */
  readonly wants?: (() => boolean) | undefined;
  readonly onChange: () => void;
  /** One of its probes has failed. */
  readonly onUnhealthy?: ((fault: ProbeFault) => void) | undefined;
};

export type Beside = ReturnType<ProbeTarget['exec']> & {
  readonly onSpawn: (pid: number) => void;
  /** Of the container, and so of the command. */
  readonly ended: Promise<unknown>;
};

/** What earlier runs of the same container have left. */
export type Past = { readonly restarts: number; readonly last: Terminated | undefined };

/** How long a program may listen elsewhere first before that is taken for its mistake. */
const WRONG_PORT_FOR_MS = 3000;
/** The same, of the port that its manifest names or leaves to Knative's default: there is little doubt. */
const MANIFEST_PORT_FOR_MS = 1000;
const DEFAULT_PORT = 8080;
/** Between the SIGTERM and the SIGKILL of what is not alive any more. */
const UNHEALTHY_GRACE_MS = 5000;
const USUAL_PERIOD_MS = 10_000;
const MORE_TIME = ' (annotation serving.knative.dev/progress-deadline allows more)';

/** One run of a container: from the start of its process to its end, and what its probes say meanwhile. */
export class ContainerRun {
  readonly spec: ContainerSpec;
  readonly past: Past;
  readonly #tools: RunTools;
  readonly #over = new AbortController();
  #begun: Begun | undefined;
  #child: RunProcess | undefined;
  #state: ContainerState = { kind: 'waiting', reason: 'ContainerCreating' };
  #isReady = false;
  #isStarted = false;
  /** Why it was ended, if for what its probes said. */
  #unhealthy: string | undefined;
  readonly #ended = Promise.withResolvers<Ended>();

  constructor(spec: ContainerSpec, past: Past, tools: RunTools) {
    this.spec = spec;
    this.past = past;
    this.#tools = tools;
  }

  get begun(): Begun | undefined {
    return this.#begun;
  }

  /** How a command is run where and as it runs, and within its bounds; undefined: it does not run now. */
  beside(command: readonly string[]): Beside | undefined {
    if (this.#begun === undefined || this.#state.kind !== 'running') return undefined;
    const { cgroup } = this.#tools;
    return {
      ...this.#tools.targetOf(this.#begun).exec(command),
      onSpawn: (pid) => cgroup?.add(pid),
      ended: this.ended,
    };
  }

  /** Resolves when its process is gone; never rejects. `wasAsked` is false when its probes were the cause. */
  get ended(): Promise<Ended> {
    return this.#ended.promise;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get status(): ContainerStatus {
    const { name } = this.spec;
    const { restarts, last } = this.past;
    return { name, state: this.#state, isReady: this.#isReady, isStarted: this.#isStarted, restarts, last };
  }

  /** The port of this machine by which one of its own is reached: the same, unless it has a network of its own. */
  portFor(port: number): Promise<number> {
    const inside = this.#begun === undefined ? undefined : this.#tools.targetOf(this.#begun).inside;
    return inside?.doorTo(port) ?? Promise.resolve(port);
  }

  /** Starts it; resolves when it is ready, rejects as R2 says. */
  async start(readyTimeoutMs: number): Promise<void> {
    const begun = await this.begin();
    const ended = this.ended.then((how) => {
      throw failedBy(how);
    });
    try {
      await Promise.race([
        ended,
        this.#untilReady(begun, readyTimeoutMs).catch((error: unknown) => this.#isOver(ended, error)),
      ]);
    } finally {
      ended.catch(() => undefined); // from here on its end is its instance's to see
    }
    this.#set(true);
    const { readiness } = this.spec;
    if (isAskedOn(readiness))
      this.#watch({ ...readiness, initialDelayMs: 0 }, begun, 'Readiness', (isWell) => this.#set(isWell));
  }

  /** Starts its process, and waits for nothing else. */
  async begin(): Promise<Begun> {
    const begun = await this.#tools
      .begin((child) => {
        this.#child = child;
        this.#tools.cgroup?.add(child.pid);
        if (this.#over.signal.aborted) void child.stop(0);
      })
      .catch(async (error: unknown) => this.#couldNotBegin(error));
    void begun.child.ended.then((how) => this.#end(how));
    this.#begun = begun;
    this.#state = { kind: 'running', startedMs: begun.startedMs };
    this.#tools.onChange();
    return begun;
  }

  /** What is broken off with a run fails as that has ended, not because it was broken off. */
  async #isOver(ended: Promise<never>, error: unknown): Promise<never> {
    if (this.#over.signal.aborted) return ended;
    throw error;
  }

  async stop(graceMs: number): Promise<void> {
    this.#over.abort();
    await this.#child?.stop(graceMs);
  }

  async #untilReady(begun: Begun, readyTimeoutMs: number): Promise<void> {
    const { startup, liveness, readiness } = this.spec;
    if (startup !== undefined) await this.#untilStarted(startup, begun);
    this.#isStarted = true;
    if (liveness !== undefined) {
      this.#watch(liveness, begun, 'Liveness', (isWell, fault) => {
        if (isWell) return;
        this.#tellFault('Liveness', fault, true);
        void this.giveUp(`Liveness probe failed: ${fault}`);
      });
    }
    if (
      readiness === undefined ||
      (begun.isReady && readiness.action.kind === 'tcp' && readiness.action.port === undefined)
    )
      return;
    const look = this.#lookFor(readiness, begun, readyTimeoutMs);
    await firstSuccess(readiness, this.#tools.targetOf(begun), this.#over.signal, look, (fault) =>
      this.#tellFault('Readiness', fault),
    );
  }

  /** Others wait for it (Kubernetes, startupProbe). */
  async #untilStarted(startup: ProbeSpec, begun: Begun): Promise<void> {
    const { failureThreshold, periodMs, action } = startup;
    const withinMs = failureThreshold * (periodMs || USUAL_PERIOD_MS);
    const look = (waitedMs: number, fault: string): void => {
      if (waitedMs <= withinMs) return;
      throw failed(
        'ProbeFailed',
        `the ${action.kind} startup probe did not succeed within ${withinMs} ms: ${fault}${begun.child.output.said}`,
      );
    };
    await firstSuccess(startup, this.#tools.targetOf(begun), this.#over.signal, look, (fault) =>
      this.#tellFault('Startup', fault),
    );
  }

  /** Tells of a program that is not on its way to be ready. */
  #lookFor(
    { action }: ProbeSpec,
    { child, port, inner = port }: Begun,
    readyTimeoutMs: number,
  ): (waitedMs: number, fault: string) => void {
    let elsewhereMs: number | undefined;
    let expected = inner;
    const usual = this.spec.containerPort ?? DEFAULT_PORT;
    const idle = new IdleAtPort(child.pid, usual);
    return (waitedMs, fault) => {
      if (waitedMs > readyTimeoutMs) {
        throw failed(
          'ProgressDeadlineExceeded',
          `${notDone(action)} within ${readyTimeoutMs} ms${action.kind === 'tcp' ? '' : `: ${fault}`}${MORE_TIME}${child.output.said}`,
        );
      }
      if (action.kind === 'exec' || !this.spec.isServing || ('port' in action && action.port !== undefined))
        return;
      const other = otherPort(child, expected);
      elsewhereMs = other === undefined ? undefined : (elsewhereMs ?? waitedMs);
      if (usual !== expected && idle.isSo(waitedMs) && this.#tools.wants?.() === true) throw takenPort(usual);
      if (other === undefined || waitedMs - (elsewhereMs ?? waitedMs) < this.#patienceMs(other)) return;
      const otherwise = this.#tools.elsewhere(other);
      if (otherwise !== undefined) throw wrongPort(other, expected, otherwise);
      expected = other;
    };
  }

  #patienceMs(port: number): number {
    return port === (this.spec.containerPort ?? DEFAULT_PORT) ? MANIFEST_PORT_FOR_MS : WRONG_PORT_FOR_MS;
  }

  #watch(
    probe: ProbeSpec,
    begun: Begun,
    kind: ProbeFault['probe'],
    tell: (isWell: boolean, fault: string) => void,
  ): void {
    const failing = (fault: string): void => this.#tellFault(kind, fault);
    void watchProbe(probe, this.#tools.targetOf(begun), this.#over.signal, tell, failing);
  }

  #tellFault(probe: ProbeFault['probe'], fault: string, isLast = false): void {
    this.#tools.onUnhealthy?.({ probe, fault, isLast });
  }

  /** Ends it for this reason, as a crash. */
  async giveUp(reason: string): Promise<void> {
    this.#unhealthy = reason;
    this.#set(false);
    await this.stop(UNHEALTHY_GRACE_MS);
  }

  #set(isReady: boolean): void {
    if (this.#isReady === isReady || this.#state.kind === 'terminated') return;
    this.#isReady = isReady;
    this.#tools.onChange();
  }

  async #couldNotBegin(error: unknown): Promise<never> {
    const none = { exitCode: undefined, signal: undefined, wasAsked: false, reason: messageOf(error) };
    await this.#child?.stop(0);
    this.#end({ ...none, ...(await this.#child?.ended), reason: none.reason });
    throw error;
  }

  #end(how: Ended): void {
    this.#over.abort();
    const { cgroup } = this.#tools;
    const isOutOfMemory = cgroup?.wasOutOfMemory() ?? false;
    cgroup?.remove();
    const why = isOutOfMemory
      ? `OOMKilled: it used more memory than its limit of ${this.spec.limits.memoryBytes} bytes (resources.limits.memory: allow it more, or have it hold less)`
      : this.#unhealthy;
    const ended: Ended =
      why === undefined ? how : { ...how, wasAsked: false, reason: `${why}; ${how.reason}` };
    const exitCode = exitCodeOf(ended);
    this.#isReady = false;
    this.#state = {
      kind: 'terminated',
      exitCode,
      reason: isOutOfMemory ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error',
      message: ended.reason,
      startedMs: this.#begun?.startedMs ?? this.#child?.startedMs ?? Date.now(),
      finishedMs: Date.now(),
    };
    this.#tools.onChange();
    this.#ended.resolve(ended);
  }
}

/** Knative's default is not asked again: a port that refuses is seen by who connects to it. */
function isAskedOn(readiness: ProbeSpec | undefined): readiness is ProbeSpec {
  return readiness !== undefined && (readiness.periodMs > 0 || readiness.action.kind !== 'tcp');
}

function notDone(action: ProbeSpec['action']): string {
  if (action.kind !== 'tcp') return `the ${action.kind} readiness probe did not succeed`;
  return `nothing listened on ${action.port === undefined ? 'the port in PORT' : `port ${action.port}`}`;
}

/** A port that the program listens on, while it does not listen on the one that it was given. */
function otherPort(child: RunProcess, port: number): number | undefined {
  const ports = listeningPorts(child.pid);
  return ports.includes(port) ? undefined : ports[0];
}

function takenPort(port: number): PlatformError {
  return failed(
    'PortNotOpened',
    `the program listens nowhere and does nothing, as if port ${port} were another's; it is given a network of its own`,
  );
}

function wrongPort(other: number, port: number, otherwise: string): PlatformError {
  return failed(
    'PortNotOpened',
    `the program listens on port ${other}, not on the one it was given in PORT (${port}); let it listen on process.env.PORT, $PORT or the like${otherwise}`,
  );
}
