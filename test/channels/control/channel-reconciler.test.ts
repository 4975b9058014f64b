import { beforeEach, describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/apis/resource.ts';
import { channelReconciler } from '../../../src/channels/control/channel-reconciler.ts';
import { backingReconciler, type ChannelHost } from '../../../src/channels/control/backing-reconciler.ts';
import type { KindName, ResourceClient } from '../../../src/control/resource-client.ts';
import { aChannel, aMemoryChannel, CHANNEL, MEMORY } from '../../kit/messaging-objects.ts';
import { conditionIn, World } from '../../kit/world.ts';

const IN_FLIGHT = 'delivery.millrace.dev/max-in-flight';
const UID = '0b5c9c1e-7d4f-4f3a-9d0e-0123456789ab';

let world: World;
beforeEach(async () => {
  world = await World.open();
});

/** A data plane of memory: every subscriber with a uri is served, and what is gone leaves what it was owed. */
function memoryHost(
  owed: Readonly<Record<string, number>> = {},
): ChannelHost & { served: Map<string, string> } {
  const served = new Map<string, string>(); // names by uid
  return {
    served,
    async serve({ metadata, spec }) {
      const entries = spec?.subscribers ?? [];
      const gone = [...served].filter(([uid]) => entries.every((entry) => entry.uid !== uid));
      for (const [uid] of gone) served.delete(uid);
      for (const { uid, name = '' } of entries) served.set(uid, name);
      return {
        url: `http://${metadata.name}-kn-channel.${metadata.namespace}.svc.cluster.local`,
        subscribers: entries.map(({ uid, subscriberUri }) =>
          subscriberUri === undefined
            ? { uid, isReady: false, message: 'no subscriberUri' }
            : { uid, isReady: true },
        ),
        forgotten: gone.map(([uid, name]) => ({ name, events: owed[uid] ?? 0 })),
      };
    },
    remove: async () => Object.values(owed).reduce((sum, events) => sum + events, 0),
  };
}

const controllerApply = (object: object): Promise<Resource> => world.controller.apply(object as Resource);

describe('a Channel', () => {
  const pass = (name = 'orders', cluster: ResourceClient = world.controller) =>
    world.pass(channelReconciler(cluster), name);

  it('makes the channel that its template names, and owns it', async () => {
    const channel = await world.apply(
      aChannel(
        'orders',
        { channelTemplate: { ...MEMORY, spec: {} }, delivery: { retry: 2 } },
        { [IN_FLIGHT]: '3' },
      ),
    );
    await pass();
    const backing = await world.get(MEMORY, 'orders');
    expect(backing.metadata.ownerReferences).toEqual([
      {
        ...CHANNEL,
        name: 'orders',
        uid: channel.metadata.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ]);
    expect(backing['spec']).toEqual({ delivery: { retry: 2 }, subscribers: [] });
    expect(backing.metadata.annotations).toMatchObject({ [IN_FLIGHT]: '3' });
    const waiting = await world.get(CHANNEL, 'orders');
    expect(waiting.status).toMatchObject({ channel: { ...MEMORY, name: 'orders', namespace: 'default' } });
    expect(conditionIn(waiting, 'Ready')).toEqual({
      status: 'Unknown',
      reason: 'BackingChannelNotConfigured',
      message: 'The backing channel is not ready yet.',
    });
  });

  it('shows the address and the subscribers of its backing channel, and is ready with it', async () => {
    await world.apply(aChannel('orders', { channelTemplate: MEMORY }));
    await pass();
    await world.pass(backingReconciler(MEMORY, world.controller, memoryHost()), 'orders');
    await pass();
    const channel = await world.get(CHANNEL, 'orders');
    const url = 'http://orders-kn-channel.default.svc.cluster.local';
    expect(channel.status).toMatchObject({ address: { url }, addresses: [{ url }], subscribers: [] });
    expect(conditionIn(channel, 'Ready')).toEqual({ status: 'True' });
    const before = world.version;
    await pass();
    expect(world.version).toBe(before);
  });

  it('leaves the subscribers and their knobs on the backing channel, and takes off its own', async () => {
    await world.apply(aChannel('orders', { channelTemplate: MEMORY }, { [IN_FLIGHT]: '3' }));
    await pass();
    const backing = await world.get(MEMORY, 'orders');
    const subscribers = [{ uid: UID, subscriberUri: 'http://one.example/' }];
    const annotations = { ...backing.metadata.annotations, [`${IN_FLIGHT}.${UID}`]: '9' };
    await controllerApply({
      ...backing,
      metadata: { ...backing.metadata, annotations },
      spec: { subscribers },
    });
    await world.apply(aChannel('orders', { channelTemplate: MEMORY }));
    await pass();
    const after = await world.get(MEMORY, 'orders');
    expect(after['spec']).toEqual({ subscribers });
    expect(after.metadata.annotations).toHaveProperty([`${IN_FLIGHT}.${UID}`], '9');
    expect(after.metadata.annotations).not.toHaveProperty([IN_FLIGHT]);
  });

  it('loses no subscriber that is written while it looks', async () => {
    await world.apply(aChannel('orders', { channelTemplate: MEMORY }));
    await pass();
    const subscribers = [{ uid: UID, subscriberUri: 'http://one.example/' }];
    const cluster: ResourceClient = {
      find: async <R extends Resource>(kind: KindName, namespace: string | undefined, name: string) => {
        const found = await world.controller.find<R>(kind, namespace, name);
        if (kind.kind === MEMORY.kind) await controllerApply(aMemoryChannel('orders', { subscribers }));
        return found;
      },
      list: (kind, namespace) => world.controller.list(kind, namespace),
      watch: (kind, options) => world.controller.watch(kind, options),
      apply: (desired) => world.controller.apply(desired),
      patchStatus: (object) => world.controller.patchStatus(object),
      remove: (kind, namespace, name) => world.controller.remove(kind, namespace, name),
    };
    await expect(pass('orders', cluster)).rejects.toMatchObject({ code: 'CONFLICT', retryable: true });
    expect((await world.get(MEMORY, 'orders'))['spec']).toEqual({ subscribers });
  });

  it('leaves a channel of that name alone that is somebody else’s', async () => {
    await world.apply(aMemoryChannel('orders', { delivery: { retry: 9 } }));
    await world.apply(aChannel('orders', { channelTemplate: MEMORY }));
    await pass();
    expect(conditionIn(await world.get(CHANNEL, 'orders'), 'BackingChannelReady')).toEqual({
      status: 'False',
      reason: 'NotOwned',
      message: 'InMemoryChannel default/orders exists and belongs to somebody else',
    });
    expect((await world.get(MEMORY, 'orders'))['spec']).toEqual({ delivery: { retry: 9 } });
  });

  it('says that nobody knows the kind of its template', async () => {
    const channelTemplate = { apiVersion: 'messaging.knative.dev/v1beta1', kind: 'NatsJetStreamChannel' };
    await world.apply(aChannel('orders', { channelTemplate }));
    await pass();
    expect(conditionIn(await world.get(CHANNEL, 'orders'), 'Ready')).toEqual({
      status: 'False',
      reason: 'ChannelKindUnknown',
      message: 'this platform has no channel kind NatsJetStreamChannel in messaging.knative.dev/v1beta1',
    });
  });
});

describe('a channel that keeps events', () => {
  const subscribers = [
    { uid: 'u1', name: 'greets', generation: 2, subscriberUri: 'http://one.example/' },
    { uid: 'u2', name: 'nobody', generation: 1 },
  ];

  it('tells how it stands with each subscriber, at the generation that it serves', async () => {
    await controllerApply(aMemoryChannel('backing', { subscribers }));
    await world.pass(backingReconciler(MEMORY, world.controller, memoryHost()), 'backing');
    const { status } = await world.get(MEMORY, 'backing');
    expect(status?.['subscribers']).toEqual([
      { uid: 'u1', ready: 'True', observedGeneration: 2 },
      { uid: 'u2', ready: 'False', observedGeneration: 1, message: 'no subscriberUri' },
    ]);
    expect(
      ((status?.['conditions'] ?? []) as { type: string; status: string }[]).map(({ type }) => type),
    ).toEqual([
      'Addressable',
      'ChannelServiceReady',
      'DeadLetterSinkResolved',
      'DispatcherReady',
      'EndpointsReady',
      'EventPoliciesReady',
      'Ready',
      'ServiceReady',
    ]);
  });

  it('tells of events that a deleted Subscription was still owed, and of nothing else', async () => {
    const reconciler = backingReconciler(MEMORY, world.controller, memoryHost({ u1: 4 }));
    await controllerApply(aMemoryChannel('backing', { subscribers }));
    await world.pass(reconciler, 'backing');
    await controllerApply(aMemoryChannel('backing', { subscribers: [] }));
    expect((await world.pass(reconciler, 'backing')).events).toEqual([
      {
        type: 'Warning',
        reason: 'EventsGivenUp',
        message: 'subscription greets was deleted while 4 events were still owed to it',
      },
    ]);
  });

  it('resolves its dead letter sink, and is not ready while that has no address', async () => {
    const ref = { apiVersion: CHANNEL.apiVersion, kind: 'Channel', name: 'dead' };
    const reconciler = backingReconciler(MEMORY, world.controller, memoryHost());
    await controllerApply(aMemoryChannel('backing', { delivery: { deadLetterSink: { ref } } }));
    await world.pass(reconciler, 'backing');
    expect(conditionIn(await world.get(MEMORY, 'backing'), 'Ready')).toEqual({
      status: 'False',
      reason: 'Unable to get the dead letter sink URI',
      message: 'Channel default/dead is not found',
    });
    await world.apply(aChannel('dead'));
    await world.state(CHANNEL, 'dead', { address: { url: 'http://dead.example' } });
    await world.pass(reconciler, 'backing');
    const backing = await world.get(MEMORY, 'backing');
    expect(backing.status).toMatchObject({ deadLetterSinkUri: 'http://dead.example' });
    expect(conditionIn(backing, 'Ready')).toEqual({ status: 'True' });
  });

  it('tells at its own end how many events were still owed', async () => {
    const made = await controllerApply(aMemoryChannel('backing', { subscribers }));
    const told = await backingReconciler(MEMORY, world.controller, memoryHost({ u1: 4, u2: 1 })).finalize?.(
      made,
    );
    expect(told?.map(({ message }) => message)).toEqual([
      'the channel was deleted while 5 events were still owed to its subscribers',
    ]);
    expect(await backingReconciler(MEMORY, world.controller, memoryHost()).finalize?.(made)).toEqual([]);
  });
});
