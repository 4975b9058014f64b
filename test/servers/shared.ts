import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../../src/base/errors.ts';
import type { ServerKind } from './server.ts';

export type SharedServer =
  | { readonly kind: 'running'; readonly address: string }
  | { readonly kind: 'missing'; readonly reason: string };

export const SERVERS_FOLDER = 'MILLRACE_TEST_SERVERS';
const START_MAX_MS = 1_200_000; // an install of its packages included, or a build

/**
 * One server of a kind for the whole run, started by whichever test file needs it first and ended by the run's teardown.
 * Tests keep apart by names: each makes its own topics and queues. What stops or breaks a server starts one of its own.
 */
export async function sharedServer(server: ServerKind): Promise<SharedServer> {
  const address = process.env[server.variable];
  if (address !== undefined && address !== '') return { kind: 'running', address };
  const folder = process.env[SERVERS_FOLDER];
  if (folder === undefined) return { kind: 'missing', reason: 'the run has no folder for servers' };
  const told = join(folder, `${server.name}.json`);
  if (isFirst(join(folder, server.name))) tell(told, await startIn(server, join(folder, server.name)));
  const untilMs = Date.now() + START_MAX_MS;
  while (!existsSync(told)) {
    if (Date.now() > untilMs) return { kind: 'missing', reason: `${server.name} did not start in time` };
    await pause(100);
  }
  return JSON.parse(readFileSync(told, 'utf8')) as SharedServer; // written by tell()
}

async function startIn(
  server: ServerKind,
  folder: string,
): Promise<SharedServer & { pids?: readonly number[] }> {
  try {
    const reason = await server.prepare();
    if (reason !== undefined) return { kind: 'missing', reason };
    return { kind: 'running', ...(await server.start(folder)) };
  } catch (error) {
    return { kind: 'missing', reason: `${server.name} could not be started: ${messageOf(error)}` };
  }
}

function isFirst(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

function tell(file: string, told: unknown): void {
  writeFileSync(`${file}.new`, JSON.stringify(told));
  renameSync(`${file}.new`, file);
}
