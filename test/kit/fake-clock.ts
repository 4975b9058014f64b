import type { Clock } from '../../src/base/clock.ts';

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  readonly #sleepers = new Set<{ readonly dueMs: number; readonly wake: () => void }>();
  #nowMs: number;

  constructor(startMs = Date.UTC(2030, 0, 1)) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** How many wait for it: a claim about timers. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  async until(dueMs: number, signal: AbortSignal): Promise<void> {
    if (dueMs <= this.#nowMs || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const sleeper = { dueMs, wake };
    this.#sleepers.add(sleeper);
    signal.addEventListener('abort', wake, { once: true });
    await promise;
    signal.removeEventListener('abort', wake);
    this.#sleepers.delete(sleeper);
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const { dueMs, wake } of this.#sleepers) if (dueMs <= this.#nowMs) wake();
  }
}
