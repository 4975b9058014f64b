import { beforeAll, describe, expect, it } from 'vitest';
import { KINDS } from '../../../src/apis/serving/types.ts';
import { aRevision, aRoute, aService } from '../../kit/serving-objects.ts';
import { World } from '../../kit/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.open();
});

describe('a Service', () => {
  it('that names an image only is stored in the golden shape', async () => {
    const { metadata, spec } = await world.apply(aService());
    expect(metadata.annotations).toEqual({
      'serving.knative.dev/creator': 'admin',
      'serving.knative.dev/lastModifier': 'admin',
    });
    expect(spec).toEqual({
      template: {
        spec: {
          containerConcurrency: 0,
          enableServiceLinks: false,
          timeoutSeconds: 300,
          containers: [
            {
              name: 'user-container',
              image: 'dev.local/hello',
              readinessProbe: { successThreshold: 1, tcpSocket: { port: 0 } },
              resources: {},
            },
          ],
        },
      },
      traffic: [{ latestRevision: true, percent: 100 }],
    });
  });

  it('keeps what its user wrote', async () => {
    const { spec } = await world.apply(
      aService({
        name: 'own',
        spec: { containerConcurrency: 7, timeoutSeconds: 20, enableServiceLinks: true },
        container: { name: 'mine', readinessProbe: { httpGet: { path: '/up' }, periodSeconds: 5 } },
        traffic: [{ revisionName: 'own-00001', percent: 100 }, { tag: 'next' }],
      }),
    );
    expect(spec).toMatchObject({
      template: {
        spec: {
          containerConcurrency: 7,
          timeoutSeconds: 20,
          enableServiceLinks: true,
          containers: [
            {
              name: 'mine',
              readinessProbe: {
                httpGet: { path: '/up' },
                periodSeconds: 5,
                failureThreshold: 3,
                timeoutSeconds: 1,
                successThreshold: 1,
              },
            },
          ],
        },
      },
      traffic: [
        { revisionName: 'own-00001', percent: 100, latestRevision: false },
        { tag: 'next', percent: 0, latestRevision: true },
      ],
    });
  });

  it('bumps no version when it is applied again, and a generation when its template changes', async () => {
    const first = await world.apply(aService({ name: 'again' }));
    const before = world.version;
    await world.apply(aService({ name: 'again' }));
    expect(world.version).toBe(before);
    const changed = await world.apply(aService({ name: 'again', spec: { timeoutSeconds: 10 } }));
    expect([first.metadata.generation, changed.metadata.generation]).toEqual([1, 2]);
  });

  it('tells who made it and who changed it last', async () => {
    await world.apply(aService({ name: 'whose' }));
    const { metadata } = await world.controller.apply(
      aService({ name: 'whose', spec: { timeoutSeconds: 1 } }) as Parameters<
        typeof world.controller.apply
      >[0],
    );
    expect(metadata.annotations).toEqual({
      'serving.knative.dev/creator': 'admin',
      'serving.knative.dev/lastModifier': 'system:serviceaccount:knative-eventing:eventing-controller',
    });
  });
});

it('a Revision that stands alone has the same defaults', async () => {
  const { spec } = await world.apply(aRevision('alone'));
  expect(spec).toMatchObject({ containerConcurrency: 0, timeoutSeconds: 300, enableServiceLinks: false });
});

it('a Route knows whether it follows the latest revision', async () => {
  const { spec } = await world.apply(
    aRoute('both', [{ configurationName: 'c', percent: 100 }, { revisionName: 'c-00001' }]),
  );
  expect(spec).toEqual({
    traffic: [
      { configurationName: 'c', percent: 100, latestRevision: true },
      { revisionName: 'c-00001', percent: 0, latestRevision: false },
    ],
  });
});

it('config-defaults decides what a revision has that says nothing', async () => {
  const own = await World.open();
  await own.configMap('knative-serving', 'config-defaults', {
    'revision-timeout-seconds': '60',
    'container-concurrency': '3',
    'container-name-template': 'app',
    'max-revision-timeout-seconds': '90',
  });
  const { spec } = await own.apply(aService());
  expect(spec).toMatchObject({
    template: { spec: { timeoutSeconds: 60, containerConcurrency: 3, containers: [{ name: 'app' }] } },
  });
  expect(await own.refusal(aService({ name: 'long', spec: { timeoutSeconds: 91 } }))).toContain(
    'expected 0 <= 91 <= 90: spec.template.spec.timeoutSeconds',
  );
});

describe('kubectl get', () => {
  const ready = { conditions: [{ type: 'Ready', status: 'False', reason: 'RevisionMissing' }] };

  it('prints Services, Routes, Configurations and Revisions with upstream’s columns', async () => {
    const own = await World.open();
    await own.apply(aService());
    await own.state(KINDS.service, 'hello', {
      ...ready,
      url: 'http://hello.default.localhost',
      latestCreatedRevisionName: 'hello-00002',
      latestReadyRevisionName: 'hello-00001',
    });
    expect(own.table(KINDS.service)).toEqual({
      header: ['Name', 'URL', 'LatestCreated', 'LatestReady', 'Ready', 'Reason'],
      rows: [
        ['hello', 'http://hello.default.localhost', 'hello-00002', 'hello-00001', 'False', 'RevisionMissing'],
      ],
    });
    await own.apply(aRoute('hello', [{ configurationName: 'hello', percent: 100 }]));
    expect(own.table(KINDS.route)).toEqual({
      header: ['Name', 'URL', 'Ready', 'Reason'],
      rows: [['hello', '', '', '']],
    });
    expect(own.table(KINDS.configuration).header).toEqual([
      'Name',
      'LatestCreated',
      'LatestReady',
      'Ready',
      'Reason',
    ]);
    await own.apply({
      ...aRevision('hello-00001'),
      metadata: {
        name: 'hello-00001',
        namespace: 'default',
        labels: {
          'serving.knative.dev/configuration': 'hello',
          'serving.knative.dev/configurationGeneration': '1',
        },
        ownerReferences: [
          { apiVersion: 'serving.knative.dev/v1', kind: 'Configuration', name: 'hello', uid: 'u' },
        ],
      },
    });
    await own.state(KINDS.revision, 'hello-00001', { actualReplicas: 1, desiredReplicas: 2 });
    expect(own.table(KINDS.revision)).toEqual({
      header: ['Name', 'Config Name', 'Generation', 'Ready', 'Reason', 'Actual Replicas', 'Desired Replicas'],
      rows: [['hello-00001', 'hello', '1', '', '', 1, 2]],
    });
  });
});
