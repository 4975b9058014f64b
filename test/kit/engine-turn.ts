import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isRunning } from '../servers/processes.ts';

/** A file that takes its turn may have to wait for others. */
export const TURN_MAX_MS = 240_000;

/**
 * The engine's network has one address of this machine, and that has one port 53 and one port 80: of platforms that run
 * containers with the same engine, one at a time has names in them. There is one port, too, at which the engine believes a
 * registry. Gives the turn back.
 */
export async function engineTurn(socket: string): Promise<() => void> {
  const lock = join(dirname(socket), 'turn');
  const untilMs = Date.now() + TURN_MAX_MS;
  while (!taken(lock)) {
    const holder = holderOf(lock);
    if (holder !== undefined && !isRunning(holder)) rmSync(lock, { force: true });
    if (Date.now() > untilMs) throw new Error(`process ${holder} has not given its turn back`);
    await pause(100);
  }
  return () => rmSync(lock, { force: true });
}

function taken(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

function holderOf(lock: string): number | undefined {
  try {
    return Number(readFileSync(lock, 'utf8')) || undefined;
  } catch {
    return undefined; // just given back
  }
}
