import { totalmem } from 'node:os';
import { RUNNER_BYTES, runnersIn, type PoolBounds } from './pool-size.ts';

const MIB = 1024 * 1024;
const MOST_BYTES = 512 * MIB;
const SHARE_OF_MEMORY = 16;
/** At rest; at least one works, the other is for what comes while that is replaced. */
const AT_REST = 2;

/** The bounds of the pool from a bound on its memory: by default a sixteenth of what there is, and no more than 512 MiB. */
export function warmBounds(bytes: number | undefined, memoryBytes: number = memoryHere()): PoolBounds {
  const usual = Math.max(RUNNER_BYTES, Math.min(MOST_BYTES, memoryBytes / SHARE_OF_MEMORY));
  const max = runnersIn(bytes ?? usual);
  return { min: Math.min(AT_REST, max), max };
}

/** Of the machine, or of the control group that the platform is held in. */
function memoryHere(): number {
  const held = process.constrainedMemory();
  return held > 0 ? Math.min(held, totalmem()) : totalmem();
}
