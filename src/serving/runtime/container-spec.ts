/** One container of an instance: what a process is made of. */
export type ContainerSpec = {
  readonly name: string;
  /** By its digest: `name@sha256:…`. */
  readonly image: string;
  /** The folder that the image was unpacked to; read only. */
  readonly directory: string;
  readonly launch: Launch;
  readonly env: Readonly<Record<string, string>>;
  /** Variables that are the id of the instance. */
  readonly idEnv: readonly string[];
  /** Where the program starts; undefined: `directory`. */
  readonly workingDir: string | undefined;
  /** Whether it is the one that answers requests, and is told in PORT where. */
  readonly isServing: boolean;
  /** The port that its manifest names, for a runtime that can give it that one. */
  readonly containerPort: number | undefined;
  /** Undefined: it is ready when it runs. */
  readonly readiness: ProbeSpec | undefined;
  readonly liveness: ProbeSpec | undefined;
  readonly startup: ProbeSpec | undefined;
  readonly mounts: readonly Mount[];
  readonly limits: Limits;
  readonly user: User;
  /** What its manifest asks for and no process is given: each field by its path. */
  readonly unhonoured: readonly string[];
  /** Present: a function that no warm runner can take. */
  readonly ownStart?: OwnStart | undefined;
};

/** What of a function acts only at the start of a process: it gets one of its own. */
export type OwnStart = {
  readonly nodeArgs: readonly string[];
  /** Node's permission model is on: the runtime adds that image and runner may be read. */
  readonly isRestricted: boolean;
  /** Each as the end of "because of …". */
  readonly why: readonly string[];
};

export type Launch =
  /** A Node function: `entry` is a file below `directory`; the function contract is that of docs/contract. */
  | { readonly kind: 'function'; readonly entry: string }
  /** Any program; `command[0]` is looked up in `directory` and on PATH. It is told its port in PORT. */
  | { readonly kind: 'program'; readonly command: readonly string[] }
  /** An image of a container engine; undefined: what the image itself says (Kubernetes: command and args). */
  | {
      readonly kind: 'container';
      readonly command: readonly string[] | undefined;
      readonly args: readonly string[] | undefined;
      /** Absent: as the engine has it. */
      readonly confinement?: Confinement;
    };

/** What a container may do of what others may. */
export type Confinement = {
  readonly mayGainPrivileges: boolean;
  /** Nothing but its volumes can be written. */
  readonly isReadOnly: boolean;
  readonly capabilities: { readonly add: readonly string[]; readonly drop: readonly string[] };
  /** No seccomp profile, not even the engine's own. */
  readonly isUnconfined: boolean;
};

/** core/v1 Probe, with its defaults. */
export type ProbeSpec = {
  readonly action: ProbeAction;
  readonly initialDelayMs: number;
  /** 0: as often as Knative's queue-proxy does until it is ready, and never again. */
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
};

/** A port that is undefined is the one in PORT. */
export type ProbeAction =
  | { readonly kind: 'tcp'; readonly port: number | undefined }
  | {
      readonly kind: 'http';
      readonly port: number | undefined;
      readonly path: string; // with its query
      readonly headers: Readonly<Record<string, string>>;
      readonly isTls: boolean;
    }
  | { readonly kind: 'exec'; readonly command: readonly string[] }
  /** grpc.health.v1. */
  | { readonly kind: 'grpc'; readonly port: number | undefined; readonly service: string };

/** A volume at a path of the container. */
export type Mount = {
  readonly volume: string;
  readonly path: string; // absolute
  readonly subPath: string; // '': all of it
  readonly isReadOnly: boolean;
};

/** Undefined: no bound. */
export type Limits = {
  readonly memoryBytes: number | undefined;
  readonly milliCpus: number | undefined;
  /** What it gets of the CPU beside others when there is not enough for all, in proportion. */
  readonly milliCpusRequested?: number | undefined;
};

/** Who it runs as; undefined: as the platform does. */
export type User = {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly mustNotBeRoot: boolean;
};
