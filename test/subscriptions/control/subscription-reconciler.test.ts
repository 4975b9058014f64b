import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BackingChannel } from '../../../src/apis/duck.ts';
import { CONTROLLER_USER } from '../../../src/apis/messaging/channelable.ts';
import type { Subscription } from '../../../src/apis/messaging/subscription/schema.ts';
import type { Resource } from '../../../src/apis/resource.ts';
import type { SqliteStore } from '../../../src/apiserver/storage/sqlite-store.ts';
import { EmbeddedClient } from '../../../src/control/embedded/embedded-client.ts';
import type { Outcome } from '../../../src/control/reconciler.ts';
import { subscriptionReconciler } from '../../../src/subscriptions/control/subscription-reconciler.ts';
import { ADMIN, openObjects, type Open } from '../../kit/objects.ts';

const MESSAGING = 'messaging.knative.dev/v1';
const LOG = { apiVersion: 'messaging.knative.dev/v1alpha1', kind: 'LogChannel' };
const IN_FLIGHT = 'delivery.millrace.dev/max-in-flight';
const GROUP = 'delivery.millrace.dev/consumer-group';
const ORDER = 'kafka.eventing.knative.dev/delivery.order';

let folder: string;
let store: SqliteStore;
let cluster: EmbeddedClient;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  store = await openObjects(folder);
  cluster = new EmbeddedClient(store, CONTROLLER_USER);
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const at = (name: string, annotations: Record<string, string> = {}): Open['metadata'] => ({
  name,
  namespace: 'demo',
  annotations,
});

async function put(object: Open): Promise<void> {
  await store.create(object, ADMIN);
  if (object['status'] !== undefined) await cluster.patchStatus(object);
}

/** A Channel with the LogChannel behind it, as the channel's own controller leaves them. */
async function aChannel(): Promise<void> {
  const status = { channel: { ...LOG, name: 'orders', namespace: 'demo' } };
  await put({ ...LOG, metadata: at('orders'), spec: {} });
  await put({
    apiVersion: MESSAGING,
    kind: 'Channel',
    metadata: at('orders'),
    spec: { channelTemplate: LOG },
    status,
  });
}

/** A Service of Knative's that has an address, and the bounds given. */
async function aService(containerConcurrency: number, maxScale: string): Promise<void> {
  await put({
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: at('greeter'),
    spec: {
      template: {
        metadata: { annotations: { 'autoscaling.knative.dev/max-scale': maxScale } },
        spec: { containerConcurrency, containers: [{ image: 'dev.local/greeter' }] },
      },
    },
    status: { address: { url: 'http://greeter.demo.svc.cluster.local' } },
  });
}

const TO_GREETER = { ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'greeter' } };

async function aSubscription(
  spec: object,
  annotations: Record<string, string> = {},
  name = 'greets',
): Promise<Subscription> {
  const channel = { apiVersion: MESSAGING, kind: 'Channel', name: 'orders' };
  return store.create(
    {
      apiVersion: MESSAGING,
      kind: 'Subscription',
      metadata: at(name, annotations),
      spec: { channel, ...spec },
    } as Open,
    ADMIN,
  ) as Promise<Resource> as Promise<Subscription>;
}

const reconcile = (subscription: Subscription): Promise<Outcome> =>
  subscriptionReconciler(cluster).reconcile(subscription);
const markOf = ({ marks }: Outcome, type: string): object | undefined =>
  marks.find((each) => each.type === type);
async function backing(): Promise<BackingChannel> {
  const found = await cluster.find<BackingChannel>(LOG, 'demo', 'orders');
  if (found === undefined) throw new Error('LogChannel demo/orders is not there');
  return found;
}

