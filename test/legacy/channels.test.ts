import { beforeEach, describe, expect, it } from 'vitest';
import { BUS, CLUSTER_BUS } from '../../src/apis/legacy/channels/bus.ts';
import { BUS_CHANNEL } from '../../src/apis/legacy/channels/channel.ts';
import { PROVISIONED_CHANNEL } from '../../src/apis/legacy/eventing/channel.ts';
import { CLUSTER_CHANNEL_PROVISIONER } from '../../src/apis/legacy/eventing/cluster-channel-provisioner.ts';
import { busChannelReconciler } from '../../src/legacy/bus-channel-reconciler.ts';
import { busReconciler, provisionerReconciler } from '../../src/legacy/bus-reconciler.ts';
import { provisionedChannelReconciler } from '../../src/legacy/provisioned-channel-reconciler.ts';
import { aClusterObject, anObject, failing } from '../kit/legacy-objects.ts';
import { aChannel, CHANNEL, KAFKA, LOG, MEMORY, PUBSUB, RABBITMQ } from '../kit/messaging-objects.ts';
import { conditionIn, World, type Stated } from '../kit/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
const pass = (name = 'aloha') => world.pass(busChannelReconciler(world.controller), name);
const passThen = (name = 'aloha') => world.pass(provisionedChannelReconciler(world.controller), name);
const today = (): Promise<Stated> => world.get(CHANNEL, 'aloha');
const template = async (): Promise<unknown> =>
  (Reflect.get(await today(), 'spec') as { channelTemplate: unknown }).channelTemplate;
const ready = (url: string): object => ({
  address: { url },
  conditions: ['Ready', 'Addressable'].map((type) => ({ type, status: 'True' })),
  observedGeneration: 1,
});

const SHIPPED = [
  ['stub', MEMORY],
  ['kafka', KAFKA],
  ['rabbitmq', RABBITMQ],
  ['gcppubsub', PUBSUB],
] as const;

