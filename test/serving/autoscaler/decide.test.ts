import { describe, expect, it } from 'vitest';
import { CALM, decideScale, type Observed } from '../../../src/serving/autoscaler/decide.ts';
import { Window } from '../../../src/serving/autoscaler/window.ts';
import type { ScalePlan } from '../../../src/serving/plan.ts';
import { SCALE } from '../../kit/small-platform.ts';

const plan = (changes: Partial<ScalePlan> = {}): ScalePlan => ({ ...SCALE, target: 10, ...changes });
const seen = (stable: number, panic: number, ready: number, nowMs = 0): Observed => ({
  stable,
  panic,
  ready,
  nowMs,
});
const scaleOf = (changes: Partial<ScalePlan>, observed: Observed): number | undefined =>
  decideScale(plan(changes), CALM, observed)?.scale;

describe('the decision (KPA)', () => {
  it.each<[string, Partial<ScalePlan>, Observed, number]>([
    ['as many as the stable mean needs', {}, seen(35, 35, 3), 4],
    ['zero without traffic', {}, seen(0, 0, 1), 0],
    ['one while any traffic is in the window', {}, seen(0.01, 0, 1), 1],
    ['no faster down than by half', {}, seen(10, 10, 8), 4],
    ['no faster up than the rate', { maxScaleUpRate: 2 }, seen(1000, 1000, 3), 6],
    ['at least minScale', { minScale: 3 }, seen(0, 0, 1), 3],
    ['at most maxScale', { maxScale: 2 }, seen(100, 100, 2), 2],
    ['at least activationScale when there is any', { activationScale: 3 }, seen(5, 5, 1), 3],
    ['one when scaling to zero is off', { isScaledToZero: false }, seen(0, 0, 1), 1],
    ['the panic mean, once it is twice over', {}, seen(10, 50, 2), 5],
    ['the stable mean, below the panic threshold', {}, seen(10, 15, 2), 1],
  ])('%s', (_, changes, observed, scale) => {
    expect(scaleOf(changes, observed)).toBe(scale);
  });

  it('decides nothing without data: unknown is not zero', () => {
    expect(
      decideScale(plan(), CALM, { stable: undefined, panic: undefined, ready: 1, nowMs: 0 }),
    ).toBeUndefined();
  });

  it('never goes down while it panics, and calms down a stable window after it was last over', () => {
    const first = decideScale(plan(), CALM, seen(50, 50, 1, 0));
    expect(first?.scale).toBe(5);
    const later = decideScale(plan(), first?.state ?? CALM, seen(10, 10, 5, 60_000));
    expect(later?.scale).toBe(5);
    expect(decideScale(plan(), later?.state ?? CALM, seen(10, 10, 5, 60_001))?.scale).toBe(2);
  });

  it('holds the highest decision of the scale-down delay', () => {
    const delayed = plan({ scaleDownDelayMs: 10_000 });
    const high = decideScale(delayed, CALM, seen(40, 40, 4, 0));
    const low = decideScale(delayed, high?.state ?? CALM, seen(0, 0, 4, 9000));
    expect(low?.scale).toBe(4);
    expect(decideScale(delayed, low?.state ?? CALM, seen(0, 0, 4, 10_001))?.scale).toBe(2);
  });
});

describe('the window', () => {
  it('is the mean of its filled part, and forgets what is older', () => {
    const window = new Window(3000);
    expect(window.mean(3000, 'linear')).toBeUndefined();
    for (const value of [9, 1, 2, 3]) window.record(value);
    expect(window.mean(3000, 'linear')).toBe(2);
    expect(window.mean(1000, 'linear')).toBe(3);
  });

  it('lets newer values count more when weighted', () => {
    const window = new Window(10_000);
    for (const value of [0, 0, 0, 10]) window.record(value);
    expect(window.mean(10_000, 'weighted-exponential')).toBeGreaterThan(5);
  });
});
