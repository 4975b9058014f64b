import type { PlatformOptions, RunningPlatform } from '../../src/platform/options.ts';
import { startPlatform } from '../../src/platform/start.ts';
import { RUNNER_BYTES } from '../../src/serving/runtime/process/pool-size.ts';

const ANY = { host: '127.0.0.1', port: 0 };

/** A whole platform in this process, on a folder and on free ports. */
export function openPlatform(dataDir: string, more: Partial<PlatformOptions> = {}): Promise<RunningPlatform> {
  return startPlatform({
    dataDir,
    gateway: ANY,
    events: ANY,
    dashboard: ANY,
    api: ANY,
    domain: 'localhost',
    publicUrl: undefined,
    logFormat: 'text',
    drainMs: 2000,
    maxEventBytes: 1024 * 1024,
    maxBacklogBytes: undefined,
    maxInflightBytes: 64 * 1024 * 1024,
    tailCacheBytes: undefined,
    acceptLoss: false,
    maxInstances: undefined,
    warmBytes: RUNNER_BYTES,
    kafka: undefined,
    rabbitmq: undefined,
    pubsubProject: undefined,
    ...more,
  });
}
