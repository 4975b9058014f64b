import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { INGRESS } from '../../../src/apis/networking/ingress/types.ts';
import { KINDS } from '../../../src/apis/serving/types.ts';
import { PlanFeeder } from '../../../src/serving/control/plan-feeder.ts';
import { Serving } from '../../../src/serving/serving.ts';
import { TwinRuntime } from '../../kit/runtime.ts';
import { aRevision } from '../../kit/serving-objects.ts';
import { World } from '../../kit/world.ts';

const DEADLINE = { timeout: 20_000 };

const KEY = 'default/web';
const NONE = { 'autoscaling.knative.dev/initial-scale': '0' };

let world: World;
let serving: Serving;
let feeder: PlanFeeder;
let routed: string[];
beforeEach(async () => {
  world = await World.open();
  serving = new Serving({ runtime: new TwinRuntime(() => undefined), clock: systemClock });
  routed = [];
  feeder = new PlanFeeder({
    reader: world.controller,
    informers: world.informers,
    serving,
    clock: systemClock,
    random: () => 0.5,
    domain: 'localhost',
    bundleOf: () => ({ directory: '/', launch: { kind: 'program', command: ['x'] } }),
    onRouted: (key) => routed.push(key),
  });
  feeder.start();
});
afterEach(async () => {
  await feeder.close();
  await serving.close(0);
});

const revision = async (name: string): Promise<void> => void (await world.apply(aRevision(name, NONE)));
const pinned = async (name: string): Promise<void> => {
  await world.state(KINDS.revision, name, {
    containerStatuses: [{ name: 'user-container', imageDigest: 'x@sha256:1' }],
  });
};
const leadTo = (serviceName: string): Promise<unknown> =>
  world.apply({
    ...INGRESS,
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      rules: [
        {
          hosts: ['web.default.localhost'],
          http: { paths: [{ splits: [{ serviceNamespace: 'default', serviceName, servicePort: 80 }] }] },
        },
      ],
    },
  });
const generation = (): number | undefined => feeder.routedGeneration(KEY);

describe('what the gateway is told of an Ingress', () => {
  it('is its hosts, at once, until it goes', async () => {
    await leadTo('a');
    await expect.poll(generation, DEADLINE).toBe(1);
    expect(serving.listenerFor('web.default.localhost')).toBe('public');
    await world.admin.remove(INGRESS, 'default', 'web');
    await expect.poll(() => serving.answersTo('web.default.localhost'), DEADLINE).toBe(false);
    expect(generation()).toBeUndefined();
  });

  it('is not changed before the revision that it leads to then can take requests', async () => {
    await revision('a');
    await revision('b');
    await pinned('a');
    await expect.poll(() => serving.poolOf('default/a') !== undefined, DEADLINE).toBe(true);
    await leadTo('a');
    await expect.poll(generation, DEADLINE).toBe(1);
    await leadTo('b');
    await expect.poll(() => world.informers.of(INGRESS).get(KEY)?.metadata.generation, DEADLINE).toBe(2);
    expect(generation()).toBe(1);
    expect(routed).toEqual([]);
    await pinned('b');
    await expect.poll(generation, DEADLINE).toBe(2);
    expect(routed).toEqual([KEY]);
  });

  it('ends as soon as its Route is to go', async () => {
    const finalizers = ['routes.serving.knative.dev'];
    await world.apply({
      ...KINDS.route,
      metadata: { name: 'web', namespace: 'default', finalizers },
      spec: { traffic: [{ configurationName: 'c', percent: 100 }] },
    });
    await leadTo('a');
    await expect.poll(generation, DEADLINE).toBe(1);
    await world.admin.remove(KINDS.route, 'default', 'web');
    await expect.poll(() => serving.answersTo('web.default.localhost'), DEADLINE).toBe(false);
  });
});
