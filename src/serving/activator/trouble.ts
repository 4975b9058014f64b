import { backoffDelayMs } from '../../base/backoff.ts';
import { exitCodeOf } from '../runtime/exit-code.ts';
import type { Ended } from '../runtime/runtime.ts';

/** What went wrong with the instances of a revision, how often in a row, and until when no other is started. */
export type Trouble = {
  /** An instance did not become ready, had been ready and ended by itself, or may not start: there are too many. */
  readonly kind: 'start' | 'crash' | 'room';
  readonly code: string; // as a Revision's condition shows it
  readonly reason: string;
  readonly count: number;
  readonly untilMs: number;
};

type Failure = Pick<Trouble, 'kind' | 'code' | 'reason'> & { readonly livedMs?: number };

const PAUSE = { policy: 'exponential', delayMs: 1000, maxMs: 60_000 } as const;
/** An instance that lived this long has not failed in a row. */
const STEADY_MS = 60_000;

/** The first failure is followed by another try at once, the next by pauses of 1 s, 2 s, 4 s … up to a minute. */
export function troubleAfter(
  before: Trouble | undefined,
  { livedMs = 0, ...failure }: Failure,
  nowMs: number,
): Trouble {
  const count = livedMs >= STEADY_MS ? 1 : (before?.count ?? 0) + 1;
  const pauseMs = count === 1 ? 0 : backoffDelayMs(PAUSE, count - 2);
  return { ...failure, count, untilMs: nowMs + pauseMs };
}

/** There are as many instances as there may be; the revision's requests wait until others have gone. */
export function noBerth(max: number): Trouble {
  const reason = `the platform may run ${max} instances, of which one revision gets no more than are still free: let other services scale down, give them a max-scale, or raise \`millrace up --max-instances\``;
  return { kind: 'room', code: 'TooManyInstances', reason, count: 1, untilMs: 0 };
}

/** The failure of what had been ready and ended by itself. */
export function crashOf(ended: Ended, livedMs: number): Failure {
  return { kind: 'crash', code: `ExitCode${exitCodeOf(ended)}`, reason: ended.reason, livedMs };
}

/** SIGKILL and SIGTERM before it was ready are somebody's doing (an operator, a kernel out of memory), not the program's own. */
export function wasKilled({ kind, code }: Pick<Trouble, 'kind' | 'code'>): boolean {
  return kind === 'start' && (code === 'ExitCode137' || code === 'ExitCode143');
}
