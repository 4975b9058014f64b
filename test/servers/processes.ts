import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const END_MAX_MS = 10_000;

/** Asks these processes to end, and ends those that do not. */
export async function endAll(pids: readonly number[]): Promise<void> {
  for (const pid of pids) signal(pid, 'SIGTERM');
  const untilMs = Date.now() + END_MAX_MS;
  while (pids.some(isRunning) && Date.now() < untilMs) await pause(50);
  for (const pid of pids) signal(pid, 'SIGKILL');
}

export function isRunning(pid: number): boolean {
  return signal(pid, 0);
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false; // it has ended
  }
}

/** A port of loopback that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a listener without a port');
  return address.port;
}
