import { setTimeout as pause } from 'node:timers/promises';

const WITHIN_MS = 2000;
const EVERY_MS = 25;

/** Whether an address is that of a container of this run (container/ways-out.ts, O1); one may connect before its address is known here. */
export async function isKnown(address: string, isOurs: (address: string) => boolean): Promise<boolean> {
  const untilMs = Date.now() + WITHIN_MS;
  while (!isOurs(address)) {
    if (Date.now() > untilMs) return false;
    await pause(EVERY_MS);
  }
  return true;
}
