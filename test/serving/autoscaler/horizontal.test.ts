import { describe, expect, it } from 'vitest';
import {
  decideHorizontal,
  type HorizontalPlan,
  type HorizontalState,
  type Measured,
} from '../../../src/serving/autoscaler/horizontal.ts';

const CPU: HorizontalPlan = {
  resource: 'cpu',
  target: 50,
  requested: 1,
  minScale: 1,
  maxScale: 0,
  downWindowMs: 300_000,
  upWindowMs: 0,
};
const MEMORY: HorizontalPlan = { ...CPU, resource: 'memory', target: 100 };

const measured = (values: readonly number[], more: Partial<Measured> = {}): Measured => ({
  values,
  missing: 0,
  current: values.length,
  nowMs: 0,
  ...more,
});
const scaleOf = (plan: HorizontalPlan, seen: Measured, state: HorizontalState = []): number =>
  decideHorizontal(plan, state, seen).scale;

describe('the decision by what processes use (HPA)', () => {
  it.each<[string, HorizontalPlan, Measured, number]>([
    ['twice the target is twice as many', CPU, measured([1, 1, 1]), 6],
    ['a mean over all counts', CPU, measured([1.5, 0, 0.9]), 5],
    ['up to a tenth above changes nothing', CPU, measured([0.54, 0.54]), 2],
    ['more than a tenth above does', CPU, measured([0.56, 0.56]), 3],
    ['up to a tenth below changes nothing', CPU, measured([0.45, 0.45]), 2],
    ['half the target is half as many', CPU, measured([0.25, 0.25, 0.25, 0.25]), 2],
    ['idle is one: it never goes to zero', CPU, measured([0, 0, 0]), 1],
    ['a part of what was requested is what counts', { ...CPU, requested: 0.5 }, measured([0.5, 0.5]), 4],
    ['a percentage is a whole number', { ...CPU, target: 8 }, measured([0.089]), 1],
    ['memory by bytes', MEMORY, measured([250, 150]), 4],
    ['at least minScale', { ...CPU, minScale: 3 }, measured([0]), 3],
    ['at most maxScale', { ...CPU, maxScale: 4 }, measured([1, 1, 1]), 4],
    ['at most four at once from one', CPU, measured([9]), 4],
    ['at most twice as many at once from more', CPU, measured([9, 9, 9]), 6],
    ['nothing measured changes nothing', CPU, measured([], { current: 3, missing: 3 }), 3],
    ['an unmeasured one is idle on the way up', CPU, measured([1, 1], { missing: 2, current: 4 }), 4],
    ['and full on the way down', CPU, measured([0.1, 0.1], { missing: 1, current: 3 }), 3],
    ['which may still go down', CPU, measured([0, 0, 0, 0, 0], { missing: 1, current: 6 }), 2],
    [
      'an unmeasured one is at its target on the way down, by memory',
      MEMORY,
      measured([10, 10], { missing: 1, current: 3 }),
      2,
    ],
  ])('%s', (_, plan, seen, scale) => {
    expect(scaleOf(plan, seen)).toBe(scale);
  });

  it('goes down only after five minutes of less, to the most that was asked for in them', () => {
    let state: HorizontalState = [];
    const at = (minute: number, load: number, current: number): number => {
      const values = Array.from({ length: current }, () => load / current);
      const decision = decideHorizontal(CPU, state, measured(values, { nowMs: minute * 60_000 }));
      state = decision.state;
      return decision.scale;
    };
    expect(at(0, 2, 4)).toBe(4);
    expect(at(1, 1, 4)).toBe(4);
    expect(at(2, 0, 4)).toBe(4);
    expect(at(5, 0, 4)).toBe(2); // the 4 is five minutes old
    expect(at(6, 0, 2)).toBe(1);
  });

  it('waits as long in both directions as the window says, when there is one', () => {
    const plan = { ...CPU, upWindowMs: 30_000, downWindowMs: 30_000 };
    const calm = decideHorizontal(plan, [], measured([0.5], { nowMs: 0 }));
    const first = decideHorizontal(plan, calm.state, measured([1], { nowMs: 15_000 }));
    expect(first.scale).toBe(1);
    expect(scaleOf(plan, measured([1], { nowMs: 31_000 }), first.state)).toBe(2);
  });

  it('remembers no more than its windows', () => {
    let state: HorizontalState = [];
    for (let second = 0; second < 7200; second += 15)
      state = decideHorizontal(CPU, state, measured([0.5], { nowMs: second * 1000 })).state;
    expect(state).toHaveLength(20);
  });
});