describe('a Channel of July 2018', () => {
  it.each(SHIPPED)(
    'on the bus %s is kept by its channel kind, without an object for the bus',
    async (bus, kind) => {
      await world.apply(anObject(BUS_CHANNEL, 'aloha', { clusterBus: bus }));
      await pass();
      expect(await template()).toEqual(kind);
      await world.apply(anObject(BUS_CHANNEL, 'mahalo', { bus }));
      await pass('mahalo');
      expect(await world.get(CHANNEL, 'mahalo')).toMatchObject({ spec: { channelTemplate: kind } });
    },
  );

  it('owns its translation, and writes it once, however often it runs', async () => {
    const { metadata } = await world.apply(anObject(BUS_CHANNEL, 'aloha', { clusterBus: 'stub' }));
    await pass();
    expect((await today()).metadata.ownerReferences).toEqual([
      { ...BUS_CHANNEL, name: 'aloha', uid: metadata.uid, controller: true, blockOwnerDeletion: true },
    ]);
    const before = world.version;
    await pass();
    expect(world.version).toBe(before);
  });

  it('on another bus is kept in the log, if that bus is there', async () => {
    await world.apply(anObject(BUS_CHANNEL, 'aloha', { bus: 'mine' }));
    await pass();
    expect(conditionIn(await world.get(BUS_CHANNEL, 'aloha'), 'Ready')).toEqual({
      status: 'False',
      reason: 'BusNotFound',
      message: 'Bus default/mine is not there; only stub, kafka, rabbitmq and gcppubsub need no object',
    });
    await world.apply(aClusterObject(CLUSTER_BUS, 'mine'));
    await pass();
    expect(conditionIn(await world.get(BUS_CHANNEL, 'aloha'), 'Ready')?.reason).toBe('BusNotFound');
    await world.apply(anObject(BUS, 'mine'));
    await pass();
    expect(await template()).toEqual(LOG);
  });

  it('says where it answers in the words of then, and how it stands in those of its translation', async () => {
    await world.apply(anObject(BUS_CHANNEL, 'aloha', { clusterBus: 'stub' }));
    await pass();
    const waiting = await world.get(BUS_CHANNEL, 'aloha');
    expect(conditionIn(waiting, 'Provisioned')).toMatchObject({
      status: 'Unknown',
      reason: 'NotYetReconciled',
    });
    await world.state(
      CHANNEL,
      'aloha',
      failing('NotOwned', 'InMemoryChannel default/aloha is in the way') as never,
    );
    await pass();
    expect(conditionIn(await world.get(BUS_CHANNEL, 'aloha'), 'Ready')).toEqual({
      status: 'False',
      reason: 'NotOwned',
      message: 'Channel default/aloha: InMemoryChannel default/aloha is in the way',
    });
    await world.state(CHANNEL, 'aloha', ready('http://here/aloha') as never);
    await pass();
    const channel = await world.get(BUS_CHANNEL, 'aloha');
    expect(channel.status).toMatchObject({
      service: { name: 'aloha-channel' },
      virtualService: { name: 'aloha-channel' },
      domainInternal: 'aloha-channel.default.svc.cluster.local',
      address: { url: 'http://here/aloha' },
    });
    for (const type of ['Ready', 'Provisioned', 'Serviceable', 'Routeable'])
      expect(conditionIn(channel, type)).toEqual({ status: 'True' });
  });

  it('never takes a Channel of today that somebody else made', async () => {
    await world.apply(aChannel('aloha'));
    await world.apply(anObject(BUS_CHANNEL, 'aloha', { clusterBus: 'stub' }));
    const before = (await today()).metadata.resourceVersion;
    await pass();
    expect(conditionIn(await world.get(BUS_CHANNEL, 'aloha'), 'Provisioned')).toEqual({
      status: 'False',
      reason: 'NotOwned',
      message: 'Channel default/aloha exists and belongs to somebody else',
    });
    expect((await today()).metadata.resourceVersion).toBe(before);
  });

  it('keeps what a user wrote beside the translation', async () => {
    await world.apply(anObject(BUS_CHANNEL, 'aloha', { clusterBus: 'stub' }));
    await pass();
    const made = await today();
    const annotations = { ...made.metadata.annotations, 'delivery.millrace.dev/max-in-flight': '7' };
    await world.apply({ ...made, metadata: { ...made.metadata, annotations, labels: { team: 'red' } } });
    await pass();
    expect((await today()).metadata).toMatchObject({
      labels: { team: 'red' },
      annotations: { 'delivery.millrace.dev/max-in-flight': '7' },
    });
  });

  it('hands the partitions on to Kafka, from an argument or from the default of the bus', async () => {
    const parameters = { channel: [{ name: 'NumPartitions', description: 'how many', default: '3' }] };
    await world.apply(aClusterObject(CLUSTER_BUS, 'kafka', { parameters }));
    await world.apply(anObject(BUS_CHANNEL, 'aloha', { clusterBus: 'kafka' }));
    await pass();
    expect(await template()).toEqual({ ...KAFKA, spec: { numPartitions: 3 } });
    const args = [{ name: 'NumPartitions', value: '5' }];
    await world.apply(anObject(BUS_CHANNEL, 'mahalo', { clusterBus: 'kafka', arguments: args }));
    await pass('mahalo');
    expect(await world.get(CHANNEL, 'mahalo')).toMatchObject({
      spec: { channelTemplate: { spec: { numPartitions: 5 } } },
    });
  });

  it.each([
    [
      'requires an argument without a default',
      undefined,
      'ArgumentMissing',
      'ClusterBus kafka requires the argument NumPartitions (how many)',
    ],
    [
      'refuses a number of partitions that is none',
      'many',
      'ArgumentInvalid',
      'argument NumPartitions: expected a whole number from 1 to 999999, got "many"',
    ],
  ])('%s', async (_, value, reason, message) => {
    const parameters = { channel: [{ name: 'NumPartitions', description: 'how many' }] };
    await world.apply(aClusterObject(CLUSTER_BUS, 'kafka', { parameters }));
    const args = value === undefined ? {} : { arguments: [{ name: 'NumPartitions', value }] };
    await world.apply(anObject(BUS_CHANNEL, 'aloha', { clusterBus: 'kafka', ...args }));
    await pass();
    const channel = await world.get(BUS_CHANNEL, 'aloha');
    expect(conditionIn(channel, 'Provisioned')).toEqual({ status: 'False', reason, message });
    await expect(today()).rejects.toThrow('no Channel');
  });

  it('says that arguments do not change once the channel is made', async () => {
    const spec = (value: string): object => ({
      clusterBus: 'kafka',
      arguments: [{ name: 'NumPartitions', value }],
    });
    await world.apply(anObject(BUS_CHANNEL, 'aloha', spec('1')));
    await pass();
    await world.apply(anObject(BUS_CHANNEL, 'aloha', spec('2')));
    await pass();
    expect(conditionIn(await world.get(BUS_CHANNEL, 'aloha'), 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ArgumentsChanged',
    });
    expect(await template()).toEqual({ ...KAFKA, spec: { numPartitions: 1 } });
    const { status } = await world.get(BUS_CHANNEL, 'aloha'); // it answers as before
    expect(status).toMatchObject({ domainInternal: 'aloha-channel.default.svc.cluster.local' });
  });
});

