import { beforeEach, describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/apis/resource.ts';
import { subscriptionReconciler } from '../../../src/subscriptions/control/subscription-reconciler.ts';
import {
  aChannel,
  aMemoryChannel,
  aSubscription,
  CHANNEL,
  MEMORY,
  SUBSCRIPTION,
} from '../../kit/messaging-objects.ts';
import { conditionIn, World } from '../../kit/world.ts';

const FOREIGN = { uid: 'foreign', subscriberUri: 'http://foreign.example/' };
const START = 'delivery.millrace.dev/start';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
const pass = (name = 'greets') => world.pass(subscriptionReconciler(world.controller), name);
const subscribers = async (): Promise<unknown> =>
  ((await world.get(MEMORY, 'orders'))['spec'] as { subscribers?: unknown }).subscribers;

/** A Channel and the memory channel behind it, which already has a subscriber of somebody else. */
async function aReadyChannel(): Promise<void> {
  await world.controller.apply(aMemoryChannel('orders', { subscribers: [FOREIGN] }) as Resource);
  await world.apply(aChannel('orders', { channelTemplate: MEMORY }));
  await world.state(CHANNEL, 'orders', { channel: { ...MEMORY, name: 'orders' } });
}

describe('a Subscription', () => {
  it('may come before its channel, and waits without writing anything', async () => {
    await world.apply(aSubscription('greets'));
    expect((await pass()).next).toBe('wait');
    const waiting = await world.get(SUBSCRIPTION, 'greets');
    expect(waiting.status).toMatchObject({ physicalSubscription: { subscriberUri: 'http://one.example/' } });
    expect(conditionIn(waiting, 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ChannelReferenceFailed',
    });
    const before = world.version;
    await pass();
    expect(world.version).toBe(before);
    await aReadyChannel();
    await pass();
    const mine = { uid: waiting.metadata.uid, generation: 1, name: 'greets', namespace: 'default' };
    expect(await subscribers()).toEqual([FOREIGN, { ...mine, subscriberUri: 'http://one.example/' }]);
  });

  it('waits for a Channel that has no backing channel yet', async () => {
    await world.apply(aChannel('orders'));
    await world.apply(aSubscription('greets'));
    expect((await pass()).next).toBe('wait');
  });

  it('waits for a channel of a kind that nobody serves', async () => {
    const channel = { apiVersion: 'messaging.knative.dev/v1beta1', kind: 'KafkaChannel', name: 'orders' };
    await world.apply(aSubscription('greets', { channel }));
    expect((await pass()).next).toBe('wait');
    expect(conditionIn(await world.get(SUBSCRIPTION, 'greets'), 'AddedToChannel')).toMatchObject({
      status: 'Unknown',
      reason: 'ChannelReferenceFailed',
    });
  });

  it('says of a subscriber that its kind is unknown', async () => {
    await aReadyChannel();
    const ref = { apiVersion: 'example.com/v1', kind: 'Thing', name: 'x' };
    await world.apply(aSubscription('greets', { subscriber: { ref } }));
    await pass();
    expect(conditionIn(await world.get(SUBSCRIPTION, 'greets'), 'Ready')).toEqual({
      status: 'False',
      reason: 'SubscriberResolveFailed',
      message: 'Failed to resolve spec.subscriber: example.com/v1 has no kind Thing',
    });
    expect(await subscribers()).toEqual([FOREIGN]);
  });

  it('subscribes to a backing channel by its own kind too', async () => {
    await aReadyChannel();
    await world.apply(aSubscription('greets', { channel: { ...MEMORY, name: 'orders' } }));
    await pass();
    expect(await subscribers()).toHaveLength(2);
  });

  it.each([
    [
      'the cluster name of a v1 Service',
      { ref: { apiVersion: 'v1', kind: 'Service', name: 's', namespace: 'n' } },
      'http://s.n.svc.cluster.local',
    ],
    [
      'a path on it',
      { ref: { apiVersion: 'v1', kind: 'Service', name: 's' }, uri: '/in?x=1' },
      'http://s.default.svc.cluster.local/in?x=1',
    ],
    ['the address of another Channel', { ref: { ...CHANNEL, name: 'other' } }, 'http://other.example'],
  ])('delivers to %s', async (_, subscriber, subscriberUri) => {
    await aReadyChannel();
    await world.apply(aChannel('other'));
    await world.state(CHANNEL, 'other', { address: { url: 'http://other.example' } });
    await world.apply(aSubscription('greets', { subscriber }));
    await pass();
    expect((await world.get(SUBSCRIPTION, 'greets')).status).toMatchObject({
      physicalSubscription: { subscriberUri },
    });
  });

  it('changes its entry in place, with its new generation', async () => {
    await aReadyChannel();
    await world.apply(aSubscription('greets'));
    await pass();
    await world.apply(aSubscription('greets', { subscriber: { uri: 'http://two.example/' } }));
    await pass();
    expect(await subscribers()).toMatchObject([
      FOREIGN,
      { generation: 2, subscriberUri: 'http://two.example/' },
    ]);
  });

  it('carries its annotations to the channel, and takes them off again', async () => {
    await aReadyChannel();
    const { metadata } = await world.apply(aSubscription('greets', {}, { [START]: 'earliest' }));
    const onChannel = async (): Promise<unknown> =>
      (await world.get(MEMORY, 'orders')).metadata.annotations?.[`${START}.${metadata.uid}`];
    await pass();
    expect(await onChannel()).toBe('earliest');
    await world.apply(aSubscription('greets'));
    await pass();
    expect(await onChannel()).toBeUndefined();
  });

  it('is ready, or not, as its channel says of this generation', async () => {
    await aReadyChannel();
    const { metadata } = await world.apply(aSubscription('greets'));
    await pass();
    const mark = { uid: metadata.uid, observedGeneration: 1 };
    await world.state(MEMORY, 'orders', { subscribers: [{ ...mark, ready: 'False', message: 'no room' }] });
    await pass();
    expect(conditionIn(await world.get(SUBSCRIPTION, 'greets'), 'Ready')).toEqual({
      status: 'False',
      reason: 'SubscriptionNotReady',
      message: 'no room',
    });
    await world.state(MEMORY, 'orders', { subscribers: [{ ...mark, ready: 'True' }] });
    await pass();
    expect(conditionIn(await world.get(SUBSCRIPTION, 'greets'), 'Ready')).toEqual({ status: 'True' });
  });

  it('goes through its controller: finalizer first, entry removed last, foreign entries kept', async () => {
    await aReadyChannel();
    await world.apply(aSubscription('greets'));
    const controller = world.controllerOf(subscriptionReconciler(world.controller));
    controller.start();
    await expect.poll(subscribers).toHaveLength(2);
    expect((await world.get(SUBSCRIPTION, 'greets')).metadata.finalizers).toEqual([
      'subscriptions.messaging.knative.dev',
    ]);
    await world.admin.remove(SUBSCRIPTION, 'default', 'greets');
    await expect.poll(() => world.controller.find(SUBSCRIPTION, 'default', 'greets')).toBeUndefined();
    expect(await subscribers()).toEqual([FOREIGN]);
    await controller.close();
  });
});
