import { beforeEach, describe, expect, it } from 'vitest';
import { ANNOTATIONS, LABELS } from '../../../../src/apis/serving/shared.ts';
import { KINDS, type Route } from '../../../../src/apis/serving/types.ts';
import type { ResourceClient } from '../../../../src/control/resource-client.ts';
import { INGRESS } from '../../../../src/apis/networking/ingress/types.ts';
import { markRouted } from '../../../../src/serving/control/traffic/routing-state.ts';
import { RouteIndex } from '../../../../src/serving/control/traffic/route-index.ts';
import { aRoute, aService } from '../../../kit/serving-objects.ts';
import { ServingWorld } from '../../../kit/serving-world.ts';
import type { World } from '../../../kit/world.ts';

const DEADLINE = { timeout: 20_000 };

let serving: ServingWorld;
let world: World;
beforeEach(async () => {
  serving = await ServingWorld.open();
  world = serving.world;
});

const stateOf = async (name: string): Promise<unknown[]> => {
  const { labels = {}, annotations = {} } = (await world.get(KINDS.revision, name)).metadata;
  return [
    labels[LABELS.routingState],
    annotations[ANNOTATIONS.routes],
    annotations[ANNOTATIONS.routingStateModified],
  ];
};
const next = async (timeoutSeconds: number): Promise<void> => {
  await world.apply(aService({ spec: { timeoutSeconds } }));
  await serving.service();
  await serving.configuration();
};

describe('the routing state of a revision', () => {
  it('is pending, active once its route knows it, and reserve when no route leads there any more', async () => {
    await next(1);
    expect(await stateOf('hello-00001')).toEqual(['pending', undefined, '2030-01-01T00:00:00Z']);
    world.clock.advance(60_000);
    await serving.route(); // before it is ready: it is about to get traffic
    expect(await stateOf('hello-00001')).toEqual(['active', 'hello', '2030-01-01T00:01:00Z']);
    await serving.ready('hello-00001');
    await serving.round();
    await next(2);
    await serving.ready('hello-00002');
    await serving.configuration();
    world.clock.advance(60_000);
    await serving.route();
    expect((await stateOf('hello-00001')).slice(0, 2)).toEqual(['active', 'hello']); // the gateway may still send there
    await serving.routed();
    expect(await stateOf('hello-00001')).toEqual(['reserve', undefined, '2030-01-01T00:02:00Z']);
    expect((await stateOf('hello-00002')).slice(0, 2)).toEqual(['active', 'hello']);
    const configuration = await world.get(KINDS.configuration, 'hello');
    expect(configuration.metadata.annotations?.[ANNOTATIONS.routes]).toBe('hello');
    await serving.round();
    const before = world.version;
    await serving.round();
    expect(world.version).toBe(before);
  });

  it('names every route that leads there, and stays active for as long as one does', async () => {
    await next(1);
    await serving.ready('hello-00001');
    await serving.round();
    await world.apply(aRoute('canary', [{ revisionName: 'hello-00001', percent: 100 }]));
    await serving.routed('canary');
    expect((await stateOf('hello-00001')).slice(0, 2)).toEqual(['active', 'canary,hello']);
    const route = await world.get(KINDS.route, 'canary');
    await serving.routes.finalize?.(route as never);
    expect((await stateOf('hello-00001')).slice(0, 2)).toEqual(['active', 'hello']);
  });

  it('is given back when a route goes, whose hosts go first', async () => {
    await next(1);
    await serving.ready('hello-00001');
    await serving.round();
    world.clock.advance(60_000);
    await serving.routes.finalize?.((await world.get(KINDS.route, 'hello')) as never);
    await expect(world.get(INGRESS, 'hello')).rejects.toThrow('no Ingress default/hello');
    expect(await stateOf('hello-00001')).toEqual(['reserve', undefined, '2030-01-01T00:01:00Z']);
  });

  it('keeps the last good revision active while a new one fails', async () => {
    await next(1);
    await serving.ready('hello-00001');
    await serving.round();
    await next(2);
    await serving.ready('hello-00002', 'False', 'it fell over');
    await serving.round();
    expect((await stateOf('hello-00001')).slice(0, 2)).toEqual(['active', 'hello']);
    expect(await serving.splits()).toMatchObject({ 'hello.default': '100 hello-00001' });
  });
});

describe('marking what is routed to', () => {
  it('reads an object again that somebody else has written meanwhile', async () => {
    await next(1);
    const { controller } = world;
    let isBusy = true;
    const busy: ResourceClient = {
      find: (...given) => controller.find(...given),
      list: (...given) => controller.list(...given),
      watch: (...given) => controller.watch(...given),
      patchStatus: (object) => controller.patchStatus(object),
      remove: (...given) => controller.remove(...given),
      async apply(desired) {
        if (isBusy) await serving.ready('hello-00001'); // another writer, between the read and the write
        isBusy = false;
        return controller.apply(desired);
      },
    };
    const to = { revisions: new Set(['hello-00001']), configurations: new Set<string>() };
    const labelled = () => ({ revisions: [], configurations: [] });
    const route = (await world.get(KINDS.route, 'hello')) as unknown as Route; // of that kind
    await markRouted(busy, route, to, { labelled, isSettled: true, nowMs: 0 });
    expect((await stateOf('hello-00001')).slice(0, 2)).toEqual(['active', 'hello']);
    expect(await serving.condition(KINDS.revision, 'hello-00001', 'Ready')).toMatchObject({ status: 'True' });
  });
});

describe('the index of routes', () => {
  it('finds the routes that a change concerns, and what is marked for a route, by name', async () => {
    await next(1);
    await serving.ready('hello-00001');
    await serving.round();
    await world.apply(aRoute('other', [{ revisionName: 'elsewhere', percent: 100 }]));
    const index = new RouteIndex(world.informers);
    await world.informers.synced();
    const revision = await world.get(KINDS.revision, 'hello-00001');
    expect(index.concerns(revision)).toEqual(['default/hello']);
    expect(index.concerns({ ...revision, metadata: { name: 'elsewhere', namespace: 'default' } })).toEqual([
      'default/other',
    ]);
    expect(index.labelled('default', 'hello')).toEqual({
      revisions: ['hello-00001'],
      configurations: ['hello'],
    });
    await world.admin.remove(KINDS.route, 'default', 'other');
    const elsewhere = { ...revision, metadata: { name: 'elsewhere', namespace: 'default' } };
    await expect.poll(() => index.concerns(elsewhere), DEADLINE).toEqual([]);
  });
});
