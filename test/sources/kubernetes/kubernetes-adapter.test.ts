import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../../src/base/clock.ts';
import { OF_SCALING, TELLS_SCALING } from '../../../src/apis/core/scaling-events.ts';
import type { Resource } from '../../../src/apis/resource.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import { kubernetesAdapter } from '../../../src/sources/kubernetes/kubernetes-adapter.ts';
import { planApiServerSource, type KubernetesPlan } from '../../../src/sources/kubernetes/plan.ts';
import type { RunningSource, SourceState } from '../../../src/sources/source.ts';
import { MemoryBookmark, sourceContract } from '../../contracts/source.ts';
import { aConfigMap, anApiServerSource, CuttableCluster } from '../../kit/kubernetes.ts';
import { namespace } from '../../kit/objects.ts';
import { World } from '../../kit/world.ts';

/** The time goes on from one hour after that of the cluster's objects. */
const AHEAD_MS = Date.UTC(2030, 0, 1, 1) - Date.now();
const clock: Clock = {
  nowMs: () => Date.now() + AHEAD_MS,
  until: (dueMs, signal) => systemClock.until(dueMs - AHEAD_MS, signal),
};

const planOf = (spec: Readonly<Record<string, unknown>> = {}): KubernetesPlan => {
  const planned = planApiServerSource(anApiServerSource('watcher', spec), () => undefined);
  if (planned.kind === 'missing') throw new Error('there is nothing to miss');
  return planned.plan;
};

sourceContract('an ApiServerSource of the embedded API', async () => {
  const world = await World.open();
  const cluster = new CuttableCluster(world.controller);
  return {
    produce: async (name) => void (await world.apply(aConfigMap(name))),
    nameOf: ({ attributes }) => attributes.get('name') ?? '',
    open: (tools) =>
      kubernetesAdapter.open(planOf(), { ...tools, reader: cluster.reader, clusterAt: async () => cluster }),
    goAway: async () => cluster.goAway(),
    comeBack: async () => cluster.comeBack(),
    keepsWhileClosed: true,
    release: () => world.close(),
  };
});

