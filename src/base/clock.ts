/** Time comes in from outside: the system's clock, or one that a test moves by hand. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Resolves once nowMs() has reached `dueMs`, or sooner when `signal` aborts; never rejects. */
  until(dueMs: number, signal: AbortSignal): Promise<void>;
}

/** Node fires a timer that is longer than this at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;
/** Two clocks drift apart by less than this in any wait; what is more is a wall clock that somebody has set back. */
const DRIFT_MAX_MS = 1000;

/**
 * A clock that tells the time of `wallMs`, and waits by it: never early, though timers may be, and at once where it jumps
 * ahead. One that is set back makes no wait longer: `monotonicMs` tells then how long it was to be.
 */
export function clockOf(wallMs: () => number, monotonicMs: () => number): Clock {
  return {
    nowMs: wallMs,
    // Not by node:timers/promises, which makes an error with a stack of each wait that is aborted: a third of the time.
    until(dueMs, signal) {
      if (signal.aborted) return Promise.resolve();
      const endMs = monotonicMs() + dueMs - wallMs();
      return new Promise((resolve) => {
        let timer: NodeJS.Timeout | undefined;
        const end = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          resolve();
        };
        const look = (): void => {
          const leftMs = dueMs - wallMs();
          const restMs = endMs - monotonicMs();
          if (leftMs <= 0 || (restMs <= 0 && leftMs > DRIFT_MAX_MS)) end();
          else timer = setTimeout(look, Math.min(leftMs, restMs > 0 ? restMs : leftMs, TIMER_MAX_MS));
        };
        signal.addEventListener('abort', end);
        look();
      });
    },
  };
}

export const systemClock: Clock = clockOf(
  () => Date.now(),
  () => performance.now(),
);
