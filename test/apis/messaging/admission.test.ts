import { beforeAll, describe, expect, it } from 'vitest';
import {
  aChannel,
  aMemoryChannel,
  aSubscription,
  CHANNEL,
  LOG,
  MEMORY,
  SUBSCRIPTION,
} from '../../kit/messaging-objects.ts';
import { World } from '../../kit/world.ts';

const DENIED =
  'admission webhook "validation.webhook.eventing.knative.dev" denied the request: validation failed: ';
const CONTROLLER = 'system:serviceaccount:knative-eventing:eventing-controller';

let world: World;
beforeAll(async () => {
  world = await World.open();
});

describe('a Channel that names no template', () => {
  it('is kept by the embedded log, and says that it can be subscribed to', async () => {
    const { spec, metadata } = await world.apply(aChannel('plain'));
    expect(spec).toEqual({ channelTemplate: LOG });
    expect(metadata.annotations).toEqual({
      'messaging.knative.dev/subscribable': 'v1',
      'messaging.knative.dev/creator': 'admin',
      'messaging.knative.dev/lastModifier': 'admin',
    });
  });

  it('has the one of default-ch-webhook, by namespace or for all, and keeps it', async () => {
    const own = await World.open();
    const config = (kind: string, extra = ''): Promise<unknown> =>
      own.configMap('knative-eventing', 'default-ch-webhook', {
        'default-ch-config': `clusterDefault:\n  apiVersion: messaging.knative.dev/v1\n  kind: ${kind}\n${extra}`,
      });
    await config('InMemoryChannel');
    expect((await own.apply(aChannel('one')))['spec']).toEqual({ channelTemplate: MEMORY });
    await config(
      'InMemoryChannel',
      'namespaceDefaults:\n  default:\n    apiVersion: messaging.knative.dev/v1beta1\n    kind: KafkaChannel\n',
    );
    expect((await own.apply(aChannel('two')))['spec']).toEqual({
      channelTemplate: { apiVersion: 'messaging.knative.dev/v1beta1', kind: 'KafkaChannel' },
    });
    expect((await own.get(CHANNEL, 'one'))['spec']).toEqual({ channelTemplate: MEMORY });
  });
});

describe('a Channel is refused', () => {
  it.each([
    [
      'half a template',
      { channelTemplate: { kind: 'LogChannel' } },
      'missing field(s): spec.channelTemplate.apiVersion',
    ],
    [
      'subscribers',
      { subscribers: [{ uid: 'x' }] },
      'must not set the field(s): spec.subscribable.subscribers',
    ],
    ['retry', { delivery: { retry: -1 } }, 'invalid value: -1: spec.delivery.retry'],
    ['policy', { delivery: { backoffPolicy: 'cubic' } }, 'invalid value: cubic: spec.delivery.backoffPolicy'],
    ['delay', { delivery: { backoffDelay: '1s' } }, 'invalid value: 1s: spec.delivery.backoffDelay'],
    ['no time', { delivery: { timeout: 'PT0S' } }, 'invalid value: PT0S: spec.delivery.timeout'],
    ['wait', { delivery: { retryAfterMax: 'x' } }, 'invalid value: x: spec.delivery.retryAfterMax'],
    ['format', { delivery: { format: 'xml' } }, 'invalid value: xml: spec.delivery.format'],
    [
      'sink',
      { delivery: { deadLetterSink: {} } },
      'expected at least one, got none: spec.delivery.deadLetterSink.ref, spec.delivery.deadLetterSink.uri',
    ],
  ])('with a wrong %s', async (_, spec, text) => {
    expect(await world.refusal(aChannel('wrong', spec))).toBe(DENIED + text);
  });

  it('when it is to be kept by another kind', async () => {
    await world.apply(aChannel('fixed', { channelTemplate: MEMORY }));
    await world.apply(
      aChannel('fixed', { channelTemplate: { kind: MEMORY.kind, apiVersion: MEMORY.apiVersion } }),
    );
    expect(
      await world.refusal(aChannel('fixed', { channelTemplate: { ...MEMORY, kind: 'LogChannel' } })),
    ).toBe(
      `${DENIED}Immutable fields changed (-old +new): spec\n{v1.ChannelSpec}.ChannelTemplate.Kind:\n\t-: "InMemoryChannel"\n\t+: "LogChannel"\n`,
    );
  });

  it.each([
    ['delivery.millrace.dev/max-in-flight', '0', 'a whole number from 1 to 999999'],
    ['kafka.eventing.knative.dev/delivery.order', 'sorted', 'ordered or unordered'],
    ['delivery.millrace.dev/start', 'then', 'latest, earliest or an RFC 3339 time'],
    ['delivery.millrace.dev/max-backlog-bytes', '1G', 'a whole number of bytes above 0'],
  ])('when its annotation %s is %s', async (name, value, expected) => {
    const text = `${DENIED}invalid value: ${value}: metadata.annotations[${name}]\nexpected ${expected}`;
    expect(await world.refusal(aChannel('knob', undefined, { [name]: value }))).toBe(text);
    expect(await world.refusal(aSubscription('knob', {}, { [name]: value }))).toBe(text);
  });
});

