/** What a runner is told, and what it says; over the IPC channel of node:child_process. */
export type ToRunner =
  | {
      readonly kind: 'load';
      readonly entry: string;
      readonly directory: string;
      readonly env: Readonly<Record<string, string>>;
      readonly routes: readonly HostRoute[];
    }
  | { readonly kind: 'stop'; readonly graceMs: number };

export type FromRunner =
  /** Warm: its server listens on `port`, and one event has gone through it. */
  | { readonly kind: 'idle'; readonly port: number }
  /** It has been handed a function and begins to import it. */
  | { readonly kind: 'started' }
  | { readonly kind: 'ready' }
  /** The function cannot be used; the runner ends. */
  | { readonly kind: 'invalid'; readonly reason: string };

/** Host names that one of our own listeners answers for: a connection to any of them goes there. */
export type HostRoute = { readonly suffix: string; readonly host: string; readonly port: number };
