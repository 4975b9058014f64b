import { describe, expect, it } from 'vitest';
import {
  decideScale,
  initialState,
  type Decision,
  type Observed,
  type ScaleState,
} from '../../../src/serving/autoscaler/decide.ts';
import type { ScalePlan } from '../../../src/serving/plan.ts';
import { SCALE } from '../../kit/small-platform.ts';

const CALM = initialState(0, 0);

/** As upstream's own tests have it: ten times up or down at once, 75 % of what an instance takes. */
const plan = (changes: Partial<ScalePlan> = {}): ScalePlan => {
  const target = changes.target ?? 10;
  return { ...SCALE, target, total: target / 0.75, maxScaleUpRate: 10, maxScaleDownRate: 10, ...changes };
};
const seen = (stable: number, panic: number, ready = 1, nowMs = 0): Observed => ({
  stable,
  panic,
  ready,
  nowMs,
});
function decide(changes: Partial<ScalePlan>, observed: Observed, state: ScaleState = CALM): Decision {
  const decision = decideScale(plan(changes), state, observed);
  if (decision === undefined) throw new Error('nothing was decided');
  return decision;
}
const panicking = (scale: number): ScaleState => ({ panicSinceMs: 0, panicScale: scale, decisions: [] });

describe('the decision (KPA), by upstream’s own cases', () => {
  it.each<[string, Partial<ScalePlan>, Observed, number, ScaleState?]>([
    ['no traffic is zero', {}, seen(0, 0), 0],
    ['any traffic in the window is one', {}, seen(1, 0), 1],
    ['below the target is one', { target: 181, burstCapacity: -1 }, seen(21, 26), 1],
    ['as many as the stable mean needs', {}, seen(50, 10), 5],
    ['as many again', {}, seen(100, 10), 10],
    ['no change when it has them already', {}, seen(50, 50, 5), 5],
    ['fewer when fewer do', {}, seen(50, 50, 8), 5],
    ['the panic mean, once it is twice over', {}, seen(50, 100), 10],
    ['the larger mean in panic: the stable one', { target: 1 }, seen(50, 30, 5, 5000), 50, panicking(5)],
    ['the larger mean in panic: the other', { target: 1 }, seen(20, 30, 5, 5000), 30, panicking(5)],
    ['at most ten times as many', {}, seen(1000, 1001), 10],
    ['and again ten times', {}, seen(1000, 1001, 10), 100],
    ['one more at least, however slow the rate', { target: 1, maxScaleUpRate: 1.1 }, seen(3, 3.1, 2), 3],
    ['at least a tenth', {}, seen(1, 1, 100), 10],
    ['and a tenth of that', {}, seen(1, 1, 10), 1],
    ['no faster down than the rate', { maxScaleDownRate: 1.1 }, seen(1, 1, 100), 90],
    [
      'at once down what no Route leads to',
      { maxScaleDownRate: 1.1, isReachable: false },
      seen(1, 1, 100),
      1,
    ],
    ['one counts as there where none is', {}, seen(1000, 888, 0), 10],
    ['zero without traffic, whatever the activation scale', { activationScale: 2 }, seen(0, 0), 0],
    ['the activation scale with any', { activationScale: 2 }, seen(1, 0), 2],
    ['at least minScale', { minScale: 3 }, seen(0, 0), 3],
    ['at most maxScale', { maxScale: 2 }, seen(100, 100, 2), 2],
    ['one when scaling to zero is off', { isScaledToZero: false }, seen(0, 0), 1],
  ])('%s', (_, changes, observed, scale, state) => {
    expect(decide(changes, observed, state).scale).toBe(scale);
  });

  it('is none without data: unknown is not zero', () => {
    const unknown = { stable: undefined, panic: undefined, ready: 1, nowMs: 0 };
    expect(decideScale(plan(), CALM, unknown)).toBeUndefined();
  });

  it('begins in panic with what it finds, when that is more than one', () => {
    for (const ready of [0, 1]) expect(initialState(ready, 7).panicSinceMs).toBeUndefined();
    expect(initialState(2, 7)).toEqual({ panicSinceMs: 7, panicScale: 2, decisions: [] });
    expect(decide({}, seen(0, 0, 4, 59_000), initialState(4, 0)).scale).toBe(4);
    expect(decide({}, seen(0, 0, 4, 61_000), initialState(4, 0)).scale).toBe(0);
  });
});

