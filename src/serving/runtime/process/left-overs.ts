import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** In the environment of every process that one run of the platform starts, and of what those start. */
export const RUN_TOKEN = 'MILLRACE_RUN';

/**
 * Ends every process that an earlier run left, found by its token in their environment (X1); returns how many. A token
 * is surer than a list of process numbers: none can be another's by now, and what was forked away is found as well.
 */
export function endLeftOvers(token: string): number {
  if (!existsSync('/proc/self/environ')) return 0;
  let ended = 0;
  for (const pid of processes()) {
    if (pid === process.pid || !environmentOf(pid).includes(`${RUN_TOKEN}=${token}`)) continue;
    try {
      process.kill(pid, 'SIGKILL');
      ended += 1;
    } catch {
      // ended by itself meanwhile
    }
  }
  return ended;
}

/** The processes of this machine, by number; of Linux only. */
export function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return []; // gone, or another user's
  }
}