describe('a Channel of Knative 0.2', () => {
  const spec = (name: string, more: object = {}): object => ({
    provisioner: { ...CLUSTER_CHANNEL_PROVISIONER, name },
    ...more,
  });

  it.each([
    ['in-memory-channel', MEMORY],
    ['kafka', KAFKA],
    ['gcp-pubsub', PUBSUB],
    ['rabbitmq', RABBITMQ],
  ] as const)('of the provisioner %s is kept by its channel kind', async (name, kind) => {
    await world.apply(anObject(PROVISIONED_CHANNEL, 'aloha', spec(name)));
    await passThen();
    expect(await template()).toEqual(kind);
  });

  it('without a provisioner is kept in memory, which was the default', async () => {
    await world.apply(anObject(PROVISIONED_CHANNEL, 'aloha'));
    await passThen();
    expect(await template()).toEqual(MEMORY);
  });

  it('of another provisioner is kept in the log, if that provisioner is there', async () => {
    await world.apply(anObject(PROVISIONED_CHANNEL, 'aloha', spec('mine')));
    await passThen();
    expect(conditionIn(await world.get(PROVISIONED_CHANNEL, 'aloha'), 'Ready')?.reason).toBe(
      'ProvisionerNotFound',
    );
    await world.apply(aClusterObject(CLUSTER_CHANNEL_PROVISIONER, 'mine'));
    await passThen();
    expect(await template()).toEqual(LOG);
  });

  it('takes the arguments of then, and shows its host name', async () => {
    await world.apply(
      anObject(PROVISIONED_CHANNEL, 'aloha', spec('kafka', { arguments: { NumPartitions: 2 } })),
    );
    await passThen();
    expect(await template()).toEqual({ ...KAFKA, spec: { numPartitions: 2 } });
    await world.state(CHANNEL, 'aloha', ready('http://here/aloha') as never);
    await passThen();
    const channel = await world.get(PROVISIONED_CHANNEL, 'aloha');
    expect(channel.status).toMatchObject({
      address: { hostname: 'aloha-channel.default.svc.cluster.local', url: 'http://here/aloha' },
    });
    for (const type of ['Ready', 'Provisioned', 'Addressable'])
      expect(conditionIn(channel, type)).toEqual({ status: 'True' });
  });

  it('and one of July 2018 with the same name do not fight: the first has it', async () => {
    await world.apply(anObject(BUS_CHANNEL, 'aloha', { clusterBus: 'kafka' }));
    await pass();
    await world.apply(anObject(PROVISIONED_CHANNEL, 'aloha'));
    await passThen();
    expect(conditionIn(await world.get(PROVISIONED_CHANNEL, 'aloha'), 'Ready')?.reason).toBe('NotOwned');
    expect(await template()).toEqual(KAFKA);
  });
});

describe('a bus', () => {
  it.each([...SHIPPED, ['mine', LOG] as const])(
    'called %s says who keeps the events of its channels',
    async (name, { kind }) => {
      await world.apply(anObject(BUS, name));
      await world.pass(busReconciler(world.controller, BUS), name);
      const bus = await world.get(BUS, name);
      expect(conditionIn(bus, 'Dispatching')).toEqual({
        status: 'True',
        reason: kind,
        message: `events of its channels are kept by a ${kind}`,
      });
      for (const type of ['Ready', 'Serviceable']) expect(conditionIn(bus, type)).toEqual({ status: 'True' });
      expect(conditionIn(bus, 'Provisioning')).toMatchObject({ status: 'True', reason: 'NoProvisioner' });
    },
  );

  it('makes nothing', async () => {
    const bus = (await world.apply(
      aClusterObject(CLUSTER_BUS, 'kafka', { provisioner: { image: 'x' } }),
    )) as never;
    const before = world.version;
    const { marks } = await busReconciler(world.controller, CLUSTER_BUS).reconcile(bus);
    expect(marks).toContainEqual({ type: 'Provisioning', status: 'True' });
    expect(world.version).toBe(before);
  });

  it('of Knative 0.2, a ClusterChannelProvisioner, says the same by Ready', async () => {
    const object = await world.apply(aClusterObject(CLUSTER_CHANNEL_PROVISIONER, 'in-memory-channel'));
    const { marks } = await provisionerReconciler(world.controller).reconcile(object);
    expect(marks).toEqual([
      expect.objectContaining({ type: 'Ready', status: 'True', reason: 'InMemoryChannel' }),
    ]);
  });
});
