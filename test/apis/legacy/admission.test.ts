import { beforeAll, describe, expect, it } from 'vitest';
import { BUS, CLUSTER_BUS } from '../../../src/apis/legacy/channels/bus.ts';
import { BUS_CHANNEL } from '../../../src/apis/legacy/channels/channel.ts';
import { BUS_SUBSCRIPTION } from '../../../src/apis/legacy/channels/subscription.ts';
import { PROVISIONED_CHANNEL } from '../../../src/apis/legacy/eventing/channel.ts';
import { CLUSTER_CHANNEL_PROVISIONER } from '../../../src/apis/legacy/eventing/cluster-channel-provisioner.ts';
import { CHANNEL_SUBSCRIPTION } from '../../../src/apis/legacy/eventing/subscription.ts';
import { CLUSTER_EVENT_TYPE, EVENT_TYPE } from '../../../src/apis/legacy/feeds/event-type.ts';
import { FEED } from '../../../src/apis/legacy/feeds/feed.ts';
import { FLOW } from '../../../src/apis/legacy/flows/flow.ts';
import { LEGACY_KINDS } from '../../../src/apis/legacy/legacy-kinds.ts';
import { GITHUB_SOURCE_THEN } from '../../../src/apis/legacy/sources/github-source.ts';
import { aClusterObject, anObject, GITHUB_TRIGGER, manifests } from '../../kit/legacy-objects.ts';
import { World } from '../../kit/world.ts';

const DENIED = 'admission webhook "webhook.eventing.knative.dev" denied the request: validation failed: ';
const NOT_QUALIFIED = expect.stringContaining(`${DENIED}invalid key name`);
const action = { dnsName: 'x' };
const channel = { ...PROVISIONED_CHANNEL, name: 'c' };
const subscriber = { dnsName: 'x' };
const TARGET = { apiVersion: 'serving.knative.dev/v1alpha1', kind: 'Route', name: 'fn' };

let world: World;
beforeAll(async () => {
  world = await World.open();
});

it('every manifest of then is taken as it is', async () => {
  for (const manifest of manifests()) {
    const taken = await world.apply(manifest);
    expect(taken).toMatchObject(manifest);
  }
  expect(manifests()).toHaveLength(6);
});

