import type { Started, UpOptions } from '../cli/up.ts';

/** Where a listener is; port 0 means any free one. */
export type Address = UpOptions['gateway'];
/** What a platform is started with: what `up` has flags for. */
export type PlatformOptions = UpOptions;
/** A platform that is up. `failed` resolves with the error when it cannot go on: a failed log. */
export type RunningPlatform = Started;
export type Endpoints = Started['endpoints'];
export type StartPlatform = (options: PlatformOptions) => Promise<RunningPlatform>;
