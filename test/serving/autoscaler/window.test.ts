import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Window } from '../../../src/serving/autoscaler/window.ts';

function filled(windowMs: number, values: readonly number[]): Window {
  const window = new Window(windowMs);
  for (const value of values) window.record(value);
  return window;
}

describe('a window of one second buckets', () => {
  it('knows nothing before its first value', () => {
    expect(new Window(6000).mean(6000, 'linear')).toBeUndefined();
    expect(new Window(6000).mean(6000, 'weighted-exponential')).toBeUndefined();
  });

  it('is the mean of its filled part, and forgets what is older', () => {
    const window = filled(3000, [9, 1, 2, 3]);
    expect([window.mean(3000, 'linear'), window.mean(1000, 'linear')]).toEqual([2, 3]);
  });

  it('has one more bucket for a broken second', () => {
    expect(filled(2500, [1, 2, 3]).mean(2500, 'linear')).toBe(2);
  });

  it('cuts to six digits', () => {
    expect(filled(3000, [1, 0, 0]).mean(3000, 'linear')).toBe(0.333333);
  });

  it('counts a value for all the seconds that it held, never for more than there are', () => {
    const window = filled(4000, [8]);
    window.record(0, 3);
    expect(window.mean(4000, 'linear')).toBe(2);
    window.record(5, 1e9);
    expect(window.mean(4000, 'linear')).toBe(5);
  });

  it('keeps the newest values when its length changes', () => {
    const window = filled(6000, [6, 5, 4, 3, 2, 1]);
    window.resize(2000);
    expect([window.windowMs, window.mean(2000, 'linear')]).toEqual([2000, 1.5]);
    window.resize(4000);
    window.record(9);
    expect(window.mean(4000, 'linear')).toBe(4);
  });

  // pkg/autoscaler/aggregation: 1 - (1 - 0.9999)^(1/n), at least 0.2; the weights of all seconds make 0.9999.
  it.each([
    [5, 0.841511],
    [6, 0.784557],
    [60, 0.2],
  ])('weighs the newest of %i seconds with %d', (seconds, coefficient) => {
    expect(filled(seconds * 1000, [1]).mean(seconds * 1000, 'weighted-exponential')).toBeCloseTo(
      coefficient,
      5,
    );
  });

  it('weighs each older second by what the newer leave', () => {
    // 0.2 × (5 + 0.8 × 5 + 0.64 × 10 + 0.512 × 10)
    expect(filled(60_000, [10, 10, 5, 5]).mean(60_000, 'weighted-exponential')).toBeCloseTo(4.104, 10);
  });

  it('is a mean of its values, whatever they are', () => {
    const loads = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 90 });
    fc.assert(
      fc.property(loads, fc.integer({ min: 1, max: 60 }), (values, seconds) => {
        const newest = values.slice(-seconds);
        const mean = newest.reduce((sum, value) => sum + value, 0) / newest.length;
        const window = filled(60_000, values);
        expect(window.mean(seconds * 1000, 'linear')).toBeCloseTo(mean, 5);
        expect(window.mean(seconds * 1000, 'weighted-exponential')).toBeLessThanOrEqual(Math.max(...newest));
      }),
    );
  });
});
