import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { within } from '../../src/base/within.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const late = (): Error => new Error('no answer');

it('passes on what the work comes to, and leaves no timer behind', async () => {
  expect(await within(1000, Promise.resolve(7), late)).toBe(7);
  await expect(within(1000, Promise.reject(new Error('broken')), late)).rejects.toThrow('broken');
  expect(vi.getTimerCount()).toBe(0);
});

it('rejects once the work has taken too long, and minds nothing that it does later', async () => {
  const work = Promise.withResolvers<number>();
  const waiting = expect(within(1000, work.promise, late)).rejects.toThrow('no answer');
  await vi.advanceTimersByTimeAsync(1000);
  await waiting;
  work.reject(new Error('later')); // an unhandled rejection would fail the run
  await vi.advanceTimersByTimeAsync(1);
  expect(vi.getTimerCount()).toBe(0);
});
