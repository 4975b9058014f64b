import { beforeEach, describe, expect, it } from 'vitest';
import { METRIC } from '../../../src/apis/autoscaling/metric/metric.ts';
import { POD_AUTOSCALER } from '../../../src/apis/autoscaling/pod-autoscaler/types.ts';
import { SERVERLESS_SERVICE } from '../../../src/apis/networking/serverless-service/serverless-service.ts';
import { LABELS } from '../../../src/apis/serving/shared.ts';
import type { Revision } from '../../../src/apis/serving/types.ts';
import { podAutoscalerOf } from '../../../src/serving/control/autoscaler-objects.ts';
import {
  podAutoscalerReconciler,
  type ScaleView,
} from '../../../src/serving/control/pod-autoscaler-reconciler.ts';
import type { ScalePlan } from '../../../src/serving/plan.ts';
import { aRevision } from '../../kit/serving-objects.ts';
import { SCALE } from '../../kit/small-platform.ts';
import { conditionIn, World, type Stated } from '../../kit/world.ts';

const NAME = 'r-00001';
const AT_ZERO: ScaleView = { ready: 0, desired: 0, hasFailed: false, panic: 0, scale: SCALE, instances: [] };
const view = (changes: Partial<ScaleView>, scale: Partial<ScalePlan> = {}): ScaleView => ({
  ...AT_ZERO,
  ...changes,
  scale: { ...SCALE, initialScale: 1, ...scale },
});

let world: World;
let revision: Revision;
beforeEach(async () => {
  world = await World.open();
  revision = (await world.apply(
    aRevision(NAME, { 'autoscaling.knative.dev/target': '5' }),
  )) as Stated as Revision;
  await world.controller.apply(podAutoscalerOf(revision));
});

async function after(seen: ScaleView | undefined, config?: Record<string, string>): Promise<Stated> {
  const reconciler = podAutoscalerReconciler(world.controller, {
    viewOf: (key) => (key === `default/${NAME}` ? seen : undefined),
    configMap: () => config,
    door: { host: '127.0.0.1', port: 8081 },
    nowMs: () => world.clock.nowMs(),
  });
  await world.pass(reconciler, NAME);
  return world.get(POD_AUTOSCALER, NAME);
}
const service = (): Promise<Stated> => world.get(SERVERLESS_SERVICE, NAME);