describe('the controller of Subscriptions', () => {
  it('tells the channel behind the Channel where to deliver', async () => {
    await aChannel();
    const subscription = await aSubscription({
      subscriber: { uri: 'http://one.example/' },
      reply: { uri: 'http://two.example/' },
      delivery: { retry: 3, deadLetterSink: { uri: 'http://three.example/' } },
    });
    const outcome = await reconcile(subscription);
    expect((await backing()).spec?.subscribers).toEqual([
      {
        uid: subscription.metadata.uid,
        generation: 1,
        name: 'greets',
        namespace: 'demo',
        subscriberUri: 'http://one.example/',
        replyUri: 'http://two.example/',
        delivery: { retry: 3, deadLetterSink: { uri: 'http://three.example/' } },
      },
    ]);
    expect(markOf(outcome, 'AddedToChannel')).toMatchObject({ status: 'True' });
    expect(markOf(outcome, 'ChannelReady')).toMatchObject({
      status: 'Unknown',
      reason: 'SubscriptionNotMarkedReadyByChannel',
    });
  });

  it('is ready once the channel says so of this generation, and not before', async () => {
    await aChannel();
    const subscription = await aSubscription({ subscriber: { uri: 'http://one.example/' } });
    await reconcile(subscription);
    const mark = (observedGeneration: number): Promise<unknown> =>
      backing().then((channel) =>
        cluster.patchStatus({
          ...channel,
          status: {
            subscribers: [{ uid: subscription.metadata.uid ?? '', observedGeneration, ready: 'True' }],
          },
        }),
      );
    await mark(0);
    expect(markOf(await reconcile(subscription), 'ChannelReady')).toMatchObject({ status: 'Unknown' });
    await mark(1);
    expect(markOf(await reconcile(subscription), 'ChannelReady')).toMatchObject({ status: 'True' });
  });

  it('leaves the subscribers of others and their knobs as they are', async () => {
    await aChannel();
    const first = await aSubscription({ subscriber: { uri: 'http://one.example/' } }, { [ORDER]: 'ordered' });
    const second = await aSubscription({ subscriber: { uri: 'http://two.example/' } }, {}, 'archives');
    await reconcile(first);
    await reconcile(second);
    expect((await backing()).spec?.subscribers?.map(({ name }) => name)).toEqual(['greets', 'archives']);
    await subscriptionReconciler(cluster).finalize?.(second);
    const { spec, metadata } = await backing();
    expect(spec?.subscribers?.map(({ name }) => name)).toEqual(['greets']);
    expect(metadata.annotations).toHaveProperty([`${ORDER}.${first.metadata.uid}`], 'ordered');
    await subscriptionReconciler(cluster).finalize?.(first);
    expect(Object.keys((await backing()).metadata.annotations ?? {}).join()).not.toContain(ORDER);
  });

  it('does not give one consumer group to two: the second is told whose it is, and has it when that one goes', async () => {
    await aChannel();
    const to = { subscriber: { uri: 'http://one.example/' } };
    const first = await aSubscription(to, { [GROUP]: 'workers' });
    const second = await aSubscription(to, { [GROUP]: 'workers' }, 'archives');
    const third = await aSubscription(to, {}, 'mails');
    for (const each of [first, third]) await reconcile(each);
    const before = (await backing()).metadata.resourceVersion;
    const refused = await reconcile(second);
    expect(markOf(refused, 'AddedToChannel')).toEqual({
      type: 'AddedToChannel',
      status: 'False',
      reason: 'ConsumerGroupTaken',
      message:
        "consumer group workers is that of subscription greets of the same channel, and the two would take each other's events: give this one another delivery.millrace.dev/consumer-group, or none",
    });
    const renamed = { ...third, metadata: { ...third.metadata, annotations: { [GROUP]: 'workers' } } };
    expect(markOf(await reconcile(renamed), 'AddedToChannel')).toMatchObject({ status: 'False' });
    expect((await backing()).metadata.resourceVersion).toBe(before); // what is served goes on being served
    expect(markOf(await reconcile(first), 'AddedToChannel')).toMatchObject({ status: 'True' });
    await subscriptionReconciler(cluster).finalize?.(first);
    expect(markOf(await reconcile(second), 'AddedToChannel')).toMatchObject({ status: 'True' });
    expect((await backing()).spec?.subscribers?.map(({ name }) => name)).toEqual(['mails', 'archives']);
  });

  it('writes nothing when nothing has changed', async () => {
    await aChannel();
    const subscription = await aSubscription({ subscriber: { uri: 'http://one.example/' } });
    await reconcile(subscription);
    const before = (await backing()).metadata.resourceVersion;
    await reconcile(subscription);
    expect((await backing()).metadata.resourceVersion).toBe(before);
  });

  it.each([
    ['subscriber', 'SubscriberResolveFailed'],
    ['reply', 'ReplyResolveFailed'],
  ])('says which %s it cannot find', async (role, reason) => {
    await aChannel();
    const outcome = await reconcile(
      await aSubscription({ subscriber: { uri: 'http://one.example/' }, [role]: TO_GREETER }),
    );
    expect(markOf(outcome, 'ReferencesResolved')).toEqual({
      type: 'ReferencesResolved',
      status: 'False',
      reason,
      message: `Failed to resolve spec.${role}: Service demo/greeter is not found`,
    });
    expect((await backing()).spec?.subscribers ?? []).toEqual([]);
  });

  it('says that the channel is not there', async () => {
    const outcome = await reconcile(await aSubscription({ subscriber: { uri: 'http://one.example/' } }));
    expect(markOf(outcome, 'ReferencesResolved')).toMatchObject({
      status: 'False',
      reason: 'ChannelReferenceFailed',
    });
  });
});

describe('how many events a Service is offered at a time', () => {
  const boundOf = async (subscription: Subscription): Promise<string | undefined> => {
    await reconcile(subscription);
    return (await backing()).metadata.annotations?.[`${IN_FLIGHT}.${subscription.metadata.uid}`];
  };

  it.each([
    ['its largest scale times its concurrency', 4, '3', '12'],
    ['what all are offered, when its scale has no end', 4, '0', undefined],
    ['what all are offered, when its concurrency has no end', 0, '3', undefined],
  ])('is %s', async (_, containerConcurrency, maxScale, expected) => {
    await aChannel();
    await aService(containerConcurrency, maxScale);
    expect(await boundOf(await aSubscription({ subscriber: TO_GREETER }))).toBe(expected);
  });

  it('is what the Subscription says, when it says so', async () => {
    await aChannel();
    await aService(1, '1');
    expect(await boundOf(await aSubscription({ subscriber: TO_GREETER }, { [IN_FLIGHT]: '7' }))).toBe('7');
  });
});
