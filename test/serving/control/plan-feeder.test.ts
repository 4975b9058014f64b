import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { INGRESS } from '../../../src/apis/networking/ingress/types.ts';
import type { Resource } from '../../../src/apis/resource.ts';
import { KINDS } from '../../../src/apis/serving/types.ts';
import type { KindName } from '../../../src/control/resource-client.ts';
import { PlanFeeder } from '../../../src/serving/control/plan-feeder.ts';
import { Serving } from '../../../src/serving/serving.ts';
import { TwinRuntime } from '../../kit/runtime.ts';
import { aRevision, IMAGE } from '../../kit/serving-objects.ts';
import { World } from '../../kit/world.ts';

const DEADLINE = { timeout: 20_000 };

const KEY = 'default/web';
const NONE = { 'autoscaling.knative.dev/initial-scale': '0' };

let world: World;
let serving: Serving;
let feeder: PlanFeeder;
let routed: string[];
let planned: string[];
/** What is read of Secrets and ConfigMaps is read when this has resolved. */
let gate: Promise<void>;
let isPushed: boolean;
let made = 0;
beforeEach(async () => {
  world = await World.open();
  serving = new Serving({ runtime: new TwinRuntime(() => undefined), clock: systemClock });
  routed = [];
  planned = [];
  gate = Promise.resolve();
  isPushed = true;
  feeder = new PlanFeeder({
    reader: {
      find: (...asked) => gate.then(() => world.controller.find(...asked)),
      list: (...asked) => world.controller.list(...asked),
      watch: (...asked) => world.controller.watch(...asked),
    },
    informers: world.informers,
    serving,
    clock: systemClock,
    random: () => 0.5,
    domain: 'localhost',
    bundleOf: () => (isPushed ? { directory: '/', launch: { kind: 'program', command: ['x'] } } : undefined),
    tokens: async () => ({ kind: 'token', token: `t${(made += 1)}`, renewAtMs: Date.now() + 50 }),
    onRouted: (key) => routed.push(key),
    onPlanned: (key) => planned.push(key),
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
const isLeaving = ({ metadata }: Resource): boolean => metadata.deletionTimestamp !== undefined;
const isKnown = (kind: KindName, is: (object: Resource) => boolean = () => true): boolean => {
  const object = world.informers.of(kind).get(KEY);
  return object !== undefined && is(object);
};
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

  it('is told again when its Route was made again under the name of one that was still to go', async () => {
    const route = (finalizers: readonly string[]): object => ({
      ...KINDS.route,
      metadata: { name: 'web', namespace: 'default', finalizers },
      spec: { traffic: [{ configurationName: 'c', percent: 100 }] },
    });
    await world.apply(route(['routes.serving.knative.dev']));
    await world.admin.remove(KINDS.route, 'default', 'web');
    await expect.poll(() => isKnown(KINDS.route, isLeaving), DEADLINE).toBe(true);
    await leadTo('a');
    await expect.poll(() => isKnown(INGRESS), DEADLINE).toBe(true);
    expect(generation()).toBeUndefined();
    routed = [];
    await world.apply({ ...(await world.get(KINDS.route, 'web')), ...route([]) });
    await world.apply(route([]));
    await expect.poll(() => routed.includes(KEY), DEADLINE).toBe(true);
    expect(generation()).toBe(1);
  });
});

describe('a revision in the data plane', () => {
  it('is told of when its plan is there, and when that is another', async () => {
    await revision('a');
    await pinned('a');
    await expect.poll(() => planned, DEADLINE).toEqual(['default/a']);
    await world.configMap('knative-serving', 'config-autoscaler', { 'stable-window': '30s' });
    await expect.poll(() => planned, DEADLINE).toEqual(['default/a', 'default/a']);
    await world.configMap('knative-serving', 'config-autoscaler', { 'stable-window': '30s', _example: 'x' });
    await revision('b');
    await pinned('b');
    await expect.poll(() => planned, DEADLINE).toEqual(['default/a', 'default/a', 'default/b']);
  });

  it('whose image was lost has a plan once that is pushed again', async () => {
    isPushed = false;
    await revision('a');
    await pinned('a');
    const problem = (): string | undefined => feeder.problemOf('default/a');
    await expect
      .poll(problem, DEADLINE)
      .toBe('image x@sha256:1 is no longer in the local store; push it again');
    isPushed = true;
    feeder.imagePushed();
    await expect.poll(() => serving.poolOf('default/a') !== undefined, DEADLINE).toBe(true);
    expect(problem()).toBeUndefined();
  });

  it('that cannot be prepared says why, and is tried again', async () => {
    gate = Promise.reject(new Error('the store is away'));
    gate.catch(() => undefined); // whoever reads is told
    const envFrom = [{ secretRef: { name: 's', optional: true } }];
    const containers = [{ name: 'user-container', image: IMAGE, envFrom }];
    await world.apply({ ...aRevision('a', NONE), spec: { containers } });
    await pinned('a');
    const problem = (): string | undefined => feeder.problemOf('default/a');
    await expect.poll(problem, DEADLINE).toBe('it cannot be prepared: the store is away; it is tried again');
    gate = Promise.resolve();
    await expect.poll(() => serving.poolOf('default/a') !== undefined, DEADLINE).toBe(true);
    expect(problem()).toBeUndefined();
  });

  it('that was made again under its name has no instance of the former one', async () => {
    const ids = (): readonly string[] =>
      serving.snapshot().flatMap(({ instances }) => instances.map(({ id }) => id));
    const valueFrom = { secretKeyRef: { name: 's', key: 'k' } };
    const containers = [{ name: 'user-container', image: IMAGE, env: [{ name: 'K', valueFrom }] }];
    const secret = (value: string): Promise<unknown> =>
      world.apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 's', namespace: 'default' },
        stringData: { k: value },
      });
    const make = async (): Promise<void> => {
      await world.apply({ ...aRevision('a'), spec: { containers } });
      await pinned('a');
    };
    await secret('1');
    await make();
    await expect.poll(() => serving.countsOf('default/a').ready, DEADLINE).toBe(1);
    const [former] = ids();
    const held = Promise.withResolvers<void>();
    gate = held.promise;
    await secret('2'); // looked at, and on the way while the revision goes and comes
    await world.admin.remove(KINDS.revision, 'default', 'a');
    await make();
    const now = await world.get(KINDS.revision, 'a');
    const version = now.metadata.resourceVersion;
    await expect
      .poll(() => world.informers.of(KINDS.revision).get('default/a')?.metadata.resourceVersion, DEADLINE)
      .toBe(version);
    held.resolve();
    await expect.poll(() => ids().some((id) => id !== former), DEADLINE).toBe(true);
    await expect.poll(ids, DEADLINE).not.toContain(former);
  });
});

describe('the token that a volume holds', () => {
  it('is another once it is to be renewed, although nothing has changed', async () => {
    const volumes = [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }];
    const containers = [{ image: IMAGE, volumeMounts: [{ name: 'v', mountPath: '/v' }] }];
    await world.apply({ ...aRevision('a', NONE), spec: { containers, volumes } });
    await pinned('a');
    const token = (): string | undefined => {
      const [volume] = serving.poolOf('default/a')?.plan.instance.volumes ?? [];
      const content = volume?.kind === 'files' ? volume.files[0]?.content : undefined;
      return content?.toString();
    };
    await expect.poll(token, DEADLINE).toMatch(/^t\d+$/);
    const first = token();
    await expect.poll(token, DEADLINE).not.toBe(first);
  });
});
