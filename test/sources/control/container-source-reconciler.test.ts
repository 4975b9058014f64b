import { beforeEach, describe, expect, it } from 'vitest';
import { KINDS } from '../../../src/apis/serving/types.ts';
import { CONTAINER_SOURCE } from '../../../src/apis/sources/container-source/schema.ts';
import { SINK_BINDING } from '../../../src/apis/sources/sink-binding/schema.ts';
import { containerSourceReconciler } from '../../../src/sources/control/container-source-reconciler.ts';
import { sinkBindingReconciler } from '../../../src/sources/control/sink-binding-reconciler.ts';
import { conditionIn, World } from '../../kit/world.ts';

let world: World;
const apply = (more: object = {}, container: object = {}) =>
  world.apply({
    ...CONTAINER_SOURCE,
    metadata: { name: 'heart', namespace: 'default' },
    spec: {
      template: {
        metadata: { labels: { app: 'heart' } },
        spec: { containers: [{ image: 'heart', ...container }] },
      },
      sink: { uri: 'http://sink.example/' },
      ...more,
    },
  });
const pass = () => world.pass(containerSourceReconciler(world.controller), 'heart');
const passBinding = () => world.pass(sinkBindingReconciler(world.controller), 'heart-sinkbinding');
const deployment = () => world.get(KINDS.deployment, 'heart-deployment');
const condition = async (type: string) => conditionIn(await world.get(CONTAINER_SOURCE, 'heart'), type);
const available = (status: string, reason: string, message: string) =>
  world.state(KINDS.deployment, 'heart-deployment', {
    conditions: [{ type: 'Available', status, reason, message }],
  });

beforeEach(async () => {
  world = await World.open();
});

describe('a ContainerSource', () => {
  it('makes its SinkBinding first, and its Deployment once the sink is known', async () => {
    await apply({ ceOverrides: { extensions: { team: 'shop' } } });
    await pass();
    expect(await world.get(SINK_BINDING, 'heart-sinkbinding')).toMatchObject({
      metadata: { ownerReferences: [{ kind: 'ContainerSource', name: 'heart', controller: true }] },
      spec: {
        sink: { uri: 'http://sink.example/' },
        ceOverrides: { extensions: { team: 'shop' } },
        subject: {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          namespace: 'default',
          name: 'heart-deployment',
        },
      },
    });
    expect(await condition('ReceiveAdapterReady')).toEqual({
      status: 'Unknown',
      reason: 'DeploymentUnavailable',
      message: "The Deployment 'heart-deployment' is unavailable.",
    });
    await expect(deployment()).rejects.toThrow('no Deployment');
    await passBinding();
    await pass();
    const labels = {
      'sources.knative.dev/source': 'container-source-controller',
      'sources.knative.dev/containerSource': 'heart',
    };
    expect(await deployment()).toMatchObject({
      metadata: { labels, ownerReferences: [{ kind: 'ContainerSource', name: 'heart' }] },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels: { app: 'heart', ...labels } },
          spec: {
            containers: [
              {
                name: 'heart-0',
                image: 'heart',
                env: [
                  { name: 'K_SINK', value: 'http://sink.example/' },
                  { name: 'K_CE_OVERRIDES', value: '{"extensions":{"team":"shop"}}' },
                ],
              },
            ],
          },
        },
      },
    });
  });

  it('is ready when both are, and says in their words why not', async () => {
    await apply();
    for (let i = 0; i < 2; i += 1) await pass().then(passBinding);
    await pass();
    await available('False', 'MinimumReplicasUnavailable', 'Container failed with: exited with code 3');
    await pass();
    expect(await condition('Ready')).toEqual({
      status: 'False',
      reason: 'MinimumReplicasUnavailable',
      message: 'Container failed with: exited with code 3',
    });
    await available('True', 'MinimumReplicasAvailable', '');
    await pass();
    expect(await condition('Ready')).toEqual({ status: 'True' });
    expect((await world.get(CONTAINER_SOURCE, 'heart')).status?.['sinkUri']).toBe('http://sink.example/');
    await world.state(SINK_BINDING, 'heart-sinkbinding', {
      conditions: [{ type: 'Ready', status: 'False', reason: 'NoAddressable', message: 'no channel' }],
    });
    await pass();
    expect(await condition('SinkBindingReady')).toEqual({
      status: 'False',
      reason: 'NoAddressable',
      message: 'no channel',
    });
    expect(JSON.stringify(await deployment())).toContain('K_SINK'); // what runs goes on
  });

  it('writes nothing when nothing is other than before, and keeps how many were asked for', async () => {
    await apply();
    for (let i = 0; i < 3; i += 1) await pass().then(passBinding);
    const { spec, ...object } = (await deployment()) as unknown as { spec: object };
    await world.apply({ ...object, spec: { ...spec, replicas: 2 } });
    const { version } = world;
    await pass();
    await passBinding();
    expect(world.version).toBe(version);
  });

  it('touches nothing of that name that is not its own', async () => {
    await world.apply({
      ...KINDS.deployment,
      metadata: { name: 'heart-deployment', namespace: 'default' },
      spec: {
        selector: { matchLabels: { app: 'mine' } },
        template: {
          metadata: { labels: { app: 'mine' } },
          spec: { containers: [{ name: 'c', image: 'mine' }] },
        },
      },
    });
    const before = (await deployment())['spec'];
    await apply();
    await pass();
    expect(await condition('Ready')).toMatchObject({
      status: 'False',
      reason: 'DeploymentNotOwned',
      message: 'Deployment "heart-deployment" is not owned by this ContainerSource',
    });
    expect((await deployment())['spec']).toEqual(before);
  });
});
