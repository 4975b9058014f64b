import { readFileSync } from 'node:fs';
import { RUN_TOKEN } from '../process/left-overs.ts';

/** Whether a process of this machine has the token of this run of the platform in its environment. */
export function isOfRun(pid: number, token: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${RUN_TOKEN}=${token}`);
  } catch {
    return false;
  }
}
