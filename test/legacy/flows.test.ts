import { beforeEach, describe, expect, it } from 'vitest';
import { BUS_CHANNEL } from '../../src/apis/legacy/channels/channel.ts';
import { BUS_SUBSCRIPTION } from '../../src/apis/legacy/channels/subscription.ts';
import { FEED } from '../../src/apis/legacy/feeds/feed.ts';
import { FLOW } from '../../src/apis/legacy/flows/flow.ts';
import { flowReconciler } from '../../src/legacy/flow-reconciler.ts';
import { anObject, failing, GITHUB_TRIGGER, READY } from '../kit/legacy-objects.ts';
import { conditionIn, World } from '../kit/world.ts';

const ROUTE = { apiVersion: 'serving.knative.dev/v1', kind: 'Route' };
const TARGET = { kind: 'Route', apiVersion: 'serving.knative.dev/v1alpha1', name: 'legit' };
const MADE = [BUS_CHANNEL, BUS_SUBSCRIPTION, FEED] as const;

let world: World;
beforeEach(async () => {
  world = await World.open();
});
const pass = () => world.pass(flowReconciler(world.controller), 'flow');
const flow = (action: object = { target: TARGET }) =>
  world.apply(anObject(FLOW, 'flow', { serviceAccountName: 'feed-sa', trigger: GITHUB_TRIGGER, action }));
const conditions = async (): Promise<(string | undefined)[]> => {
  const object = await world.get(FLOW, 'flow');
  return ['ActionTargetResolved', 'ChannelReady', 'SubscriptionReady', 'FeedReady', 'Ready'].map(
    (type) => conditionIn(object, type)?.status,
  );
};
async function aRoute(): Promise<void> {
  await world.apply(anObject(ROUTE, 'legit', { traffic: [{ revisionName: 'r', percent: 100 }] }));
  await world.state(ROUTE, 'legit', { address: { url: 'http://legit.default.svc.cluster.local' } });
}

describe('a Flow', () => {
  it('waits for its target, and makes nothing before', async () => {
    await flow();
    await pass();
    expect(conditionIn(await world.get(FLOW, 'flow'), 'ActionTargetResolved')).toEqual({
      status: 'False',
      reason: 'ActionTargetNotResolved',
      message: 'Route default/legit is not found',
    });
    for (const kind of MADE) await expect(world.get(kind, 'flow')).rejects.toThrow(`no ${kind.kind}`);
  });

  it('becomes a Channel on the stub bus, a Subscription and a Feed, which it owns', async () => {
    await aRoute();
    const { metadata } = await flow();
    await pass();
    const [channel, subscription, feed] = await Promise.all(MADE.map((kind) => world.get(kind, 'flow')));
    expect(channel).toMatchObject({ spec: { clusterBus: 'stub' } });
    expect(subscription).toMatchObject({
      spec: { channel: 'flow', subscriber: 'legit.default.svc.cluster.local' },
    });
    expect(feed).toMatchObject({
      spec: {
        action: { dnsName: 'flow-channel.default.svc.cluster.local' },
        trigger: GITHUB_TRIGGER,
        serviceAccountName: 'feed-sa',
      },
    });
    for (const made of [channel, subscription, feed])
      expect(made?.metadata.ownerReferences).toMatchObject([{ ...FLOW, uid: metadata.uid }]);
    expect((await world.get(FLOW, 'flow')).status).toMatchObject({
      channelTarget: 'flow-channel.default.svc.cluster.local',
    });
    const before = world.version;
    await pass();
    expect(world.version).toBe(before);
  });

  it('takes the default bus of the ConfigMap for its channel, and keeps the one that its channel has', async () => {
    await aRoute();
    await world.configMap('knative-eventing', 'flow-controller-config', { 'default-cluster-bus': 'kafka' });
    await flow();
    await pass();
    await world.configMap('knative-eventing', 'flow-controller-config', { 'default-cluster-bus': 'stub' });
    await pass();
    expect(await world.get(BUS_CHANNEL, 'flow')).toMatchObject({ spec: { clusterBus: 'kafka' } });
    expect(await conditions()).toEqual(['True', 'Unknown', 'Unknown', 'Unknown', 'Unknown']);
  });

  it('sends to a URL as it is', async () => {
    await flow({ targetURI: 'http://acme.io:8080/in' });
    await pass();
    expect(await world.get(BUS_SUBSCRIPTION, 'flow')).toMatchObject({
      spec: { subscriber: 'http://acme.io:8080/in' },
    });
  });

  it('is ready when all that it made is, and names the one that is not', async () => {
    await aRoute();
    await flow();
    await pass();
    for (const kind of [BUS_CHANNEL, BUS_SUBSCRIPTION]) await world.state(kind, 'flow', READY);
    await world.state(FEED, 'flow', failing('SecretNotFound', 'Secret default/x is not there') as never);
    await pass();
    expect(await conditions()).toEqual(['True', 'True', 'True', 'False', 'False']);
    expect(conditionIn(await world.get(FLOW, 'flow'), 'Ready')).toMatchObject({
      reason: 'SecretNotFound',
      message: 'Feed default/flow: Secret default/x is not there',
    });
    await world.state(FEED, 'flow', READY);
    await pass();
    expect(await conditions()).toEqual(['True', 'True', 'True', 'True', 'True']);
  });

  it('never takes a Feed of its name that somebody else made', async () => {
    await aRoute();
    await world.apply(anObject(FEED, 'flow', { action: { dnsName: 'x' }, trigger: GITHUB_TRIGGER }));
    await flow();
    await pass();
    expect(conditionIn(await world.get(FLOW, 'flow'), 'FeedReady')?.reason).toBe('NotOwned');
    expect(await world.get(FEED, 'flow')).toMatchObject({ spec: { action: { dnsName: 'x' } } });
  });
});
