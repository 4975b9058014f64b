import { beforeEach, describe, expect, it } from 'vitest';
import { KINDS } from '../../../../src/apis/serving/types.ts';
import { INGRESS } from '../../../../src/apis/networking/ingress/types.ts';
import { ANNOTATIONS, LABELS } from '../../../../src/apis/serving/shared.ts';
import { ROLLOUT_ANNOTATION } from '../../../../src/serving/control/traffic/rollout-text.ts';
import { aService } from '../../../kit/serving-objects.ts';
import { ServingWorld } from '../../../kit/serving-world.ts';
import type { World } from '../../../kit/world.ts';

let serving: ServingWorld;
let world: World;
beforeEach(async () => {
  serving = await ServingWorld.open();
  world = serving.world;
});

const metadata = (duration: string): object => ({
  annotations: { 'serving.knative.dev/rollout-duration': duration },
});

/** A Service whose second revision has just become ready. */
async function secondRevision(of: object = {}): Promise<void> {
  await world.apply(aService(of));
  await serving.round();
  await serving.ready('hello-00001');
  await serving.round();
  await world.apply(aService({ ...of, spec: { timeoutSeconds: 5 } }));
  await serving.service();
  await serving.configuration();
  await serving.ready('hello-00002');
  await serving.configuration();
}
const onMain = async (): Promise<string | undefined> => (await serving.splits())['hello.default'];

describe('a gradual roll-out of a Service', () => {
  it('moves its traffic step by step, says so, and is ready at the end', async () => {
    await secondRevision({ metadata: metadata('10s') });
    await serving.route();
    await serving.service();
    expect(await onMain()).toBe('99 hello-00001, 1 hello-00002');
    expect(await serving.traffic()).toMatchObject([
      { revisionName: 'hello-00001', percent: 99, latestRevision: true },
      { revisionName: 'hello-00002', percent: 1, latestRevision: true },
    ]);
    const inProgress = {
      status: 'Unknown',
      reason: 'RolloutInProgress',
      message: 'A gradual rollout of the latest revision(s) is in progress.',
    };
    expect(await serving.condition(KINDS.route, 'hello', 'Ready')).toEqual(inProgress);
    expect(await serving.condition(KINDS.service, 'hello', 'RoutesReady')).toEqual(inProgress);
    await serving.ingress();
    let { next } = await serving.route();
    const seen: (string | undefined)[] = [];
    while (typeof next === 'object') {
      world.clock.advance(next.afterMs);
      ({ next } = await serving.route());
      seen.push(await onMain());
      await serving.ingress();
    }
    expect(seen).toEqual([
      ...[12, 23, 34, 45, 56, 67, 78, 89].map((n) => `${100 - n} hello-00001, ${n} hello-00002`),
      '100 hello-00002',
    ]);
    await serving.routed();
    await serving.service();
    expect(await serving.condition(KINDS.service, 'hello', 'Ready')).toEqual({ status: 'True' });
    expect(await serving.traffic()).toMatchObject([{ revisionName: 'hello-00002', percent: 100 }]);
  });

  it('goes on from where it was when whoever steps it is started anew', async () => {
    await secondRevision({ metadata: metadata('100s') });
    await serving.routed();
    const { next } = await serving.route();
    expect(next).toEqual({ afterMs: 1000 });
    world.clock.advance(40_000); // nobody looked meanwhile
    await serving.route();
    expect(await onMain()).toBe('98 hello-00001, 2 hello-00002');
    expect((await world.get(INGRESS, 'hello')).metadata.annotations?.[ROLLOUT_ANNOTATION]).toContain(
      '"stepSize":1',
    );
  });

  it('keeps every revision that still has a share active until it is over', async () => {
    const state = async (name: string): Promise<unknown> =>
      (await world.get(KINDS.revision, name)).metadata.labels?.[LABELS.routingState];
    await secondRevision({ metadata: metadata('2s') });
    await serving.routed();
    await serving.routed();
    expect([await state('hello-00001'), await state('hello-00002')]).toEqual(['active', 'active']);
    world.clock.advance(5000);
    await serving.route();
    await serving.routed();
    expect([await state('hello-00001'), await state('hello-00002')]).toEqual(['reserve', 'active']);
    expect(
      (await world.get(KINDS.revision, 'hello-00001')).metadata.annotations?.[ANNOTATIONS.routes],
    ).toBeUndefined();
  });

  it('takes its length from config-network where the Service says none, as it is now', async () => {
    await world.configMap('knative-serving', 'config-network', { 'rollout-duration': '10' });
    await secondRevision();
    await serving.routed();
    expect(await onMain()).toBe('99 hello-00001, 1 hello-00002');
    await world.configMap('knative-serving', 'config-network', { 'rollout-duration': '0' });
    await serving.routed();
    expect(await onMain()).toBe('100 hello-00002');
  });

  it('leaves what is pinned alone, and keeps the whole at 100', async () => {
    const traffic = [
      { latestRevision: true, percent: 60 },
      { revisionName: 'hello-00001', percent: 40, tag: 'stable' },
    ];
    await world.apply(aService({ metadata: metadata('10s') }));
    await serving.round();
    await serving.ready('hello-00001');
    await serving.round();
    await world.apply(aService({ metadata: metadata('10s'), traffic, spec: { timeoutSeconds: 5 } }));
    await serving.service();
    await serving.configuration();
    await serving.ready('hello-00002');
    await serving.configuration();
    await serving.service();
    await serving.routed();
    expect(await serving.traffic()).toMatchObject([
      { revisionName: 'hello-00001', percent: 59 },
      { revisionName: 'hello-00002', percent: 1 },
      { revisionName: 'hello-00001', percent: 40, tag: 'stable' },
    ]);
  });

  it('is none by default: the new revision has everything at once', async () => {
    await secondRevision();
    await serving.route();
    expect(await onMain()).toBe('100 hello-00002');
  });
});
