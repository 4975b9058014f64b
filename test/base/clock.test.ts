import { expect, it } from 'vitest';
import { clockOf, systemClock } from '../../src/base/clock.ts';
import { FakeClock } from '../kit/fake-clock.ts';

it('the system clock is never early', async () => {
  const dueMs = systemClock.nowMs() + 15;
  await systemClock.until(dueMs, new AbortController().signal);
  expect(systemClock.nowMs()).toBeGreaterThanOrEqual(dueMs);
});

it('a wait ends when its signal aborts, even one far beyond the longest timer of Node', async () => {
  const abort = new AbortController();
  const waiting = systemClock.until(systemClock.nowMs() + 2 ** 40, abort.signal);
  abort.abort();
  await expect(waiting).resolves.toBeUndefined();
});

it('a wait is no longer when somebody sets the clock back, and over when it is set past its end', async () => {
  const never = new AbortController().signal;
  let setByMs = 0;
  const clock = clockOf(
    () => Date.now() + setByMs,
    () => performance.now(),
  );
  const waiting = clock.until(clock.nowMs() + 15, never);
  setByMs = -3_600_000;
  await waiting; // or the test times out
  const long = clock.until(clock.nowMs() + 50, never);
  setByMs = 0;
  await long;
  expect(clock.nowMs()).toBeGreaterThan(Date.now() - 1000);
});

it('the clock of the tests wakes those who are due, and no others', async () => {
  const clock = new FakeClock();
  const woken: string[] = [];
  const never = new AbortController().signal;
  void clock.until(clock.nowMs() + 10, never).then(() => woken.push('short'));
  void clock.until(clock.nowMs() + 20, never).then(() => woken.push('long'));
  clock.advance(10);
  await expect.poll(() => woken).toEqual(['short']);
  clock.advance(10);
  await expect.poll(() => woken).toEqual(['short', 'long']);
});
