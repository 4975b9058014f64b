/**
 * How long a message waits in each waiting queue. One time for a whole queue, so that what came first is due first and
 * nothing stands behind a longer wait. A step of four: a subscription that fails for long has seven queues more, not
 * fourteen, and what is not exactly one rung climbs a few. The longest is well below the half hour after which RabbitMQ
 * closes a channel that has a message in hand.
 */
export const LADDER_MS: readonly number[] = [100, 400, 1600, 6400, 25_600, 102_400, 409_600];
/** What is shorter waits in memory, the copy kept in the broker all the while. */
export const HOLD_MAX_MS = 75;

const LATE_MAX_MS = 25;
/** Of what is left: a rung this much too long spares a climb. */
const LATE_PART = 1 / 16;

/**
 * Which rung a message that is due in `leftMs` goes to next; undefined: it is as good as due. Never one that brings it back
 * later than due by more than 25 ms or a sixteenth; what comes back early is sent on.
 */
export function rungFor(leftMs: number): number | undefined {
  if (leftMs <= HOLD_MAX_MS) return undefined;
  const lateMs = Math.max(LATE_MAX_MS, leftMs * LATE_PART);
  return Math.max(
    0,
    LADDER_MS.findLastIndex((ms) => ms <= leftMs + lateMs),
  );
}
