import { beforeEach, describe, expect, it } from 'vitest';
import { INGRESS } from '../../../../src/apis/networking/ingress/types.ts';
import { LABELS } from '../../../../src/apis/serving/shared.ts';
import { KINDS } from '../../../../src/apis/serving/types.ts';
import { aConfiguration, aRevision, aRoute } from '../../../kit/serving-objects.ts';
import { ServingWorld } from '../../../kit/serving-world.ts';
import type { World } from '../../../kit/world.ts';

const KUBERNETES_SERVICE = { apiVersion: 'v1', kind: 'Service' };

let serving: ServingWorld;
let world: World;
beforeEach(async () => {
  serving = await ServingWorld.open();
  world = serving.world;
});

async function readyRevisions(...names: string[]): Promise<void> {
  for (const name of names) {
    await world.apply(aRevision(name));
    await serving.ready(name);
  }
}
const three = [
  { revisionName: 'a-00001', percent: 90 },
  { revisionName: 'a-00002', percent: 10, tag: 'new' },
  { revisionName: 'a-00003', percent: 0, tag: 'old' },
];

describe('a Route', () => {
  it('shares its traffic, and gives each tag a host of its own', async () => {
    await readyRevisions('a-00001', 'a-00002', 'a-00003');
    await world.apply(aRoute('a', three));
    await serving.routed('a');
    const at = (tag: string): object => ({ tag, url: `http://${tag}-a.default.localhost` });
    expect((await world.get(KINDS.route, 'a')).status).toMatchObject({
      url: 'http://a.default.localhost',
      address: { url: 'http://a.default.svc.cluster.local' },
      traffic: [
        { revisionName: 'a-00001', percent: 90, latestRevision: false },
        { revisionName: 'a-00002', percent: 10, latestRevision: false, ...at('new') },
        { revisionName: 'a-00003', percent: 0, latestRevision: false, ...at('old') },
      ],
    });
    const shares = { a: '90 a-00001, 10 a-00002', 'new-a': '100 a-00002', 'old-a': '100 a-00003' };
    const everywhere = Object.entries(shares).flatMap(([name, split]) => [
      [`${name}.default`, split],
      [`${name}.default.localhost`, split],
    ]);
    expect(await serving.splits('a')).toEqual(Object.fromEntries(everywhere));
  });

  it('is ready with upstream’s conditions once the gateway routes by its Ingress, and not before', async () => {
    await readyRevisions('a-00001');
    await world.apply(aRoute('a', [{ revisionName: 'a-00001', percent: 100 }]));
    serving.isGatewaySlow = true;
    await serving.routed('a');
    const condition = (type: string) => serving.condition(KINDS.route, 'a', type);
    expect(await condition('AllTrafficAssigned')).toEqual({ status: 'True' });
    expect(await condition('IngressReady')).toEqual({
      status: 'Unknown',
      reason: 'Uninitialized',
      message: 'Waiting for load balancer to be ready',
    });
    serving.isGatewaySlow = false;
    await serving.routed('a');
    expect(await condition('Ready')).toEqual({ status: 'True' });
    expect(await condition('CertificateProvisioned')).toEqual({
      status: 'True',
      reason: 'TLSNotEnabled',
      message: 'external-domain-tls is not enabled',
    });
    await world.apply(aRoute('a', [{ revisionName: 'a-00001', percent: 100, tag: 'x' }]));
    await serving.route('a');
    expect(await condition('Ready')).toEqual({
      status: 'Unknown',
      reason: 'IngressNotConfigured',
      message: 'Ingress has not yet been reconciled.',
    });
  });

  it('makes an Ingress and a Service for each host that go with it, and tells of them', async () => {
    await readyRevisions('a-00001');
    const { metadata } = await world.apply(
      aRoute('a', [{ revisionName: 'a-00001', percent: 100, tag: 'x' }]),
    );
    const told = (await serving.route('a')).events?.map(({ message }) => message);
    expect(told).toEqual([
      'Created placeholder service "a"',
      'Created placeholder service "x-a"',
      'Created Ingress "a"',
    ]);
    const owners = [
      { ...KINDS.route, name: 'a', uid: metadata.uid, controller: true, blockOwnerDeletion: true },
    ];
    const ingress = await world.get(INGRESS, 'a');
    expect(ingress.metadata).toMatchObject({
      ownerReferences: owners,
      labels: { [LABELS.route]: 'a', [LABELS.routeNamespace]: 'default' },
    });
    const placeholder = await world.get(KUBERNETES_SERVICE, 'x-a');
    expect(placeholder).toMatchObject({
      metadata: { ownerReferences: owners, labels: { [LABELS.route]: 'a' } },
      spec: { type: 'ExternalName', externalName: 'x-a.default.localhost' },
    });
    await world.apply(aRoute('a', [{ revisionName: 'a-00001', percent: 100 }]));
    await serving.routed('a');
    await expect(world.get(KUBERNETES_SERVICE, 'x-a')).rejects.toThrow('no Service default/x-a');
    const before = world.version;
    await serving.routed('a');
    expect(world.version).toBe(before);
  });

  it('that is cluster-local has no url and no host outside', async () => {
    await readyRevisions('a-00001');
    const labels = { [LABELS.visibility]: 'cluster-local' };
    await world.apply(aRoute('a', [{ revisionName: 'a-00001', percent: 100, tag: 't' }], labels));
    await serving.routed('a');
    expect((await world.get(KINDS.route, 'a')).status).toMatchObject({
      url: 'http://a.default.svc.cluster.local',
      traffic: [{ url: 'http://t-a.default.svc.cluster.local' }],
    });
    expect(Object.keys(await serving.splits('a'))).toEqual(['a.default', 't-a.default']);
  });

  it('hides one tag by a label on its Service, and shows it again without', async () => {
    await readyRevisions('a-00001');
    await world.apply(aRoute('a', [{ revisionName: 'a-00001', percent: 100, tag: 't' }]));
    await serving.routed('a');
    const service = await world.get(KUBERNETES_SERVICE, 't-a');
    const labels = { ...service.metadata.labels, [LABELS.visibility]: 'cluster-local' };
    await world.apply({ ...service, metadata: { ...service.metadata, labels } });
    await serving.routed('a');
    expect(Object.keys(await serving.splits('a'))).toEqual([
      'a.default',
      'a.default.localhost',
      't-a.default',
    ]);
    expect(await serving.traffic('a')).toMatchObject([{ url: 'http://t-a.default.svc.cluster.local' }]);
    await world.apply({ ...service, metadata: { ...service.metadata, resourceVersion: undefined } });
    await serving.routed('a');
    expect(Object.keys(await serving.splits('a'))).toContain('t-a.default.localhost');
  });

  it('leaves a Service of its name alone that is not its own, and says so', async () => {
    await readyRevisions('a-00001');
    await world.apply({
      ...KUBERNETES_SERVICE,
      metadata: { name: 'a', namespace: 'default' },
      spec: { ports: [{ port: 80 }] },
    });
    const taken = await world.get(KUBERNETES_SERVICE, 'a');
    await world.apply(aRoute('a', [{ revisionName: 'a-00001', percent: 100 }]));
    expect((await serving.route('a')).events).toEqual([
      { type: 'Warning', reason: 'InternalError', message: 'route: "a" does not own Service: "a"' },
    ]);
    expect(await serving.condition(KINDS.route, 'a', 'Ready')).toEqual({
      status: 'False',
      reason: 'NotOwned',
      message:
        'There is an existing placeholder Service "a" that we do not own. Delete it, or give the Route another name.',
    });
    expect(await world.get(KUBERNETES_SERVICE, 'a')).toBe(taken);
    const { events, next } = await serving.route('a');
    expect(events).toEqual([]);
    expect(next).toEqual({ afterMs: 10_000 }); // nothing tells that it has gone
  });

  it.each([
    [
      'no such revision',
      { revisionName: 'x' },
      'False',
      'RevisionMissing',
      'Revision "x" referenced in traffic not found.',
    ],
    [
      'no such configuration',
      { configurationName: 'x' },
      'False',
      'ConfigurationMissing',
      'Configuration "x" referenced in traffic not found.',
    ],
    [
      'a failed revision',
      { revisionName: 'bad' },
      'False',
      'RevisionMissing',
      'Revision "bad" failed to become ready. Its conditions say why: kubectl describe revision bad -n default',
    ],
    [
      'a starting revision',
      { revisionName: 'new' },
      'Unknown',
      'RevisionMissing',
      'Revision "new" is not yet ready.',
    ],
    [
      'a starting configuration',
      { configurationName: 'hello' },
      'Unknown',
      'RevisionMissing',
      'Configuration "hello" is waiting for a Revision to become ready.',
    ],
    [
      'a failed configuration',
      { configurationName: 'broken' },
      'False',
      'RevisionMissing',
      'Configuration "broken" does not have any ready Revision. Its condition Ready says why: kubectl describe configuration broken -n default',
    ],
    [
      'another Service’s revision',
      { revisionName: 'theirs' },
      'False',
      'RevisionNotOwned',
      'Revision "theirs" belongs to Service "b", not Service "a".',
    ],
  ])('says that there is %s', async (_, target, status, reason, message) => {
    for (const [name, service] of [
      ['new', 'a'],
      ['bad', 'a'],
      ['theirs', 'b'],
    ] as const) {
      const metadata = { name, namespace: 'default', labels: { [LABELS.service]: service } };
      await world.apply({ ...aRevision(name), metadata });
    }
    await serving.ready('bad', 'False', 'x');
    await world.apply(aConfiguration());
    await world.apply(aConfiguration({ name: 'broken' }));
    await world.state(KINDS.configuration, 'broken', { conditions: [{ type: 'Ready', status: 'False' }] });
    const labels = { [LABELS.service]: 'a' };
    const ownerReferences = [{ ...KINDS.service, name: 'a', uid: 'u' }];
    await world.apply({
      ...aRoute('r', [{ ...target, percent: 100 }]),
      metadata: { name: 'r', namespace: 'default', labels, ownerReferences },
    });
    await serving.route('r');
    expect(await serving.condition(KINDS.route, 'r', 'AllTrafficAssigned')).toEqual({
      status,
      reason,
      message,
    });
  });

  it('names what will not come by itself before what is on its way', async () => {
    await world.apply(aRevision('new'));
    await world.apply(
      aRoute('r', [
        { revisionName: 'gone', percent: 50 },
        { revisionName: 'new', percent: 50 },
      ]),
    );
    await serving.route('r');
    expect(await serving.condition(KINDS.route, 'r', 'Ready')).toMatchObject({
      message: 'Revision "gone" referenced in traffic not found.',
    });
  });

  it('keeps the last good traffic while a target of its new one is missing', async () => {
    await readyRevisions('a-00001');
    await world.apply(aRoute('a', [{ revisionName: 'a-00001', percent: 100 }]));
    await serving.routed('a');
    const before = await serving.splits('a');
    await world.apply(aRoute('a', [{ revisionName: 'gone', percent: 100 }]));
    await serving.routed('a');
    expect(await serving.traffic('a')).toMatchObject([{ revisionName: 'a-00001', percent: 100 }]);
    expect(await serving.splits('a')).toEqual(before);
    expect(await serving.condition(KINDS.route, 'a', 'Ready')).toMatchObject({
      status: 'False',
      reason: 'RevisionMissing',
    });
  });

  it('says that a tag and its name are too long together for a host', async () => {
    await readyRevisions('a-00001');
    const name = 'n'.repeat(60);
    await world.apply(aRoute(name, [{ revisionName: 'a-00001', percent: 100, tag: 'tag' }]));
    await serving.route(name);
    expect(await serving.condition(KINDS.route, name, 'AllTrafficAssigned')).toEqual({
      status: 'False',
      reason: 'ErrorConfig',
      message: `domain name error: invalid domain name "tag-${name}.default.localhost": url: Invalid value: "tag-${name}": must be no more than 63 characters`,
    });
  });

  it('counts shares of one revision together', async () => {
    await readyRevisions('a-00001', 'a-00002');
    await world.apply(
      aRoute('a', [
        { revisionName: 'a-00001', percent: 30 },
        { revisionName: 'a-00001', percent: 20, tag: 't' },
        { revisionName: 'a-00002', percent: 50 },
      ]),
    );
    await serving.routed('a');
    expect(await serving.splits('a')).toMatchObject({ 'a.default': '50 a-00001, 50 a-00002' });
    expect(await serving.traffic('a')).toMatchObject([
      { percent: 30 },
      { percent: 20, tag: 't' },
      { percent: 50 },
    ]);
  });

  it('asks for a tag by header on its own host once config-features says so, and not before', async () => {
    await readyRevisions('a-00001', 'a-00002', 'a-00003');
    await world.apply(aRoute('a', three));
    await serving.routed('a');
    const paths = async (): Promise<unknown[]> => {
      const { rules } = (await world.get(INGRESS, 'a'))['spec'] as {
        rules: { http: { paths: unknown[] } }[];
      };
      return rules.flatMap(({ http }) => http.paths);
    };
    expect(JSON.stringify(await paths())).not.toMatch(/Knative-Serving-Tag|Default-Route/);
    await world.configMap('knative-serving', 'config-features', { 'tag-header-based-routing': 'enabled' });
    await serving.routed('a');
    const [asNew, asOld, own] = await paths();
    expect(asNew).toMatchObject({
      headers: { 'Knative-Serving-Tag': { exact: 'new' } },
      splits: [{ serviceName: 'a-00002', percent: 100 }],
    });
    expect(asOld).toMatchObject({ headers: { 'Knative-Serving-Tag': { exact: 'old' } } });
    expect(own).toMatchObject({
      appendHeaders: { 'Knative-Serving-Default-Route': 'true' },
      splits: [{ percent: 90 }, { percent: 10 }],
    });
    expect((await paths()).at(-1)).toMatchObject({ appendHeaders: { 'Knative-Serving-Tag': 'old' } });
  });
});
