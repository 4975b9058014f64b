import { beforeEach, describe, expect, it } from 'vitest';
import { CLUSTER_BUS } from '../../src/apis/legacy/channels/bus.ts';
import { BUS_CHANNEL } from '../../src/apis/legacy/channels/channel.ts';
import { BUS_SUBSCRIPTION } from '../../src/apis/legacy/channels/subscription.ts';
import { PROVISIONED_CHANNEL } from '../../src/apis/legacy/eventing/channel.ts';
import { CHANNEL_SUBSCRIPTION } from '../../src/apis/legacy/eventing/subscription.ts';
import { busSubscriptionReconciler } from '../../src/legacy/bus-subscription-reconciler.ts';
import { channelSubscriptionReconciler } from '../../src/legacy/channel-subscription-reconciler.ts';
import { aClusterObject, anObject, aService } from '../kit/legacy-objects.ts';
import { aSubscription, CHANNEL, SUBSCRIPTION } from '../kit/messaging-objects.ts';
import { conditionIn, World } from '../kit/world.ts';

const FN = { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'fn', namespace: 'default' };
const START = 'delivery.millrace.dev/start';

let world: World;
beforeEach(async () => {
  world = await World.open();
  await world.apply(aService('fn'));
});

describe('a Subscription of July 2018', () => {
  const pass = (name = 'aloha-fn') => world.pass(busSubscriptionReconciler(world.controller), name);
  const subscribe = (spec: object = {}): Promise<unknown> =>
    world.apply(anObject(BUS_SUBSCRIPTION, 'aloha-fn', { channel: 'aloha', subscriber: 'fn', ...spec }));

  it('becomes one of today that names the channel and the service by references', async () => {
    await subscribe({ replyTo: 'answers-channel.default.svc.cluster.local' });
    await world.apply(anObject(BUS_CHANNEL, 'answers', { clusterBus: 'stub' }));
    await pass();
    expect(await world.get(SUBSCRIPTION, 'aloha-fn')).toMatchObject({
      metadata: { ownerReferences: [{ ...BUS_SUBSCRIPTION, name: 'aloha-fn' }] },
      spec: {
        channel: { ...CHANNEL, name: 'aloha' },
        subscriber: { ref: FN },
        reply: { ref: { ...CHANNEL, name: 'answers' } },
      },
    });
  });

  it('says by Dispatching how it stands', async () => {
    await subscribe();
    await pass();
    const conditions = [
      { type: 'Ready', status: 'False', reason: 'SubscriptionNotReady', message: 'the log is full' },
    ];
    await world.state(SUBSCRIPTION, 'aloha-fn', { conditions, observedGeneration: 1 });
    await pass();
    const waiting = await world.get(BUS_SUBSCRIPTION, 'aloha-fn');
    const said = {
      status: 'False',
      reason: 'SubscriptionNotReady',
      message: 'Subscription default/aloha-fn: the log is full',
    };
    expect([conditionIn(waiting, 'Dispatching'), conditionIn(waiting, 'Ready')]).toEqual([said, said]);
  });

  it('does not take what was said of its translation before a change for what is said of it now', async () => {
    await subscribe();
    await pass();
    const conditions = [{ type: 'Ready', status: 'True' }];
    await world.state(SUBSCRIPTION, 'aloha-fn', { conditions, observedGeneration: 1 });
    await pass();
    expect(conditionIn(await world.get(BUS_SUBSCRIPTION, 'aloha-fn'), 'Ready')).toEqual({ status: 'True' });
    await subscribe({ subscriber: 'http://elsewhere.example/' });
    await pass();
    expect(conditionIn(await world.get(BUS_SUBSCRIPTION, 'aloha-fn'), 'Dispatching')).toMatchObject({
      status: 'Unknown',
      reason: 'NotYetReconciled',
    });
  });

  it.each([
    [undefined, 'latest'],
    ['Newest', 'latest'],
    ['Oldest', 'earliest'],
  ])('with the initial offset %s starts at the %s event', async (value, start) => {
    await subscribe(value === undefined ? {} : { arguments: [{ name: 'initialOffset', value }] });
    await pass();
    expect((await world.get(SUBSCRIPTION, 'aloha-fn')).metadata.annotations?.[START]).toBe(start);
  });

  it('takes the initial offset that its bus says, and refuses one that is none', async () => {
    const parameters = { subscription: [{ name: 'initialOffset', default: 'Oldest' }] };
    await world.apply(aClusterObject(CLUSTER_BUS, 'kafka', { parameters }));
    await world.apply(anObject(BUS_CHANNEL, 'aloha', { clusterBus: 'kafka' }));
    await subscribe();
    await pass();
    expect((await world.get(SUBSCRIPTION, 'aloha-fn')).metadata.annotations?.[START]).toBe('earliest');
    await subscribe({ arguments: [{ name: 'initialOffset', value: 'Middle' }] });
    await pass();
    expect(conditionIn(await world.get(BUS_SUBSCRIPTION, 'aloha-fn'), 'Dispatching')).toEqual({
      status: 'False',
      reason: 'ArgumentInvalid',
      message: 'argument initialOffset: expected Newest or Oldest, got "Middle"',
    });
  });

  it('never takes a Subscription of today that somebody else made', async () => {
    await world.apply(aSubscription('aloha-fn'));
    await subscribe();
    await pass();
    expect(conditionIn(await world.get(BUS_SUBSCRIPTION, 'aloha-fn'), 'Dispatching')?.reason).toBe(
      'NotOwned',
    );
    expect(await world.get(SUBSCRIPTION, 'aloha-fn')).toMatchObject({
      spec: { channel: { name: 'orders' } },
    });
  });
});