describe('the PodAutoscaler of a Revision', () => {
  it('is its own, says what it scales, and has class and metric where the Revision says nothing', async () => {
    const { metadata, spec } = (await world.get(POD_AUTOSCALER, NAME)) as Stated & { spec: unknown };
    expect(metadata.ownerReferences).toMatchObject([{ kind: 'Revision', uid: revision.metadata.uid }]);
    expect(metadata.labels).toMatchObject({ app: NAME, [LABELS.revision]: NAME });
    expect(metadata.annotations).toMatchObject({
      'autoscaling.knative.dev/target': '5',
      'autoscaling.knative.dev/class': 'kpa.autoscaling.knative.dev',
      'autoscaling.knative.dev/metric': 'concurrency',
    });
    expect(spec).toEqual({
      containerConcurrency: 0,
      protocolType: 'http1',
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: `${NAME}-deployment` },
    });
  });

  it.each([
    ['active', 'Reachable'],
    ['reserve', 'Unreachable'],
    ['pending', undefined],
  ])('tells of routing state %s that it is %s', (state, reachability) => {
    const labels = { [LABELS.routingState]: state };
    const { spec, metadata } = podAutoscalerOf({ ...revision, metadata: { ...revision.metadata, labels } });
    expect(spec.reachability).toBe(reachability);
    expect(metadata.labels?.[LABELS.routingState]).toBeUndefined();
  });

  it('wants what nobody knows before the data plane has a plan', async () => {
    const { status } = await after(undefined);
    expect(status).toMatchObject({ desiredScale: -1, actualScale: 0, serviceName: NAME });
    expect(conditionIn(await after(undefined), 'Ready')).toMatchObject({ status: 'Unknown' });
  });

  it('is queued, active, and without traffic in turn', async () => {
    const starting = await after(view({ desired: 1 }));
    expect(conditionIn(starting, 'Ready')).toEqual({
      status: 'Unknown',
      reason: 'Queued',
      message: 'Requests to the target are being buffered as resources are provisioned.',
    });
    const active = await after(view({ desired: 1, ready: 1 }));
    expect(active.status).toMatchObject({ desiredScale: 1, actualScale: 1 });
    for (const type of ['Active', 'ScaleTargetInitialized', 'SKSReady', 'Ready'])
      expect(conditionIn(active, type)).toEqual({ status: 'True' });
    const idle = await after(view({}));
    expect(conditionIn(idle, 'Ready')).toEqual({
      status: 'False',
      reason: 'NoTraffic',
      message: 'The target is not receiving traffic.',
    });
    expect(conditionIn(idle, 'ScaleTargetInitialized')).toEqual({ status: 'True' });
    expect(conditionIn(idle, 'SKSReady')).toMatchObject({ status: 'Unknown', reason: 'NotReady' });
  });

  it('is active from its initial scale on, and later from one on', async () => {
    const scale = { initialScale: 3 };
    const some = await after(view({ desired: 3, ready: 2 }, scale));
    expect(conditionIn(some, 'Active')).toMatchObject({ status: 'Unknown', reason: 'Queued' });
    expect(conditionIn(some, 'ScaleTargetInitialized')).toEqual({ status: 'Unknown' });
    await after(view({ desired: 3, ready: 3 }, scale));
    const fewer = await after(view({ desired: 1, ready: 1 }, scale));
    expect(conditionIn(fewer, 'Active')).toEqual({ status: 'True' });
  });

  it('is not active below its minimum', async () => {
    await after(view({ desired: 2, ready: 2 }, { minScale: 2 }));
    const fewer = await after(view({ desired: 2, ready: 1 }, { minScale: 2 }));
    expect(conditionIn(fewer, 'Active')).toMatchObject({ reason: 'Queued' });
  });

  it('is initialized from the start when it starts at zero', async () => {
    const atZero = await after(view({}, { initialScale: 0 }));
    expect(conditionIn(atZero, 'ScaleTargetInitialized')).toEqual({ status: 'True' });
    expect(conditionIn(atZero, 'Active')).toMatchObject({ status: 'False', reason: 'NoTraffic' });
    const woken = await after(view({ desired: 1, ready: 1 }, { initialScale: 0 }));
    expect(conditionIn(woken, 'Ready')).toEqual({ status: 'True' });
  });

  it('has timed out when what was to become active could not', async () => {
    await after(view({ desired: 1 }));
    const failed = await after(view({ hasFailed: true }));
    expect(conditionIn(failed, 'Active')).toEqual({
      status: 'False',
      reason: 'TimedOut',
      message: 'The target could not be activated. Condition ContainerHealthy of its Revision says why.',
    });
  });

  it('says why nobody scales it', async () => {
    const held = {
      kind: 'held',
      reason: 'ClassUnknown',
      message: 'no autoscaler of class "x" runs here',
    } as const;
    const object = await after(view({ desired: 1, ready: 1 }, { scaler: held }));
    expect(conditionIn(object, 'Ready')).toMatchObject({ status: 'Unknown', reason: 'ClassUnknown' });
  });

  it('is shown as kubectl shows upstream’s', async () => {
    await after(view({ desired: 2, ready: 1 }));
    expect(world.table(POD_AUTOSCALER)).toEqual({
      header: ['Name', 'DesiredScale', 'ActualScale', 'Ready', 'Reason'],
      rows: [[NAME, 2, 1, 'True', '']],
    });
  });
});

