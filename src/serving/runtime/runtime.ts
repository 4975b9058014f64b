/** What one instance is to run, of a revision or of a program; everything is resolved: no references, no images to look up. */
export type InstanceSpec = {
  readonly namespace: string;
  readonly revision: string; // or the Deployment, of a program
  readonly service: string | undefined; // K_SERVICE; undefined: a program, which answers no requests
  readonly configuration: string | undefined; // K_CONFIGURATION
  /** The folder that the image was unpacked to; read only. */
  readonly directory: string;
  readonly launch: Launch;
  readonly env: Readonly<Record<string, string>>;
  /** Where the program starts; undefined: `directory`. */
  readonly workingDir: string | undefined;
  /** An instance that is not ready by then has failed. */
  readonly readyTimeoutMs: number;
  readonly probe: ReadinessProbe;
};

export type Launch =
  /** A Node function: `entry` is a file below `directory`; the function contract is that of docs/contract. */
  | { readonly kind: 'function'; readonly entry: string }
  /** Any program; `command[0]` is looked up in `directory` and on PATH. It is told its port in PORT. */
  | { readonly kind: 'program'; readonly command: readonly string[] };

/** Knative's default is `tcp`: the port is tried until it accepts. A function reports ready by itself. */
export type ReadinessProbe =
  | { readonly kind: 'tcp' }
  | { readonly kind: 'http'; readonly path: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'exec'; readonly command: readonly string[] }
  /** It answers nobody: it is ready when it runs. */
  | { readonly kind: 'none' };

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
  readonly pid: number;
  /** Where it answers: always loopback. */
  readonly port: number;
  /** Milliseconds since the epoch: a process had the code; it reported ready. */
  readonly startedMs: number;
  readonly readyMs: number;
  /** Resolves when the process is gone, whatever the cause; never rejects. */
  readonly ended: Promise<Ended>;
  /** SIGTERM, then SIGKILL for the whole process group after `graceMs`; resolves when it is gone. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts instances: as local processes, later as containers and Pods.
 *   R1  start() resolves once the instance is ready to answer, and not before.
 *   R2  it rejects with a PlatformError whose code is the reason a Revision's condition shows (`ExitCode1`,
 *       `ContainerCannotRun`, `PortNotOpened`, `ProbeFailed`, `DeadlineExceeded`, `FunctionInvalid`) and whose message
 *       says what to mend, the last lines of output included; nothing of the failed instance keeps running.
 *   R3  close() ends every instance; no process outlives the platform, not even a killed one.
 *   R4  what instances print goes to the log sink that the runtime was opened with.
 */
export interface Runtime {
  start(spec: InstanceSpec, id: string): Promise<Instance>;
  close(): Promise<void>;
}
