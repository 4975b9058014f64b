/** The argument of a runner that somebody waits for: it neither tries itself out nor keeps what it has compiled. */
export const WANTED = 'wanted';

/** What a runner is told, once; over the IPC channel of node:child_process. SIGTERM tells it to stop. */
export type ToRunner = {
  readonly kind: 'load';
  readonly entry: string; // absolute
  readonly workingDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly routes: readonly HostRoute[];
  /** Only to find out whether it loads: `init` is not called. */
  readonly isTrial: boolean;
};

export type FromRunner =
  /** Warm: its server listens on `port`, and one event has gone through it. */
  | { readonly kind: 'idle'; readonly port: number }
  /** It has been handed a function and begins to import it. */
  | { readonly kind: 'started' }
  /** `loadedMs`: since the epoch, when its import had come to its end. */
  | { readonly kind: 'ready'; readonly loadedMs: number }
  /** The function cannot be used; the runner ends. */
  | { readonly kind: 'invalid'; readonly reason: string };

/** Host names that one of our own listeners answers for: a connection to any of them goes there. */
export type HostRoute = {
  readonly suffix: string; // with its leading dot
  readonly host: string;
  readonly port: number;
  /** Only connections to these ports; absent: to any. */
  readonly ports?: readonly number[];
};