describe('the ServerlessService of a PodAutoscaler', () => {
  it.each<[string, ScaleView, Record<string, string>, object]>([
    ['at zero', view({}, { burstCapacity: 0 }), {}, { mode: 'Proxy', numActivators: 2 }],
    ['too small for the burst', view({ ready: 1, desired: 1 }), {}, { mode: 'Proxy', numActivators: 4 }],
    ['large enough for it', view({ ready: 4, desired: 4 }), {}, { mode: 'Serve', numActivators: 7 }],
    ['too busy for it', view({ ready: 4, desired: 4, panic: 190 }), {}, { mode: 'Proxy', numActivators: 7 }],
    [
      'without a burst',
      view({ ready: 1, desired: 1 }, { burstCapacity: 0 }),
      {},
      { mode: 'Serve', numActivators: 2 },
    ],
    [
      'always in the way',
      view({ ready: 9, desired: 9 }, { burstCapacity: -1 }),
      {},
      { mode: 'Proxy', numActivators: 9 },
    ],
    [
      'of smaller activators',
      view({ ready: 4, desired: 4 }),
      { 'activator-capacity': '20' },
      { numActivators: 31 },
    ],
  ])('%s tells who would answer', async (_, seen, config, spec) => {
    await after(seen, config);
    expect(await service()).toMatchObject({ spec });
  });

  it('is ready with the first instance', async () => {
    await after(view({}));
    expect(conditionIn(await service(), 'Ready')).toEqual({
      status: 'Unknown',
      reason: 'NoHealthyBackends',
      message: 'K8s Service is not ready',
    });
    await after(view({ ready: 1, desired: 1 }));
    expect(world.table(SERVERLESS_SERVICE)).toEqual({
      header: ['Name', 'Mode', 'Activators', 'ServiceName', 'PrivateServiceName', 'Ready', 'Reason'],
      rows: [[NAME, 'Proxy', 4, NAME, `${NAME}-private`, 'True', '']],
    });
  });
});

describe('the Metric of a PodAutoscaler', () => {
  it('has the windows in nanoseconds', async () => {
    await after(view({}, { windowMs: 30_000, panicWindowMs: 3000 }));
    const metric = (await world.get(METRIC, NAME)) as Stated & { spec: unknown };
    expect(metric.spec).toEqual({
      stableWindow: 30_000_000_000,
      panicWindow: 3_000_000_000,
      scrapeTarget: `${NAME}-private`,
    });
    expect(conditionIn(metric, 'Ready')).toEqual({ status: 'True' });
  });

  it('is not there for class hpa, which is always active', async () => {
    const plan = { resource: 'cpu', target: 80, requested: 1, minScale: 1, maxScale: 0 } as const;
    const scaler = { kind: 'hpa', plan: { ...plan, downWindowMs: 0, upWindowMs: 0 } } as const;
    const object = await after(view({ ready: 1, desired: 1 }, { scaler, minScale: 1 }));
    expect(conditionIn(object, 'Ready')).toEqual({ status: 'True' });
    expect(await service()).toMatchObject({ spec: { mode: 'Serve' } });
    await expect(world.get(METRIC, NAME)).rejects.toThrow('no Metric');
  });
});

it('a pass over what stands changes nothing', async () => {
  await after(view({ ready: 1, desired: 1 }));
  const { version } = world;
  await world.controller.apply(podAutoscalerOf(revision));
  await after(view({ ready: 1, desired: 1 }));
  expect(world.version).toBe(version);
});

it('a PodAutoscaler of somebody’s own is checked as upstream’s are', async () => {
  const own = (spec: object): object => ({
    ...POD_AUTOSCALER,
    metadata: { name: 'own', namespace: 'default' },
    spec,
  });
  const target = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };
  const refused = await world.refusal(
    own({ protocolType: 'tcp', containerConcurrency: 1001, scaleTargetRef: { kind: 'Deployment' } }),
  );
  for (const text of [
    'invalid value: tcp: spec.protocolType',
    'expected 0 <= 1001 <= 1000: spec.containerConcurrency',
    'missing field(s): spec.scaleTargetRef.apiVersion, spec.scaleTargetRef.name',
  ])
    expect(refused).toContain(text);
  await world.apply(own({ protocolType: 'h2c', scaleTargetRef: target }));
});