describe('a source that watches objects', () => {
  let world: World;
  let cluster: CuttableCluster;
  let bookmark: MemoryBookmark;
  let told: CloudEvent[];
  let states: SourceState[];
  let warnings: string[];
  const opened: RunningSource[] = [];

  beforeEach(async () => {
    world = await World.open();
    cluster = new CuttableCluster(world.controller);
    bookmark = new MemoryBookmark();
    [told, states, warnings] = [[], [], []];
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((source) => source.close()));
    await world.close();
  });

  async function open(spec: Readonly<Record<string, unknown>> = {}): Promise<RunningSource> {
    const seen = states.length;
    const source = begin(planOf(spec));
    await expect.poll(() => states.slice(seen).at(-1)?.kind).toBe('running');
    return source;
  }
  function begin(plan: KubernetesPlan): RunningSource {
    const source = kubernetesAdapter.open(plan, {
      clock,
      random: () => 0.5,
      bookmark,
      reader: cluster.reader,
      clusterAt: async () => cluster,
      tell: (state) => states.push(state),
      warn: (reason, message) => warnings.push(`${reason}: ${message}`),
      async deliver(event) {
        told.push(event);
        return 'taken';
      },
    });
    opened.push(source);
    return source;
  }
  const names = (): string[] =>
    told.map(({ attributes }) => `${attributes.get('type')?.split('.').at(-1)} ${attributes.get('name')}`);
  const apply = (object: Resource): Promise<unknown> => world.apply(object);
  const remove = (name: string): Promise<void> =>
    world.admin.remove({ apiVersion: 'v1', kind: 'ConfigMap' }, 'default', name);

  it('tells what is added, changed and deleted, in order, and nothing of what was there', async () => {
    await apply(aConfigMap('before'));
    await open();
    await apply(aConfigMap('a'));
    await apply(aConfigMap('a', { value: '2' }));
    await remove('a');
    await expect.poll(names).toEqual(['add a', 'update a', 'delete a']);
  });

  it('goes on from its bookmark with what happened while it was closed, deletions among it', async () => {
    await apply(aConfigMap('old'));
    const first = await open();
    await apply(aConfigMap('a'));
    await expect.poll(names).toEqual(['add a']);
    await first.close();
    await remove('old');
    await apply(aConfigMap('a', { value: '2' }));
    const { lists } = cluster;
    await open();
    await expect.poll(names).toEqual(['add a', 'delete old', 'update a']);
    expect(cluster.lists).toBe(lists); // by its version, without a list
  });

  it('tells what is other than it knew when the cluster has forgotten what happened, and not everything anew', async () => {
    for (const name of ['same', 'changed', 'gone']) await apply(aConfigMap(name));
    const first = await open();
    await first.close();
    await remove('gone');
    await apply(aConfigMap('changed', { value: '2' }));
    await apply(aConfigMap('new'));
    cluster.hasForgotten = true;
    await open();
    await expect.poll(names).toEqual(['delete gone', 'update changed', 'add new']);
    expect(warnings).toEqual([]);
    await apply(aConfigMap('later'));
    await expect.poll(() => names().at(-1)).toBe('add later');
  });

  it('is cut while it watches, and goes on', async () => {
    await open();
    cluster.goAway();
    await expect
      .poll(() => states.at(-1))
      .toMatchObject({
        kind: 'failing',
        condition: 'Deployed',
        reason: 'ClusterUnreachable',
        message: 'connect ECONNREFUSED 127.0.0.1:6443',
      });
    await apply(aConfigMap('meanwhile'));
    cluster.hasForgotten = true;
    cluster.comeBack();
    await expect.poll(names).toEqual(['add meanwhile']);
    expect(states.at(-1)?.kind).toBe('running');
  });

  it('says which deletions it may have missed when there were too many objects to remember', async () => {
    await apply(aConfigMap('a'));
    const first = await open();
    await first.close();
    const text = (bookmark.text ?? '').replace('"notRemembered":0', '"notRemembered":7');
    bookmark.text = text;
    cluster.hasForgotten = true;
    await open();
    expect(warnings).toEqual([
      expect.stringMatching(/^DeletionsNotTold: ConfigMap in namespace default: .* of 7 objects/),
    ]);
  });

  it('begins anew with a bookmark that is none, or of another cluster', async () => {
    await apply(aConfigMap('before'));
    for (const text of ['{"cluster":"https://other","sinceMs":1,"lanes":{}}', 'not json', '[]']) {
      bookmark.text = text;
      const source = await open();
      await source.close();
    }
    expect(told).toEqual([]);
  });

  it('says that it cannot note how far it has come, and goes on', async () => {
    const { write } = bookmark;
    bookmark.write = () => Promise.reject(new Error('no space left on device'));
    begin(planOf());
    await expect
      .poll(() => states.at(-1))
      .toMatchObject({
        kind: 'failing',
        condition: 'Deployed',
        reason: 'ProgressNotKept',
        message: 'how far the source has come cannot be noted: no space left on device',
      });
    await apply(aConfigMap('a'));
    await expect.poll(names).toEqual(['add a']);
    bookmark.write = write;
    await expect.poll(() => states.at(-1)?.kind, { timeout: 10_000 }).toBe('running');
    expect(bookmark.text).toContain('default/a');
  });

  it('watches its own namespace only, and others by their labels as they come, change and go', async () => {
    await apply(namespace('shop'));
    await open();
    await apply(aConfigMap('elsewhere', { namespace: 'shop' }));
    await apply(aConfigMap('here'));
    await expect.poll(names).toEqual(['add here']);
    await opened.splice(0).at(0)?.close();

    await open({ namespaceSelector: { matchLabels: { team: 'shop' } } });
    expect(states.at(-1)).toMatchObject({ fields: { namespaces: [] } });
    const labelled = { ...namespace('shop'), metadata: { name: 'shop', labels: { team: 'shop' } } };
    await apply(labelled as Resource);
    await expect.poll(() => states.at(-1)).toMatchObject({ fields: { namespaces: ['shop'] } });
    await apply(aConfigMap('in-shop', { namespace: 'shop' }));
    await expect.poll(() => names().at(-1)).toBe('add in-shop');
    expect(names()).toEqual(['add here', 'add in-shop']);
    await apply({ ...labelled, metadata: { name: 'shop', labels: {} } });
    await expect.poll(() => states.at(-1)).toMatchObject({ fields: { namespaces: [] } });
  });

  it('tells of a new namespace from its first object on, and of one that goes to its last', async () => {
    await open({ namespaceSelector: { matchLabels: { team: 'new' } } });
    world.clock.advance(2 * 3_600_000);
    const made = { ...namespace('new'), metadata: { name: 'new', labels: { team: 'new' } } };
    await apply(made as Resource);
    await apply(aConfigMap('first', { namespace: 'new' }));
    await expect.poll(names).toEqual(['add first']);
    await world.admin.remove({ apiVersion: 'v1', kind: 'ConfigMap' }, 'new', 'first');
    await world.admin.remove({ apiVersion: 'v1', kind: 'Namespace' }, undefined, 'new');
    await expect.poll(names).toEqual(['add first', 'delete first']);
  });

  it.each<Record<string, unknown>>([
    { not: { suffix: { type: '.update' } } },
    { cesql: "type NOT LIKE '%.update' AND kind = 'ConfigMap' AND datacontenttype = 'application/json'" },
  ])(
    'watches all namespaces, objects by their labels, and only what its filters pass: %j',
    async (filter) => {
      await apply(namespace('shop'));
      const resources = [{ apiVersion: 'v1', kind: 'ConfigMap', selector: { matchLabels: { app: 'web' } } }];
      await open({ namespaceSelector: {}, resources, filters: [filter] });
      expect(states.at(-1)).toMatchObject({ fields: { namespaces: [''] } });
      const web = { namespace: 'shop', labels: { app: 'web' } };
      await apply(aConfigMap('db', { namespace: 'shop' }));
      await apply(aConfigMap('web', web));
      await apply(aConfigMap('web', { ...web, value: '2' }));
      await apply(aConfigMap('web', { namespace: 'shop' })); // leaves the selection
      await expect.poll(names).toEqual(['add web', 'delete web']);
    },
  );

  it('watches what is in no namespace once, whatever namespaces are chosen', async () => {
    await open({ resources: [{ apiVersion: 'v1', kind: 'Namespace' }], mode: 'Reference' });
    await apply(namespace('shop'));
    await expect.poll(names).toEqual(['add shop']);
    expect(told[0]?.attributes.get('source')).toBe('https://cluster.test:6443');
  });

  it('tells what is there too as the legacy source does, once, and no deletions', async () => {
    const legacy: KubernetesPlan = {
      access: { kind: 'embedded' },
      resources: [{ apiVersion: 'v1', kind: 'Event' }],
      namespaces: { kind: 'one', namespace: 'default' },
      tells: { kind: 'core-events' },
      tellsScaling: false,
      checksAccess: true,
    };
    const happening = (name: string): Resource => {
      const involvedObject = { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: 'p' };
      const event = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name, namespace: 'default' },
        involvedObject,
      };
      return event;
    };
    await apply(happening('there'));
    const told2018 = (): unknown[] =>
      told.map(({ body }) => (JSON.parse(Buffer.from(body).toString()) as Resource).metadata.name);
    const first = begin(legacy);
    await expect.poll(told2018).toEqual(['there']);
    await first.close();
    begin(legacy);
    await apply(happening('new'));
    await world.admin.remove({ apiVersion: 'v1', kind: 'Event' }, 'default', 'there');
    await apply(happening('last'));
    await expect.poll(told2018).toEqual(['there', 'new', 'last']);
    const types = new Set(told.map(({ attributes }) => attributes.get('type')));
    expect(types).toEqual(new Set(['dev.knative.k8s.event']));
  });

  it('leaves out what is said of instances that come and go with the requests, unless it is asked for', async () => {
    const said = (
      name: string,
      labels: Readonly<Record<string, string>> = {},
    ): Resource & { readonly involvedObject: object } => ({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace: 'default', labels },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: 'p' },
    });
    const resources = [{ apiVersion: 'v1', kind: 'Event' }];
    const source = await open({ resources });
    await apply(said('started', { [OF_SCALING]: 'true' }));
    await apply(said('failed'));
    await expect.poll(names).toEqual(['add failed']);
    await source.close();
    const asking = anApiServerSource('watcher', { resources }, { [TELLS_SCALING]: 'true' });
    const planned = planApiServerSource(asking, () => undefined);
    if (planned.kind === 'missing') throw new Error('there is nothing to miss');
    begin(planned.plan);
    await apply(said('ended', { [OF_SCALING]: 'true' }));
    await expect.poll(names).toEqual(['add failed', 'add ended']);
  });

  it('says of a kind that is not served, and watches the others', async () => {
    const resources = [
      { apiVersion: 'example.com/v1', kind: 'Thing' },
      { apiVersion: 'v1', kind: 'ConfigMap' },
    ];
    begin(planOf({ resources }));
    await expect
      .poll(() => states.at(-1))
      .toEqual({
        kind: 'failing',
        condition: 'Deployed',
        reason: 'ResourceNotServed',
        message: 'the server could not find the requested resource (Thing in example.com/v1)',
      });
    await apply(aConfigMap('a'));
    await expect.poll(names).toEqual(['add a']);
  });
});
