import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Demand } from '../../../src/serving/autoscaler/demand.ts';
import type { ScalePlan } from '../../../src/serving/plan.ts';
import { modelScale, newModel } from '../../kit/kpa-model.ts';
import { SCALE } from '../../kit/small-platform.ts';

const HOUR = 3600;
/** So many seconds after it was decided an instance is ready. */
const STARTUP_S = 3;

type Day = {
  readonly seconds: number;
  /** Requests at once during a second; of `rps`, those that begin in it. */
  readonly load: (second: number) => number;
  readonly plan: (second: number) => ScalePlan;
};
type Curve = readonly { readonly second: number; readonly pods: number }[];

const plan = (changes: Partial<ScalePlan> = {}): ScalePlan => ({
  ...SCALE,
  target: 7,
  total: 10,
  ...changes,
});
const always =
  (changes: Partial<ScalePlan> = {}): Day['plan'] =>
  () =>
    plan(changes);

/** One day as the platform lives it, second by second, and as the formulas have it. */
function live({ seconds, load, plan: planAt }: Day): { readonly ours: Curve; readonly expected: Curve } {
  const [demand, model] = [new Demand(0), newModel()];
  const [ours, expected] = [
    [] as { second: number; pods: number }[],
    [] as { second: number; pods: number }[],
  ];
  const starting: { readonly second: number; readonly count: number }[] = [];
  let [underWay, ready, wanted] = [0, 0, 0];
  for (let second = 1; second <= seconds; second += 1) {
    const scale = planAt(second);
    const startMs = (second - 1) * 1000;
    if (scale.metric === 'rps') ask(demand, load(second), startMs);
    else {
      for (; underWay < load(second); underWay += 1) demand.begin(startMs);
      for (; underWay > load(second); underWay -= 1) demand.end(startMs);
    }
    demand.sample(scale, second * 1000);
    model.loads.push(load(second));
    while (starting[0] !== undefined && starting[0].second <= second) ready += starting.shift()?.count ?? 0;
    if (second % 2 > 0) continue;
    const pods = demand.decide(scale, { ready, standing: wanted }, second * 1000) ?? Number.NaN;
    ours.push({ second, pods });
    expected.push({ second, pods: modelScale(model, scale, second, ready) });
    if (pods > wanted) starting.push({ second: second + STARTUP_S, count: pods - wanted });
    else ready = Math.min(ready, pods);
    wanted = pods;
  }
  return { ours, expected };
}

function ask(demand: Demand, requests: number, startMs: number): void {
  for (let i = 0; i < requests; i += 1) {
    demand.begin(startMs);
    demand.end(startMs);
  }
}

const at = (curve: Curve, second: number): number | undefined =>
  curve.find((each) => each.second === second)?.pods;
const highest = (curve: Curve): number => Math.max(...curve.map(({ pods }) => pods));

/** Nothing at night, up and down again over the day. */
const ramp = (second: number): number =>
  Math.max(0, Math.round(210 * Math.sin((2 * Math.PI * second) / (24 * HOUR))));
/** Ten, and for half a minute each hour five hundred. */
const burst = (second: number): number => (second % HOUR >= 1800 && second % HOUR < 1830 ? 500 : 10);
/** Up within ten minutes, and down at once. */
const sawtooth = (second: number): number => Math.floor(((second % 600) / 600) * 140);
/** A request in the morning and one at night. */
const idle = (second: number): number => (second === 8 * HOUR || second === 20 * HOUR ? 1 : 0);