describe('a Subscription of Knative 0.2', () => {
  const pass = () => world.pass(channelSubscriptionReconciler(world.controller), 'sub');
  const channel = { ...PROVISIONED_CHANNEL, name: 'testchannel' };
  const answers = { channel: { ...PROVISIONED_CHANNEL, name: 'answers' } };
  const spec = async (): Promise<unknown> => Reflect.get(await world.get(SUBSCRIPTION, 'sub'), 'spec');

  it('becomes one of today, its references in versions of today', async () => {
    const ref = { apiVersion: 'serving.knative.dev/v1alpha1', kind: 'Service', name: 'fn' };
    await world.apply(
      anObject(CHANNEL_SUBSCRIPTION, 'sub', { channel, subscriber: { ref }, reply: answers }),
    );
    await pass();
    expect(await spec()).toEqual({
      channel: { ...CHANNEL, name: 'testchannel' },
      subscriber: { ref: FN },
      reply: { ref: { ...CHANNEL, name: 'answers', namespace: 'default' } },
    });
  });

  it('takes a DNS name for a subscriber', async () => {
    const subscriber = { dnsName: 'fn.default.svc.cluster.local' };
    await world.apply(anObject(CHANNEL_SUBSCRIPTION, 'sub', { channel, subscriber }));
    await pass();
    expect(await spec()).toMatchObject({ subscriber: { ref: FN } });
  });

  it('without a subscriber hands the events on to the channel for replies', async () => {
    await world.apply(anObject(CHANNEL_SUBSCRIPTION, 'sub', { channel, reply: answers }));
    await pass();
    expect(await spec()).toEqual({
      channel: { ...CHANNEL, name: 'testchannel' },
      subscriber: { ref: { ...CHANNEL, name: 'answers', namespace: 'default' } },
    });
  });

  it('shows the addresses in the names of then, and mirrors both conditions', async () => {
    await world.apply(anObject(CHANNEL_SUBSCRIPTION, 'sub', { channel, subscriber: { dnsName: 'fn' } }));
    await pass();
    await world.state(SUBSCRIPTION, 'sub', {
      conditions: [
        { type: 'ReferencesResolved', status: 'True' },
        { type: 'Ready', status: 'Unknown', reason: 'SubscriptionNotMarkedReadyByChannel' },
      ],
      observedGeneration: 1,
      physicalSubscription: { subscriberUri: 'http://fn', replyUri: 'http://answers' },
    });
    await pass();
    const then = await world.get(CHANNEL_SUBSCRIPTION, 'sub');
    expect(then.status).toMatchObject({
      physicalSubscription: { subscriberURI: 'http://fn', replyURI: 'http://answers' },
    });
    expect(conditionIn(then, 'Resolved')).toEqual({ status: 'True' });
    expect(conditionIn(then, 'Ready')).toMatchObject({
      status: 'Unknown',
      reason: 'SubscriptionNotMarkedReadyByChannel',
    });
  });
});
