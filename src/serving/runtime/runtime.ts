import type { ContainerSpec } from './container-spec.ts';
import type { InstanceStatus } from './instance-status.ts';
import type { Usage } from './usage.ts';
import type { VolumeSpec } from './volume-spec.ts';

/**
 * What one instance is to run, of a revision or of a program: a set of containers that share an address; everything is
 * resolved: no references, no images to look up.
 */
export type InstanceSpec = {
  readonly namespace: string;
  readonly revision: string; // or the Deployment, of a program
  readonly service: string | undefined; // K_SERVICE; undefined: a program, which answers no requests
  readonly configuration: string | undefined; // K_CONFIGURATION
  /** At least one. The one that `isServing` answers requests; of a program, none does. Names are unique, with those of `initContainers`. */
  readonly containers: readonly ContainerSpec[];
  /** Each runs to its end, in this order, before `containers` begin. */
  readonly initContainers: readonly ContainerSpec[];
  readonly volumes: readonly VolumeSpec[];
  /** Whether ports and loopback are its own; undefined: when its program turns out to insist on a port. */
  readonly network?: 'own' | 'host' | undefined;
  /** An instance that is not ready by then has failed. */
  readonly readyTimeoutMs: number;
};

/** The container that an instance stands and falls with: the one that answers requests, of a program the first. */
export function mainContainer({ containers }: InstanceSpec): ContainerSpec {
  const [first] = containers;
  const main = containers.find(({ isServing }) => isServing) ?? first;
  if (main === undefined) throw new Error('an instance has at least one container'); // validated where it is applied
  return main;
}

/** How an instance ended. `reason` is for people and quotes what it printed last. */
export type Ended = {
  readonly exitCode: number | undefined; // undefined when a signal ended it
  readonly signal: string | undefined;
  readonly wasAsked: boolean; // stop() had been called
  readonly reason: string;
};

/** One running copy of a revision. */
export interface Instance {
  readonly id: string; // the name of its Pod
  /** Of the container that answers; the leader of its process group. */
  readonly pid: number;
  /** Where it answers: always loopback. */
  readonly port: number;
  /** Milliseconds since the epoch: a process had the code; it reported ready. */
  readonly startedMs: number;
  readonly readyMs: number;
  /** When it had imported its code, of a function; absent: not told. */
  readonly loadedMs?: number | undefined;
  /** Whether its process had waited for it, warm. */
  readonly isFromPool?: boolean | undefined;
  /** Resolves when the main container is gone, whatever the cause, and the others with it; never rejects. */
  readonly ended: Promise<Ended>;
  /** Hands it what has changed of its spec and can change while it runs: the files of its volumes. */
  refresh(spec: InstanceSpec): void;
  /**
   * SIGTERM, then SIGKILL for all that it has started after `graceMs`; resolves when it is gone. May be called again: the
   * shortest grace counts, each from its own call, and one that is gone already is no error.
   */
  stop(graceMs: number): Promise<void>;
  /** What it has used, all its processes together; undefined: it is gone. Absent where it cannot be told. */
  usage?(): Promise<Usage | undefined>;
}

/** Something of a spec that a runtime cannot do where it runs; `message` says what to do about it. */
export type Unmet = {
  /** `refused`: such an instance does not start. `ignored`: it starts without. */
  readonly kind: 'refused' | 'ignored';
  readonly what: 'volumes' | 'user' | 'resources' | 'ports';
  readonly message: string;
};

/** Is told how the containers of an instance stand, from its start on, whenever that changes. */
export type TellStatus = (status: InstanceStatus) => void;

/**
 * Starts instances: as local processes, later as containers and Pods.
 *   R1  start() resolves once the instance is ready to answer, and not before.
 *   R2  it rejects with a PlatformError whose code is the reason a Revision's condition shows (`ExitCode1`,
 *       `ContainerCannotRun`, `PortNotOpened`, `ProbeFailed`, `ProgressDeadlineExceeded`, `FunctionInvalid`) and whose message
 *       says what to mend, the last lines of output included; nothing of the failed instance keeps running.
 *   R3  close() ends every instance; no process outlives the platform, not even a killed one.
 *   R4  what instances print goes to the log sink that the runtime was opened with.
 *   R5  a start with the id of an instance that ended by itself is a restart of it: restarts go on being counted, and
 *       what was in its `empty` volumes is there again. Containers beside the main one are restarted in place.
 *   R6  `tell` hears of an instance that is ready no more, and of one that is so again; whoever sends it requests heeds that.
 */
export interface Runtime {
  start(spec: InstanceSpec, id: string, tell?: TellStatus): Promise<Instance>;
  /** What of this spec cannot be done here; empty when all can. */
  unmet(spec: InstanceSpec): readonly Unmet[];
  close(): Promise<void>;
}