describe('panic', () => {
  it('follows a load that grows six-fold, again and again', () => {
    let state = CALM;
    let ready = 1;
    for (const [second, load] of [6, 36, 216, 1296].entries()) {
      const decision = decide({ target: 1 }, seen(load, load, ready, second * 1000), state);
      expect([decision.scale, decision.state.panicSinceMs]).toEqual([load, second * 1000]);
      [state, ready] = [decision.state, decision.scale];
    }
  });

  it('never goes down, and ends a stable window after it was last over', () => {
    const begun = decide({}, seen(100, 1000, 10, 0));
    expect(begun.scale).toBe(100);
    const dropped = decide({}, seen(1, 1, 10, 30_000), begun.state);
    expect(dropped.scale).toBe(100);
    expect(decide({}, seen(1, 1, 10, 60_000), dropped.state).scale).toBe(100);
    expect(decide({}, seen(1, 1, 10, 60_001), dropped.state).scale).toBe(1);
  });

  it('is over although the load still grows slowly', () => {
    const begun = decide({ target: 1 }, seen(11, 25, 10, 0));
    const half = decide({ target: 1 }, seen(30, 41, 40, 30_000), begun.state);
    expect([half.scale, half.state.panicSinceMs]).toEqual([41, 0]);
    const end = decide({ target: 1 }, seen(50, 56, 55, 62_000), half.state);
    expect([end.scale, end.state.panicSinceMs]).toEqual([50, undefined]);
  });

  it('is prolonged by a load that is over the threshold again', () => {
    const begun = decide({ target: 1 }, seen(11, 25, 10, 0));
    const again = decide({ target: 1 }, seen(30, 80, 40, 30_000), begun.state);
    expect([again.scale, again.state.panicSinceMs]).toEqual([80, 30_000]);
  });
});

describe('the scale-down delay', () => {
  const delayed = { scaleDownDelayMs: 300_000, panicThreshold: 100 };
  const at = (load: number, seconds: number, state?: ScaleState, more: Partial<ScalePlan> = {}): Decision =>
    decide({ ...delayed, ...more }, seen(load, load, 1, seconds * 1000), state);

  it('holds the highest decision for so long, and no longer', () => {
    const high = at(40, 2);
    expect(high.scale).toBe(4);
    const low = at(0, 300, high.state);
    expect(low.scale).toBe(4);
    expect(at(0, 302, low.state).scale).toBe(0);
  });

  it('lets go step by step', () => {
    let state = CALM;
    const scales = [
      [40, 540],
      [30, 600],
      [0, 660],
      [0, 840],
      [0, 900],
    ].map(([load = 0, second = 0]) => {
      const decision = at(load, second, state);
      state = decision.state;
      return decision.scale;
    });
    expect(scales).toEqual([4, 4, 4, 3, 0]);
  });

  it('does not hold what no Route leads to any more', () => {
    const high = at(40, 2);
    const low = at(0, 60, high.state);
    expect([low.scale, at(0, 62, low.state, { isReachable: false }).scale]).toEqual([4, 0]);
  });

  it('remembers no decision that a later one has reached', () => {
    let state = CALM;
    for (let second = 0; second < 300; second += 2) state = at(40 + (second % 3), second, state).state;
    expect(state.decisions.length).toBeLessThan(3);
  });
});

describe('the excess burst capacity', () => {
  it.each<[string, Partial<ScalePlan>, Observed, number]>([
    ['is what all take, less the burst and what is under way', { burstCapacity: 100 }, seen(50, 50, 5), -84],
    ['is above zero with enough instances', { burstCapacity: 100 }, seen(50, 50, 20), 116],
    ['is none at zero instances', { burstCapacity: 61 }, seen(0, 7, 0), -68],
    ['is zero when no burst is to find room', { burstCapacity: 0 }, seen(50, 49, 1), 0],
    ['is never enough when every burst is', { burstCapacity: -1 }, seen(0, 0, 99), -1],
  ])('%s', (_, changes, observed, excess) => {
    expect(decide(changes, observed).excess).toBe(excess);
  });
});
