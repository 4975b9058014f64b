import { describe, expect, it } from 'vitest';
import { Demand } from '../../../src/serving/autoscaler/demand.ts';
import type { ScalePlan } from '../../../src/serving/plan.ts';
import { SCALE } from '../../kit/small-platform.ts';

const ONE = { ready: 1, standing: 1 };
const plan = (changes: Partial<ScalePlan> = {}): ScalePlan => ({ ...SCALE, target: 1, ...changes });

describe('the demand of a revision', () => {
  it('is requests at a time, each for as long as it takes', () => {
    const demand = new Demand(0);
    for (let i = 0; i < 3; i += 1) demand.begin(0);
    demand.end(500); // 3 for half a second, 2 for the other half
    demand.sample(plan(), 1000);
    expect(demand.decide(plan(), ONE, 1000)).toBe(3); // 2.5
  });

  it('is requests a second when the metric is rps', () => {
    const demand = new Demand(0);
    const rps = plan({ metric: 'rps', target: 10 });
    for (let i = 0; i < 35; i += 1) {
      demand.begin(i);
      demand.end(i);
    }
    demand.sample(rps, 1000);
    expect(demand.decide(rps, ONE, 1000)).toBe(4);
  });

  it('counts a ticker that came late for all the seconds it missed', () => {
    const demand = new Demand(0);
    demand.sample(plan(), 1000);
    demand.begin(1000);
    demand.sample(plan({ windowMs: 4000, panicWindowMs: 4000 }), 4000);
    expect(demand.decide(plan({ windowMs: 4000, panicWindowMs: 4000, target: 0.25 }), ONE, 4000)).toBe(3); // 3 of 4 s
  });

  it('decides nothing before its first sample, nor after it was forgotten', () => {
    const demand = new Demand(0);
    expect(demand.decide(plan(), ONE, 0)).toBeUndefined();
    demand.sample(plan(), 1000);
    expect(demand.decide(plan(), ONE, 1000)).toBe(0);
    demand.forget();
    expect(demand.decide(plan(), ONE, 2000)).toBeUndefined();
  });

  it('is idle since its last request ended, and never while one is under way', () => {
    const demand = new Demand(0);
    expect(demand.idleMs(700)).toBe(700);
    demand.begin(1000);
    expect(demand.idleMs(9000)).toBe(0);
    demand.end(9000);
    expect(demand.idleMs(9100)).toBe(100);
    demand.touch(9500);
    expect(demand.idleMs(9600)).toBe(100);
  });
});

describe('the class of a revision', () => {
  const HELD = plan({ scaler: { kind: 'held', reason: 'r', message: 'm' }, minScale: 3 });

  it('holds what nobody here can scale at its minimum', () => {
    const demand = new Demand(0);
    for (let i = 0; i < 50; i += 1) demand.begin(0);
    demand.sample(HELD, 1000);
    expect(demand.decide(HELD, { ready: 5, standing: 5 }, 1000)).toBe(3);
  });

  it('starts in panic with what it finds, when requests decide from now on', () => {
    const demand = new Demand(0);
    demand.sample(HELD, 1000);
    demand.sample(plan(), 2000);
    const five = { ready: 5, standing: 5 };
    expect(demand.decide(plan(), five, 2000)).toBe(5);
    expect(demand.reading).toMatchObject({ isPanicking: true, stable: 0 });
    demand.sample(plan(), 62_001);
    expect(demand.decide(plan(), five, 62_001)).toBe(2);
  });

  it('keeps its history when its window changes', () => {
    const demand = new Demand(0);
    demand.begin(0);
    for (let second = 1; second <= 20; second += 1) demand.sample(plan(), second * 1000);
    const short = plan({ windowMs: 10_000, panicWindowMs: 1000 });
    demand.end(20_000);
    demand.sample(short, 21_000);
    demand.decide(short, ONE, 21_000);
    expect(demand.reading).toMatchObject({ stable: 0.9, panic: 0 });
  });
});
