import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../base/errors.ts';

/** The format of a data folder; databases carry their own beside it. */
const FORMAT = 1;

export type Running = { readonly pid: number; readonly started: string };

/**
 * Takes a data folder for this process, making it when it is new. Rejects with DATA_DIR_TAKEN when a process that lives
 * holds it, and with FORMAT_NEWER, changing nothing, when a newer version wrote it. Returns how to let go of it.
 */
export function takeDataDir(folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const versionFile = join(folder, 'VERSION');
  if (existsSync(versionFile)) {
    const written = readFileSync(versionFile, 'utf8').trim();
    const format = Number(written); // an empty file, which a crash can leave, is older than any
    if (!Number.isInteger(format) || format > FORMAT)
      throw new PlatformError(
        'FORMAT_NEWER',
        `${folder} has format ${written}, which is newer than ${FORMAT}, the newest that this version knows`,
        { retryable: false },
      );
  }
  const lock = join(folder, 'lock');
  claim(lock, folder);
  chmodSync(folder, 0o700);
  writeFileSync(versionFile, `${FORMAT}\n`);
  return () => rmSync(lock, { force: true });
}

function claim(lock: string, folder: string): void {
  const own: Running = { pid: process.pid, started: startOf(process.pid) ?? '' };
  for (let tries = 0; tries < 3; tries += 1) {
    try {
      writeFileSync(lock, JSON.stringify(own), { flag: 'wx', mode: 0o600 });
      return;
    } catch {
      const holder = readHolder(lock);
      if (holder !== undefined && isAlive(holder)) {
        throw new PlatformError(
          'DATA_DIR_TAKEN',
          `${folder} is held by the platform with pid ${holder.pid}`,
          { retryable: false },
        );
      }
      rmSync(lock, { force: true }); // whoever held it is gone
    }
  }
  throw new PlatformError('DATA_DIR_TAKEN', `${folder} cannot be locked`, { retryable: false });
}

function readHolder(lock: string): Running | undefined {
  try {
    return JSON.parse(readFileSync(lock, 'utf8')) as Running; // written above
  } catch {
    return undefined;
  }
}

/** A pid alone may be another process's by now; with its start time it is one and the same. */
function isAlive({ pid, started }: Running): boolean {
  const now = startOf(pid);
  if (now !== undefined) return now === started;
  try {
    return process.kill(pid, 0) && !existsSync('/proc/self/stat');
  } catch {
    return false;
  }
}

/**
 * When a process was started, in clock ticks since boot; undefined where /proc does not tell, and of one that has ended and
 * that nobody has waited for, which in a container may be for ever.
 */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const hasEnded = fields[0] === 'Z' && readdirSync(`/proc/${pid}/task`).length < 2;
    return hasEnded ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** What runs here, for the command line; replaced in one step. */
export function writeRunFile(folder: string, run: unknown): void {
  const file = join(folder, 'run.json');
  writeFileSync(`${file}.new`, `${JSON.stringify(run, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function removeRunFile(folder: string): void {
  rmSync(join(folder, 'run.json'), { force: true });
}
