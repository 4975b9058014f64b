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
  // Not by node:timers/promises, which makes an error with a stack of each wait that is aborted: a third of the time.
  until(dueMs, signal) {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      // A timer may fire a little early and the wall clock may jump, so the clock has the last word.
      const look = (): void => {
        const leftMs = dueMs - Date.now();
        if (leftMs <= 0) end();
        else timer = setTimeout(look, Math.min(leftMs, TIMER_MAX_MS));
      };
      signal.addEventListener('abort', end);
      look();
    });
  },
};
