import { describe, expect, it } from 'vitest';
import { autoscalingAnnotations } from '../../../src/apis/autoscaling/annotations.ts';
import { autoscalerConfig } from '../../../src/apis/autoscaling/config.ts';
import { LABELS } from '../../../src/apis/serving/shared.ts';
import { KINDS, type Revision } from '../../../src/apis/serving/types.ts';
import { decideScale, initialState } from '../../../src/serving/autoscaler/decide.ts';
import { Demand } from '../../../src/serving/autoscaler/demand.ts';
import { Window } from '../../../src/serving/autoscaler/window.ts';
import { initialScaleOf, scalePlanOf } from '../../../src/serving/control/scale-plan.ts';
import type { ScalePlan } from '../../../src/serving/plan.ts';
import { upstreamAnswers } from '../../kit/upstream.ts';

type Day = {
  readonly annotations: Readonly<Record<string, string>>;
  readonly containerConcurrency: number;
  readonly config: Readonly<Record<string, string>>;
  readonly isUnreachable: boolean;
  readonly ready: number; // at the start
  readonly loads: readonly number[]; // second by second
  /** What upstream's autoscaler made of it, every other second; `ready` is what it was told. */
  readonly answer: Curve & {
    readonly ready: readonly number[];
    readonly plan: Planned;
  };
};
type Curve = {
  readonly wanted: readonly number[];
  readonly excess: readonly number[];
  readonly panic: readonly number[];
  readonly stable: readonly number[];
};
type Planned = Pick<
  ScalePlan,
  'target' | 'total' | 'windowMs' | 'panicWindowMs' | 'minScale' | 'maxScale' | 'initialScale'
>;

const days = upstreamAnswers<Day>('days');

const configOf = ({ config }: Day) => autoscalerConfig({ 'allow-zero-initial-scale': 'false', ...config });

function planOf(day: Day): ScalePlan {
  const labels = day.isUnreachable ? { [LABELS.routingState]: 'reserve' } : {};
  const revision: Revision = {
    ...KINDS.revision,
    metadata: { name: 'day', namespace: 'default', annotations: day.annotations, labels },
    spec: { containerConcurrency: day.containerConcurrency },
  };
  return scalePlanOf(revision, configOf(day), 600_000);
}

/** The decisions alone, with what is measured given to them. */
function decided(day: Day): Curve {
  const plan = planOf(day);
  const window = new Window(plan.windowMs);
  let state = initialState(day.ready, 0);
  const curve = {
    wanted: [] as number[],
    excess: [] as number[],
    panic: [] as number[],
    stable: [] as number[],
  };
  for (const [second, load] of day.loads.entries()) {
    window.record(load);
    if (second % 2 === 1) continue;
    const stable = window.mean(plan.windowMs, plan.algorithm);
    const panic = window.mean(plan.panicWindowMs, plan.algorithm);
    const ready = day.answer.ready[second / 2] ?? 0;
    const decision = decideScale(plan, state, { stable, panic, ready, nowMs: second * 1000 });
    if (decision === undefined) throw new Error('nothing was decided');
    state = decision.state;
    curve.wanted.push(decision.scale);
    curve.excess.push(decision.excess);
    curve.panic.push(state.panicSinceMs === undefined ? 0 : 1);
    curve.stable.push(stable ?? Number.NaN);
  }
  return curve;
}

/** As the platform lives it: requests begin and end, and it is looked at second by second. */
function lived(day: Day): readonly number[] {
  const plan = planOf(day);
  const demand = new Demand(0);
  const wanted: number[] = [];
  let underWay = 0;
  for (const [second, load] of day.loads.entries()) {
    for (let i = 0; plan.metric === 'rps' && i < load; i += 1) {
      demand.begin(second * 1000);
      demand.end(second * 1000);
    }
    for (; plan.metric !== 'rps' && underWay < load; underWay += 1) demand.begin(second * 1000);
    for (; underWay > load; underWay -= 1) demand.end(second * 1000);
    demand.sample(plan, (second + 1) * 1000);
    if (second % 2 === 1) continue;
    const ready = day.answer.ready[second / 2] ?? 0;
    wanted.push(demand.decide(plan, { ready, standing: ready }, (second + 1) * 1000) ?? Number.NaN);
  }
  return wanted;
}

/** Where the first difference is, for whoever reads the failure. */
function firstDifference(day: Day, curve: Partial<Curve>): unknown {
  for (const [name, values] of Object.entries(curve)) {
    const theirs: readonly number[] = Reflect.get(day.answer, name);
    const at = values.findIndex((value, i) => Math.abs(value - (theirs[i] ?? Number.NaN)) > 1e-9);
    if (at >= 0 || values.length !== theirs.length) {
      const { annotations, config, containerConcurrency, answer, loads } = day;
      const seen = { loads: loads.slice(0, 2 * at + 1).slice(-12), ready: answer.ready[at] };
      const of = { annotations, config, containerConcurrency, plan: answer.plan };
      return { name, second: 2 * at, ours: values[at], upstream: theirs[at], ...seen, ...of };
    }
  }
  return undefined;
}

describe('a revision is scaled as upstream’s autoscaler scales it', () => {
  it('with the same target, windows and bounds, from annotations and config-autoscaler', () => {
    for (const day of days) {
      const { target, total, windowMs, panicWindowMs, minScale, maxScale, isScaledToZero } = planOf(day);
      const { plan } = day.answer;
      const initialScale = initialScaleOf(autoscalingAnnotations(day.annotations), configOf(day));
      // What is not scaled to zero has one at least, which upstream says in another place.
      const lowest = isScaledToZero ? minScale : plan.minScale;
      expect({ target, total, windowMs, panicWindowMs, minScale: lowest, maxScale, initialScale }).toEqual({
        ...plan,
        target: expect.closeTo(plan.target, 9),
      });
    }
  });

  it('tick by tick, through 400 days of traffic: how many, how much room is left, and whether it panics', () => {
    expect(days).toHaveLength(400);
    expect(
      days
        .map((day) => firstDifference(day, decided(day)))
        .filter(Boolean)
        .slice(0, 3),
    ).toEqual([]);
  });

  it('when requests begin and end, and instances join late', () => {
    const fresh = days.filter(({ ready }) => ready < 2); // this one would begin in panic, as after a restart
    expect(fresh.length).toBeGreaterThan(200);
    expect(
      fresh
        .map((day) => firstDifference(day, { wanted: lived(day) }))
        .filter(Boolean)
        .slice(0, 3),
    ).toEqual([]);
  });
});
