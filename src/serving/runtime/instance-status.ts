/** How the containers of an instance stand: what its Pod shows. */
export type InstanceStatus = {
  readonly isReady: boolean; // all of `containers` are
  readonly containers: readonly ContainerStatus[];
  readonly initContainers: readonly ContainerStatus[];
};

export type ContainerStatus = {
  readonly name: string;
  readonly state: ContainerState;
  readonly isReady: boolean;
  readonly isStarted: boolean; // its startup probe has succeeded
  readonly restarts: number;
  /** How it ended the last time. */
  readonly last: Terminated | undefined;
};

export type ContainerState =
  | { readonly kind: 'waiting'; readonly reason: string; readonly message?: string } // ContainerCreating, CrashLoopBackOff …
  | { readonly kind: 'running'; readonly startedMs: number }
  | ({ readonly kind: 'terminated' } & Terminated);

export type Terminated = {
  readonly exitCode: number; // 128 + signal, as Kubernetes counts
  readonly reason: 'Completed' | 'Error' | 'OOMKilled';
  readonly message: string; // quotes what it printed last
  readonly startedMs: number;
  readonly finishedMs: number;
};
