import { describe, expect, it } from 'vitest';
import { autoscalerConfig } from '../../../src/apis/autoscaling/config.ts';
import { LABELS } from '../../../src/apis/serving/shared.ts';
import { KINDS, type Container, type Revision } from '../../../src/apis/serving/types.ts';
import { scalePlanOf } from '../../../src/serving/control/scale-plan.ts';
import type { ScalePlan } from '../../../src/serving/plan.ts';

type Given = {
  readonly annotations?: Record<string, string>;
  readonly config?: Record<string, string>;
  readonly containerConcurrency?: number;
  readonly routingState?: string;
  readonly resources?: Container['resources'];
};

function scale({ annotations = {}, config = {}, containerConcurrency = 0, ...more }: Given = {}): ScalePlan {
  const revision: Revision = {
    ...KINDS.revision,
    metadata: {
      name: 'r-00001',
      labels: more.routingState === undefined ? {} : { [LABELS.routingState]: more.routingState },
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([name, value]) => [`autoscaling.knative.dev/${name}`, value]),
      ),
    },
    spec: { containerConcurrency, containers: [{ ...(more.resources && { resources: more.resources }) }] },
  };
  return scalePlanOf(revision, autoscalerConfig(config), 600_000);
}
const hpa = (annotations: Record<string, string> = {}, more: Given = {}): ScalePlan['scaler'] =>
  scale({ ...more, annotations: { class: 'hpa.autoscaling.knative.dev', ...annotations } }).scaler;

describe('the target of one instance', () => {
  it.each<[string, Given, number, number]>([
    ['70 % of the default 100', {}, 70, 100],
    ['of the cluster’s default', { config: { 'container-concurrency-target-default': '50' } }, 35, 50],
    ['of containerConcurrency when that is given', { containerConcurrency: 10 }, 7, 10],
    ['of the annotation', { annotations: { target: '50' } }, 35, 50],
    ['never above containerConcurrency', { annotations: { target: '50' }, containerConcurrency: 10 }, 7, 10],
    ['of the annotation below it', { annotations: { target: '5' }, containerConcurrency: 10 }, 3.5, 5],
    ['of requests a second', { annotations: { metric: 'rps' }, containerConcurrency: 1 }, 140, 200],
    [
      'of requests a second at 70 %, whatever the utilization of concurrency is',
      { annotations: { metric: 'rps' }, config: { 'container-concurrency-target-percentage': '50' } },
      140,
      200,
    ],
    ['by the utilization', { annotations: { 'target-utilization-percentage': '100', target: '3' } }, 3, 3],
    ['by the cluster’s', { config: { 'container-concurrency-target-percentage': '80' } }, 80, 100],
    ['at least 0.01', { annotations: { 'target-utilization-percentage': '1', target: '0.01' } }, 0.01, 0.01],
  ])('is %s', (_, given, target, total) => {
    expect(scale(given).target).toBeCloseTo(target, 10);
    expect(scale(given).total).toBe(total);
  });
});

describe('the windows', () => {
  it.each<[string, Record<string, string>, number, number]>([
    ['as shipped', {}, 60_000, 6000],
    ['of a revision', { window: '30s', 'panic-window-percentage': '20' }, 30_000, 6000],
    ['rounded to the second', { window: '15s' }, 15_000, 2000], // 1.5 s
    ['a second at least', { window: '6s', 'panic-window-percentage': '1' }, 6000, 1000],
  ])('are %s', (_, annotations, windowMs, panicWindowMs) => {
    expect(scale({ annotations })).toMatchObject({ windowMs, panicWindowMs });
  });

  it('are weighted when asked for, by either spelling', () => {
    for (const algorithm of ['weighted-exponential', 'weightedExponential'])
      expect(scale({ annotations: { 'metric-aggregation-algorithm': algorithm } }).algorithm).toBe(
        'weighted-exponential',
      );
    expect(scale().algorithm).toBe('linear');
  });
});

