import { beforeEach, describe, expect, it } from 'vitest';
import {
  HORIZONTAL_POD_AUTOSCALER,
  horizontalPodAutoscalerKind,
} from '../../../src/apis/autoscaling/horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import type { Resource } from '../../../src/apis/resource.ts';
import type { Revision } from '../../../src/apis/serving/types.ts';
import type { HorizontalPlan } from '../../../src/serving/autoscaler/horizontal.ts';
import { podAutoscalerOf } from '../../../src/serving/control/autoscaler-objects.ts';
import { podAutoscalerReconciler } from '../../../src/serving/control/pod-autoscaler-reconciler.ts';
import { aRevision } from '../../kit/serving-objects.ts';
import { SCALE } from '../../kit/small-platform.ts';
import { conditionIn, World, type Stated } from '../../kit/world.ts';

const NAME = 'r-00001';
const CPU: HorizontalPlan = {
  resource: 'cpu',
  target: 80,
  requested: 0.5,
  minScale: 1,
  maxScale: 0,
  downWindowMs: 300_000,
  upWindowMs: 0,
};
const MEMORY: HorizontalPlan = { ...CPU, resource: 'memory', target: 200 * 1024 * 1024 };

let world: World;
beforeEach(async () => {
  world = await World.open();
  const revision = (await world.apply(aRevision(NAME))) as Stated as Revision;
  await world.controller.apply(podAutoscalerOf(revision));
});

async function told(plan: HorizontalPlan, used?: number, [ready, desired] = [1, 1]): Promise<Stated> {
  const scale = { ...SCALE, scaler: { kind: 'hpa', plan } } as const;
  const view = { ready, desired, hasFailed: false, panic: 0, instances: [], used, scale };
  const reconciler = podAutoscalerReconciler(world.controller, {
    viewOf: () => view,
    configMap: () => undefined,
    door: { host: '127.0.0.1', port: 8081 },
    nowMs: () => world.clock.nowMs(),
  });
  await world.pass(reconciler, NAME);
  return world.get(HORIZONTAL_POD_AUTOSCALER, NAME);
}

/** What kubectl prints of it, but for its age. */
function cellsOf(object: Resource): unknown[] {
  return horizontalPodAutoscalerKind.columns
    .filter(({ name }) => name !== 'Age')
    .map(({ from }) => (typeof from === 'function' ? from(object, 0) : from));
}

describe('the HorizontalPodAutoscaler of a revision of class hpa', () => {
  it('is its PodAutoscaler’s, and says what scales which Deployment', async () => {
    const { metadata, spec } = await told({ ...CPU, minScale: 2, maxScale: 5 });
    expect(metadata.ownerReferences).toMatchObject([{ kind: 'PodAutoscaler', name: NAME }]);
    expect(spec).toEqual({
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: `${NAME}-deployment` },
      minReplicas: 2,
      maxReplicas: 5,
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
        },
      ],
    });
  });

  it('has no upper bound where there is none, and the window where one is given', async () => {
    const { spec } = await told({ ...MEMORY, downWindowMs: 30_000, upWindowMs: 30_000 });
    expect(spec).toMatchObject({
      maxReplicas: 2_147_483_647,
      metrics: [{ resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '200Mi' } } }],
      behavior: {
        scaleDown: { stabilizationWindowSeconds: 30 },
        scaleUp: { stabilizationWindowSeconds: 30 },
      },
    });
  });

  it('tells what was measured, as kubectl prints it', async () => {
    const fresh = await told(CPU);
    expect(cellsOf(fresh)[1]).toBe('cpu: <unknown>/80%');
    expect(conditionIn(fresh, 'ScalingActive')).toMatchObject({
      status: 'False',
      reason: 'FailedGetResourceMetric',
    });
    const busy = await told(CPU, 0.25, [2, 3]);
    expect(cellsOf(busy)).toEqual([
      `Deployment/${NAME}-deployment`,
      'cpu: 50%/80%',
      '1',
      '.spec.maxReplicas',
      2,
    ]);
    expect(busy.status).toMatchObject({ currentReplicas: 2, desiredReplicas: 3 });
    expect(conditionIn(busy, 'ScalingActive')).toMatchObject({ status: 'True' });
    expect(conditionIn(busy, 'ScalingLimited')).toMatchObject({ status: 'False' });
    expect(cellsOf(await told(MEMORY, 1024))[1]).toBe('memory: 1024/200Mi');
  });

  it('goes when its revision is scaled otherwise', async () => {
    await told(CPU);
    const reconciler = podAutoscalerReconciler(world.controller, {
      viewOf: () => ({ ready: 1, desired: 1, hasFailed: false, panic: 0, instances: [], scale: SCALE }),
      configMap: () => undefined,
      door: { host: '127.0.0.1', port: 8081 },
      nowMs: () => world.clock.nowMs(),
    });
    await world.pass(reconciler, NAME);
    expect(await world.controller.find(HORIZONTAL_POD_AUTOSCALER, 'default', NAME)).toBeUndefined();
  });

  it('of anybody else would scale nothing, and is refused in plain words', async () => {
    const refusal = await world.refusal({
      ...HORIZONTAL_POD_AUTOSCALER,
      metadata: { name: 'mine', namespace: 'default' },
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, maxReplicas: 3 },
    });
    expect(refusal).toContain('nothing here scales by a HorizontalPodAutoscaler of yours');
    expect(refusal).toContain('kubectl scale');
  });
});