describe('the subscribers of a backing channel', () => {
  const subscribers = [{ uid: 'u1', subscriberUri: 'http://one.example/' }];

  it('are written by the controller only', async () => {
    await world.apply(aMemoryChannel('backing'));
    expect(await world.refusal(aMemoryChannel('backing', { subscribers }))).toBe(
      `${DENIED}Channel.Spec.Subscribers changed by user admin which was not the ${CONTROLLER} service account: spec.subscribers\n{[]v1.SubscriberSpec}[0]:\n\t+: {"uid":"u1","subscriberUri":"http://one.example/"}\n`,
    );
    await world.controller.apply(
      aMemoryChannel('backing', { subscribers }) as Parameters<typeof world.controller.apply>[0],
    );
    expect((await world.get(MEMORY, 'backing'))['spec']).toEqual({ subscribers });
    expect(await world.refusal(aMemoryChannel('new', { subscribers }))).toBe(
      `${DENIED}must not set the field(s): spec.subscribers`,
    );
  });

  it('stay when somebody else changes the rest', async () => {
    await world.controller.apply(
      aMemoryChannel('shared', { subscribers }) as Parameters<typeof world.controller.apply>[0],
    );
    await world.apply(aMemoryChannel('shared', { subscribers, delivery: { retry: 2 } }));
    expect((await world.get(MEMORY, 'shared'))['spec']).toEqual({ subscribers, delivery: { retry: 2 } });
  });
});

describe('a Subscription', () => {
  it('refers into its own namespace when it names none', async () => {
    const ref = { apiVersion: 'v1', kind: 'Service', name: 's' };
    const { spec } = await world.apply(
      aSubscription('near', {
        subscriber: { ref },
        reply: { ref: { ...ref, namespace: 'other' } },
        delivery: { retry: 1, deadLetterSink: { ref } },
      }),
    );
    expect(spec).toEqual({
      channel: { ...CHANNEL, name: 'orders' },
      subscriber: { ref: { ...ref, namespace: 'default' } },
      reply: { ref: { ...ref, namespace: 'other' } },
      delivery: { retry: 1, deadLetterSink: { ref: { ...ref, namespace: 'default' } } },
    });
  });

  it.each([
    [
      'no channel',
      { channel: undefined },
      'missing field(s): spec.channel\nthe Subscription must reference a channel',
    ],
    [
      'no subscriber',
      { subscriber: undefined },
      'missing field(s): spec.subscriber\nthe Subscription must reference a subscriber',
    ],
    [
      'half a channel',
      { channel: { kind: 'Channel', name: 'x' } },
      'missing field(s): spec.channel.apiVersion',
    ],
    [
      'a channel elsewhere',
      { channel: { ...CHANNEL, name: 'x', namespace: 'y' } },
      'must not set the field(s): spec.channel.namespace\nonly name, apiVersion and kind are supported fields',
    ],
    [
      'a relative uri',
      { subscriber: { uri: '/x' } },
      'invalid value: Relative URI is not allowed when Ref and [apiVersion, kind, name] is absent: spec.subscriber.uri',
    ],
    ['an empty reply', { reply: {} }, 'expected at least one, got none: spec.reply.ref, spec.reply.uri'],
    [
      'a ref without version',
      { subscriber: { ref: { kind: 'Service', name: 'x' } } },
      'missing field(s): spec.subscriber.ref.apiVersion',
    ],
    ['retry', { delivery: { retry: -2 } }, 'invalid value: -2: spec.delivery.retry'],
  ])('is refused with %s', async (_, spec, text) => {
    expect(await world.refusal(aSubscription('wrong', spec))).toBe(DENIED + text);
  });

  it('stays on its channel, and may change its subscriber', async () => {
    await world.apply(aSubscription('moving'));
    await world.apply(aSubscription('moving', { subscriber: { uri: 'http://two.example/' } }));
    const channel = { name: 'orders', kind: CHANNEL.kind, apiVersion: CHANNEL.apiVersion };
    await world.apply(aSubscription('moving', { channel }));
    expect(await world.refusal(aSubscription('moving', { channel: { ...channel, name: 'other' } }))).toBe(
      `${DENIED}Immutable fields changed (-old +new): spec\n{v1.SubscriptionSpec}.Channel.Name:\n\t-: "orders"\n\t+: "other"\n`,
    );
  });
});

it('kubectl get prints Channels and Subscriptions with upstream’s columns', async () => {
  const own = await World.open();
  await own.apply(aChannel('orders'));
  await own.apply(aSubscription('greets'));
  await own.state(CHANNEL, 'orders', {
    address: { url: 'http://orders-kn-channel.default.svc.cluster.local' },
    conditions: [{ type: 'Ready', status: 'True' }],
  });
  await own.state(SUBSCRIPTION, 'greets', {
    conditions: [{ type: 'Ready', status: 'False', reason: 'SubscriberResolveFailed' }],
  });
  const later = own.clock.nowMs() + 90_000;
  expect(own.table(CHANNEL, later)).toEqual({
    header: ['Name', 'URL', 'Age', 'Ready', 'Reason'],
    rows: [['orders', 'http://orders-kn-channel.default.svc.cluster.local', '90s', 'True', '']],
  });
  expect(own.table(SUBSCRIPTION, later)).toEqual({
    header: ['Name', 'Age', 'Ready', 'Reason'],
    rows: [['greets', '90s', 'False', 'SubscriberResolveFailed']],
  });
});