describe('what is refused, and how', () => {
  it.each<[string, object, unknown]>([
    [
      'a Channel without a bus',
      anObject(BUS_CHANNEL, 'a'),
      `${DENIED}expected exactly one, got neither: spec.bus, spec.clusterBus`,
    ],
    [
      'a Channel with two',
      anObject(BUS_CHANNEL, 'a', { bus: 'b', clusterBus: 'c' }),
      `${DENIED}expected exactly one, got both: spec.bus, spec.clusterBus`,
    ],
    ['a Channel on a bus that has no name', anObject(BUS_CHANNEL, 'a', { bus: 'b@d' }), NOT_QUALIFIED],
    [
      'a Subscription without a channel',
      anObject(BUS_SUBSCRIPTION, 'a', { subscriber: 'x' }),
      `${DENIED}missing field(s): spec.channel\nthe Subscription must reference a Channel`,
    ],
    [
      'a Subscription without a subscriber',
      anObject(BUS_SUBSCRIPTION, 'a', { channel: 'c' }),
      `${DENIED}missing field(s): spec.subscriber`,
    ],
    [
      'a Bus with a parameter that has no name',
      anObject(BUS, 'a', { parameters: { channel: [{ name: 'a b' }] } }),
      expect.stringContaining('invalid key name "a b": spec.parameters.channel[0].name'),
    ],
    [
      'a ClusterBus with one',
      aClusterObject(CLUSTER_BUS, 'a', { parameters: { subscription: [{ name: '' }] } }),
      expect.stringContaining('invalid key name "": spec.parameters.subscription[0].name'),
    ],
    [
      'a Feed without a type',
      anObject(FEED, 'a', { action, trigger: { resource: 'r' } }),
      `${DENIED}expected exactly one, got neither: spec.trigger.clusterEventType, spec.trigger.eventType`,
    ],
    [
      'a Feed with two',
      anObject(FEED, 'a', { action, trigger: { eventType: 'a', clusterEventType: 'b', resource: 'r' } }),
      `${DENIED}expected exactly one, got both: spec.trigger.clusterEventType, spec.trigger.eventType`,
    ],
    [
      'a Feed without a resource',
      anObject(FEED, 'a', { action, trigger: { eventType: 'a' } }),
      `${DENIED}missing field(s): spec.trigger.resource`,
    ],
    [
      'a Feed to no name',
      anObject(FEED, 'a', { action: { dnsName: 'inv@lid.com' }, trigger: GITHUB_TRIGGER }),
      expect.stringContaining(
        `${DENIED}invalid value "inv@lid.com": spec.action.dnsName\na lowercase RFC 1123`,
      ),
    ],
    [
      'a Feed to nobody',
      anObject(FEED, 'a', { trigger: GITHUB_TRIGGER }),
      `${DENIED}missing field(s): spec.action.dnsName`,
    ],
    [
      'a Feed to two',
      anObject(FEED, 'a', { action: { dnsName: 'a', routeName: 'b' }, trigger: GITHUB_TRIGGER }),
      `${DENIED}expected exactly one, got both: spec.action.dnsName, spec.action.routeName`,
    ],
    ['an EventType of nothing', anObject(EVENT_TYPE, 'a'), `${DENIED}missing field(s): spec.eventSource`],
    [
      'a ClusterEventType of nothing',
      aClusterObject(CLUSTER_EVENT_TYPE, 'a'),
      `${DENIED}missing field(s): spec.clusterEventSource`,
    ],
    [
      'an EventType of a source that has no name',
      anObject(EVENT_TYPE, 'a', { eventSource: 'a b' }),
      `${DENIED}invalid value "a b": spec.eventSource`,
    ],
    ['an empty Flow', anObject(FLOW, 'a'), `${DENIED}missing field(s): spec.action, spec.trigger`],
    [
      'a Flow without a type',
      anObject(FLOW, 'a', { action: { targetURI: 'http://x' }, trigger: { resource: 'r' } }),
      `${DENIED}missing field(s): spec.trigger.eventType`,
    ],
    [
      'a Flow without a resource',
      anObject(FLOW, 'a', { action: { targetURI: 'http://x' }, trigger: { eventType: 'a' } }),
      `${DENIED}missing field(s): spec.trigger.resource`,
    ],
    [
      'a Flow to nobody',
      anObject(FLOW, 'a', { trigger: GITHUB_TRIGGER }),
      `${DENIED}expected exactly one, got neither: spec.action.target, spec.action.targetURI`,
    ],
    [
      'a Flow to two',
      anObject(FLOW, 'a', { action: { target: TARGET, targetURI: 'http://x' }, trigger: GITHUB_TRIGGER }),
      `${DENIED}expected exactly one, got both: spec.action.target, spec.action.targetURI`,
    ],
    [
      'a Flow to no URL',
      anObject(FLOW, 'a', { action: { targetURI: 'x' }, trigger: GITHUB_TRIGGER }),
      `${DENIED}invalid value "x": spec.action.targetURI`,
    ],
    [
      'a Flow to a target without a name',
      anObject(FLOW, 'a', { action: { target: { kind: 'Route' } }, trigger: GITHUB_TRIGGER }),
      `${DENIED}invalid value "": spec.action.target.name`,
    ],
    [
      'a Subscription of 0.2 without a channel',
      anObject(CHANNEL_SUBSCRIPTION, 'a', { subscriber }),
      `${DENIED}missing field(s): spec.channel\nthe Subscription must reference a channel`,
    ],
    [
      'one to another kind',
      anObject(CHANNEL_SUBSCRIPTION, 'a', { channel: { ...channel, kind: 'Bus' }, subscriber }),
      `${DENIED}invalid value "Bus": spec.channel.kind\nonly 'Channel' kind is allowed`,
    ],
    [
      'one to another group',
      anObject(CHANNEL_SUBSCRIPTION, 'a', { channel: { ...channel, apiVersion: 'x/v1' }, subscriber }),
      `${DENIED}invalid value "x/v1": spec.channel.apiVersion\nonly eventing.knative.dev/v1alpha1 is allowed for apiVersion`,
    ],
    [
      'one to another namespace',
      anObject(CHANNEL_SUBSCRIPTION, 'a', { channel: { ...channel, namespace: 'n' }, subscriber }),
      `${DENIED}must not set the field(s): spec.channel.Namespace\nonly name, apiVersion and kind are supported fields`,
    ],
    [
      'one for nobody',
      anObject(CHANNEL_SUBSCRIPTION, 'a', { channel }),
      `${DENIED}missing field(s): spec.reply, spec.subscriber\nthe Subscription must reference at least one of (reply or a subscriber)`,
    ],
    [
      'one for two',
      anObject(CHANNEL_SUBSCRIPTION, 'a', { channel, subscriber: { dnsName: 'x', ref: TARGET } }),
      `${DENIED}expected exactly one, got both: spec.subscriber.dnsName, spec.subscriber.ref`,
    ],
    [
      'one for half a reference',
      anObject(CHANNEL_SUBSCRIPTION, 'a', { channel, subscriber: { ref: { name: 'x', kind: 'Service' } } }),
      `${DENIED}missing field(s): spec.subscriber.ref.apiVersion`,
    ],
    [
      'one with replies to a Service',
      anObject(CHANNEL_SUBSCRIPTION, 'a', { channel, reply: { channel: TARGET } }),
      expect.stringContaining("only 'Channel' kind is allowed"),
    ],
    [
      'a Channel of 0.2 with an empty provisioner',
      anObject(PROVISIONED_CHANNEL, 'a', { provisioner: {} }),
      `${DENIED}missing field(s): spec.provisioner`,
    ],
    [
      'one with a subscriber without addresses',
      anObject(PROVISIONED_CHANNEL, 'a', { subscribable: { subscribers: [{}] } }),
      `${DENIED}missing field(s): spec.subscribable.subscriber[0].replyURI, spec.subscribable.subscriber[0].subscriberURI\nexpected at least one of, got none`,
    ],
    [
      'a GitHubSource of 0.2 without its tokens',
      anObject(GITHUB_SOURCE_THEN, 'a', { ownerAndRepository: 'o/r', eventTypes: ['push'] }),
      expect.stringMatching(
        /is invalid: \[?spec\.accessToken: Required value, spec\.secretToken: Required value/,
      ),
    ],
  ])('%s', async (_, object, text) => {
    expect(await world.refusal(object)).toEqual(text);
  });

  it.each<[string, object, object, string]>([
    [
      'the bus of a Channel',
      anObject(BUS_CHANNEL, 'b', { bus: 'x' }),
      anObject(BUS_CHANNEL, 'b', { bus: 'y' }),
      'Immutable fields changed (-old +new): spec\n{v1alpha1.ChannelSpec}.Bus:\n\t-: "x"\n\t+: "y"\n',
    ],
    [
      'the channel of a Subscription',
      anObject(BUS_SUBSCRIPTION, 'b', { channel: 'x', subscriber: 's' }),
      anObject(BUS_SUBSCRIPTION, 'b', { channel: 'y', subscriber: 's' }),
      'Immutable fields changed (-old +new): spec\n{v1alpha1.SubscriptionSpec}.Channel:\n\t-: "x"\n\t+: "y"\n',
    ],
    [
      'the source of an EventType',
      anObject(EVENT_TYPE, 'b', { eventSource: 'x' }),
      anObject(EVENT_TYPE, 'b', { eventSource: 'y' }),
      'Immutable fields changed: spec.eventSource',
    ],
    [
      'the channel of a Subscription of 0.2',
      anObject(CHANNEL_SUBSCRIPTION, 'b', { channel, subscriber }),
      anObject(CHANNEL_SUBSCRIPTION, 'b', { channel: { ...channel, name: 'd' }, subscriber }),
      'Immutable fields changed (-old +new): spec\n{v1alpha1.SubscriptionSpec}.Channel.Name:\n\t-: "c"\n\t+: "d"\n',
    ],
    [
      'the provisioner of a Channel of 0.2',
      anObject(PROVISIONED_CHANNEL, 'b'),
      anObject(PROVISIONED_CHANNEL, 'b', { provisioner: { ...CLUSTER_CHANNEL_PROVISIONER, name: 'kafka' } }),
      'Immutable fields changed: spec.provisioner',
    ],
  ])('a change of %s', async (_, before, after, text) => {
    await world.apply(before);
    expect(await world.refusal(after)).toBe(`${DENIED}${text}`);
  });

  it.each<[string, object, object]>([
    [
      'the arguments of a Channel',
      anObject(BUS_CHANNEL, 'c', { bus: 'x' }),
      anObject(BUS_CHANNEL, 'c', { bus: 'x', arguments: [{ name: 'a', value: 'b' }] }),
    ],
    [
      'the subscriber of a Subscription',
      anObject(BUS_SUBSCRIPTION, 'c', { channel: 'x', subscriber: 's' }),
      anObject(BUS_SUBSCRIPTION, 'c', { channel: 'x', subscriber: 't' }),
    ],
    [
      'the subscriber of one of 0.2',
      anObject(CHANNEL_SUBSCRIPTION, 'c', { channel, subscriber }),
      anObject(CHANNEL_SUBSCRIPTION, 'c', { channel, subscriber: { dnsName: 'y' } }),
    ],
  ])('but %s may change', async (_, before, after) => {
    await world.apply(before);
    expect(await world.apply(after)).toMatchObject({ metadata: { generation: 2 } });
  });
});

describe('the columns of then', () => {
  it.each(LEGACY_KINDS.map((kind) => [`${kind.kind}.${kind.group}`, kind] as const))('%s', (_, kind) => {
    const columns = kind.columns.map(({ name }) => name);
    expect(columns).toEqual(kind.group === 'eventing.knative.dev' ? ['Ready', 'Reason', 'Age'] : ['Age']);
  });
});

it('subscribers written into a Channel of 0.2 are warned of, since nothing is made of them', () => {
  const kind = LEGACY_KINDS.find(
    ({ group, kind: name }) => group === 'eventing.knative.dev' && name === 'Channel',
  );
  const subscribed = { subscribable: { subscribers: [{ subscriberURI: 'http://x' }] } };
  expect(kind?.warn?.(anObject(PROVISIONED_CHANNEL, 'a', subscribed) as never)).toHaveLength(1);
  expect(kind?.warn?.(anObject(PROVISIONED_CHANNEL, 'a') as never)).toEqual([]);
});
