import { expect, it } from 'vitest';
import { backoffDelayMs, growingPauseMs } from '../../src/base/backoff.ts';

const delaysMs = (policy: 'linear' | 'exponential', delayMs: number, maxMs?: number): number[] =>
  [0, 1, 2, 3].map((retry) => backoffDelayMs({ policy, delayMs, maxMs }, retry));

it('exponential doubles from the delay itself, as upstream computes it', () => {
  expect(delaysMs('exponential', 200)).toEqual([200, 400, 800, 1600]);
});

it('linear retries at once first, as upstream computes it', () => {
  expect(delaysMs('linear', 200)).toEqual([0, 200, 400, 600]);
});

it('backoffMax caps what is computed', () => {
  expect(delaysMs('exponential', 200, 500)).toEqual([200, 400, 500, 500]);
});

it('never exceeds a day, however many retries', () => {
  expect(backoffDelayMs({ policy: 'exponential', delayMs: 1000 }, 2000)).toBe(86_400_000);
});

it('a pause doubles up to its bound, and at most half of it is chance', () => {
  const bounds = { firstMs: 100, maxMs: 2000 };
  const pauses = (random: number) => [0, 1, 2, 5, 50].map((n) => growingPauseMs(n, bounds, () => random));
  expect(pauses(1)).toEqual([100, 200, 400, 2000, 2000]);
  expect(pauses(0)).toEqual([50, 100, 200, 1000, 1000]);
});
