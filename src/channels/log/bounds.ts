import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** What the log may take; contract.md, "Defaults and knobs", has the defaults and who sets them. */
export type LogBounds = {
  readonly eventBytesMax: number;
  readonly backlogBytesMax: number; // owed, over all channels
  readonly groupBacklogBytesMax: number;
  readonly tailCacheBytes: number;
  readonly deadLettersMax: number;
  readonly deadBytesMax: number;
  readonly journalBytesMax: number;
  /** What everybody has settled is kept this long for `start: earliest`, and no more than so many bytes in all. */
  readonly keepMs: number;
  readonly keepBytes: number;
};

const MIB = 1024 * 1024;
const BACKLOG_BYTES_MAX = 10 * 1024 * MIB;
const DISK_PART = 0.8;

/** The bounds of a log in `file`: what is not given is the default, the owed backlog never more than the disk allows. */
export function boundsFor(file: string, given: Partial<LogBounds> = {}): LogBounds {
  const { bsize, blocks } = statfsSync(dirname(file));
  const backlogBytesMax = given.backlogBytesMax ?? Math.min(BACKLOG_BYTES_MAX, bsize * blocks * DISK_PART);
  return {
    eventBytesMax: 32 * MIB,
    groupBacklogBytesMax: backlogBytesMax / 4,
    tailCacheBytes: 64 * MIB,
    deadLettersMax: 100_000,
    deadBytesMax: 1024 * MIB,
    journalBytesMax: 64 * MIB,
    keepMs: 3_600_000,
    keepBytes: 1024 * MIB,
    ...given,
    backlogBytesMax,
  };
}
