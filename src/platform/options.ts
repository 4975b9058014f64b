/** Where a listener is; port 0 means any free one. */
export type Address = { readonly host: string; readonly port: number };

export type PlatformOptions = {
  readonly dataDir: string;
  readonly gateway: Address;
  readonly events: Address;
  readonly dashboard: Address;
  readonly api: Address;
  readonly domain: string;
  /** What is told to GitHub and written to `status.url`, when the platform is reached by another address. */
  readonly publicUrl: string | undefined;
  readonly logFormat: 'text' | 'json';
  readonly drainMs: number;
  readonly maxEventBytes: number;
  readonly maxBacklogBytes: number | undefined;
  readonly maxInflightBytes: number;
  readonly tailCacheBytes: number | undefined;
  readonly acceptLoss: boolean;
  readonly warmRunners: number;
};

export type Endpoints = {
  readonly api: string;
  readonly gateway: string;
  readonly events: string;
  readonly dashboard: string;
};

/** A platform that is up. */
export interface RunningPlatform {
  readonly endpoints: Endpoints;
  readonly kubeconfig: string;
  readonly readyInMs: number;
  /** What a user should know although nothing failed: a name that does not resolve, a default that was changed. */
  readonly notes: readonly string[];
  /** Resolves with the error when it cannot go on: a failed log. */
  readonly failed: Promise<Error>;
  /** Drains, then stops; twice is as good as once. */
  close(drainMs?: number): Promise<void>;
}

export type StartPlatform = (options: PlatformOptions) => Promise<RunningPlatform>;
