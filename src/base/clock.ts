import { setTimeout as pause } from 'node:timers/promises';

/** Time comes in from outside: the system's clock, or one that a test moves by hand. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Resolves once nowMs() has reached `dueMs`, or sooner when `signal` aborts; never rejects. */
  until(dueMs: number, signal: AbortSignal): Promise<void>;
}

/** Node fires a timer that is longer than this at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  async until(dueMs, signal) {
    // A timer may fire a little early and the wall clock may jump, so the clock has the last word.
    while (!signal.aborted) {
      const leftMs = dueMs - Date.now();
      if (leftMs <= 0) return;
      await pause(Math.min(leftMs, TIMER_MAX_MS), undefined, { signal }).catch(() => undefined); // rejects on abort
    }
  },
};