describe('the bounds', () => {
  it('are those of the revision before those of the cluster', () => {
    const config = { 'min-scale': '2', 'max-scale': '8', 'initial-scale': '4' };
    expect(scale({ config })).toMatchObject({ minScale: 2, maxScale: 8, initialScale: 4 });
    const annotations = { 'min-scale': '1', maxScale: '3', 'initial-scale': '0' };
    expect(scale({ config, annotations })).toMatchObject({ minScale: 1, maxScale: 3, initialScale: 1 });
  });

  it('have no minimum once no Route leads to the revision', () => {
    const annotations = { 'min-scale': '3' };
    for (const routingState of ['active', 'pending'])
      expect(scale({ annotations, routingState })).toMatchObject({ isReachable: true, minScale: 3 });
    const reserve = scale({ annotations, routingState: 'reserve' });
    expect(reserve).toMatchObject({ isReachable: false, minScale: 0, initialScale: 1 });
  });

  it('keep one where scaling to zero is off', () => {
    const config = { 'enable-scale-to-zero': 'false' };
    expect(scale({ config }).minScale).toBe(1);
    expect(scale({ config, routingState: 'reserve' }).minScale).toBe(1);
  });

  it('start with one where starting at zero is forbidden', () => {
    const annotations = { 'initial-scale': '0' };
    expect(scale({ annotations }).initialScale).toBe(0);
    expect(scale({ annotations, config: { 'allow-zero-initial-scale': 'false' } }).initialScale).toBe(1);
  });
});

describe('class hpa', () => {
  it('looks at the CPU that was requested, at 80 % unless told otherwise, and never goes to zero', () => {
    expect(hpa()).toEqual({
      kind: 'hpa',
      plan: {
        resource: 'cpu',
        target: 80,
        requested: 1,
        minScale: 1,
        maxScale: 0,
        downWindowMs: 300_000,
        upWindowMs: 0,
      },
    });
  });

  it.each<[string, Record<string, string>, Given, object]>([
    ['a percentage', { target: '59.2' }, {}, { resource: 'cpu', target: 60 }],
    ['mebibytes', { metric: 'memory', target: '200.9' }, {}, { resource: 'memory', target: 200 * 2 ** 20 }],
    ['the CPU, of memory without a target', { metric: 'memory' }, {}, { resource: 'cpu', target: 80 }],
    ['what is requested', {}, { resources: { requests: { cpu: '250m' } } }, { requested: 0.25 }],
    ['the limit, where nothing is requested', {}, { resources: { limits: { cpu: '2' } } }, { requested: 2 }],
    ['bounds', { 'min-scale': '2', 'max-scale': '5' }, {}, { minScale: 2, maxScale: 5 }],
    ['a window for both directions', { window: '30s' }, {}, { downWindowMs: 30_000, upWindowMs: 30_000 }],
  ])('takes %s', (_, annotations, more, plan) => {
    expect(hpa(annotations, more)).toMatchObject({ kind: 'hpa', plan });
  });

  it('is the cluster’s choice too', () => {
    const config = { 'pod-autoscaler-class': 'hpa.autoscaling.knative.dev' };
    expect(scale({ config })).toMatchObject({ scaler: { kind: 'hpa' }, minScale: 1 });
  });

  it('says that it does not know another metric, and holds the revision where it is', () => {
    expect(hpa({ metric: 'queue-length', target: '5' })).toEqual({
      kind: 'held',
      reason: 'MetricUnknown',
      message:
        'metric "queue-length" is not measured here, so the number of instances stays; class hpa.autoscaling.knative.dev knows cpu and memory',
    });
  });
});

it('a class that nobody serves here is held, and said so', () => {
  const plan = scale({ annotations: { class: 'keda.example.com', 'initial-scale': '2' } });
  expect(plan).toMatchObject({ minScale: 2, scaler: { kind: 'held', reason: 'ClassUnknown' } });
});