describe('a day of traffic takes the course that the formulas say', () => {
  it('a slow ramp: as many as the last minute needs, and none at night', () => {
    const { ours, expected } = live({ seconds: 24 * HOUR, load: ramp, plan: always() });
    expect(ours).toEqual(expected);
    expect(highest(ours)).toBe(30); // 210 / 7
    expect(at(ours, 6 * HOUR)).toBe(30);
    expect([at(ours, 12 * HOUR + 120), at(ours, 24 * HOUR)]).toEqual([0, 0]);
  });

  it('bursts: panic at once, and calm a stable window after', () => {
    const { ours, expected } = live({ seconds: 4 * HOUR, load: burst, plan: always() });
    expect(ours).toEqual(expected);
    expect(at(ours, 1798)).toBe(2);
    expect(at(ours, 1806)).toBeGreaterThan(50); // the panic window is full of it
    expect([at(ours, 1860), at(ours, 1920)]).toEqual([72, 2]); // 500 / 7; again 10 / 7
  });

  it('a sawtooth: no faster down than by half', () => {
    const { ours, expected } = live({ seconds: 2 * HOUR, load: sawtooth, plan: always() });
    expect(ours).toEqual(expected);
    for (const [i, { pods }] of ours.entries()) {
      const before = ours[i - 1]?.pods ?? 0;
      expect(pods).toBeGreaterThanOrEqual(Math.floor(before / 2));
    }
  });

  it('an idle day: one for a minute after each request', () => {
    const { ours, expected } = live({ seconds: 24 * HOUR, load: idle, plan: always() });
    expect(ours).toEqual(expected);
    expect(ours.filter(({ pods }) => pods > 0)).toHaveLength(60); // twice a minute, every other second
    expect(highest(ours)).toBe(1);
  });

  it.each<[string, Partial<ScalePlan>]>([
    ['weighted windows', { algorithm: 'weighted-exponential' }],
    ['slow rates', { maxScaleUpRate: 1.1, maxScaleDownRate: 1.1 }],
    ['a scale-down delay', { scaleDownDelayMs: 600_000 }],
    ['an activation scale', { activationScale: 4 }],
    ['bounds', { minScale: 2, maxScale: 15 }],
    ['no scale to zero', { isScaledToZero: false }],
    ['requests a second', { metric: 'rps', target: 140, total: 200 }],
    ['a short window', { windowMs: 6000, panicWindowMs: 1000, panicThreshold: 1.1 }],
    ['a window of an hour', { windowMs: 3_600_000, panicWindowMs: 360_000 }],
  ])('with %s', (_, changes) => {
    for (const load of [sawtooth, burst]) {
      const { ours, expected } = live({ seconds: 2 * HOUR, load, plan: always(changes) });
      expect(ours).toEqual(expected);
    }
  });

  it('a roll-out: what no Route leads to any more goes at once', () => {
    const isRolled = (second: number): boolean => second > 600;
    const { ours, expected } = live({
      seconds: 900,
      load: (second) => (isRolled(second) ? 0 : 140),
      plan: (second) => plan({ isReachable: !isRolled(second), minScale: isRolled(second) ? 0 : 3 }),
    });
    expect(ours).toEqual(expected);
    expect([at(ours, 600), at(ours, 658), at(ours, 660)]).toEqual([20, 1, 0]);
  });

  it('any other day, however it is planned', () => {
    const plans = fc.record({
      target: fc.integer({ min: 1, max: 50 }).map((whole) => whole + 0.37), // no mean is a whole multiple of it
      algorithm: fc.constantFrom('linear', 'weighted-exponential'),
      windowMs: fc.integer({ min: 6, max: 120 }).map((seconds) => seconds * 1000),
      panicWindowMs: fc.integer({ min: 1, max: 6 }).map((seconds) => seconds * 1000),
      panicThreshold: fc.integer({ min: 110, max: 1000 }).map((percent) => percent / 100),
      maxScaleUpRate: fc.integer({ min: 11, max: 100 }).map((tenths) => tenths / 10),
      maxScaleDownRate: fc.integer({ min: 11, max: 100 }).map((tenths) => tenths / 10),
      scaleDownDelayMs: fc.integer({ min: 0, max: 30 }).map((seconds) => seconds * 1000),
      activationScale: fc.integer({ min: 1, max: 5 }),
      minScale: fc.integer({ min: 0, max: 3 }),
      maxScale: fc.constantFrom(0, 3, 40),
      isReachable: fc.boolean(),
      isScaledToZero: fc.boolean(),
    });
    const loads = fc.array(fc.constantFrom(0, 0, 1, 3, 20, 200), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(plans, loads, (changes, steps) => {
        const load = (second: number): number => steps[Math.floor(second / 20) % steps.length] ?? 0;
        const { ours, expected } = live({ seconds: 300, load, plan: always(changes) });
        expect(ours).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });
});
