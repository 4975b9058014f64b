import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sourceContract } from '../../contracts/source.ts';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import {
  address,
  server,
  shutSink,
  SourceWorld,
  textOf,
  title,
  WAIT,
  wrappedText,
} from './pubsub-source-world.ts';

describe.skipIf(server.kind === 'missing')(title('on the emulator'), () => {
  sourceContract('CloudPubSubSource', async () => {
    const [host = '', port = '0'] = address.split(':');
    const proxy = await TcpProxy.open(host, Number(port));
    const world = await SourceWorld.open(`127.0.0.1:${proxy.port}`);
    return {
      produce: async (name) => void (await world.topic.publishMessage({ data: Buffer.from(name) })),
      nameOf: wrappedText,
      open: (tools) => world.source({}, tools),
      goAway: async () => {
        proxy.isDown = true;
        proxy.cut();
      },
      comeBack: async () => {
        proxy.isDown = false;
      },
      keepsWhileClosed: true,
      release: async () => {
        proxy.isDown = false;
        await world.close();
        await proxy.close();
      },
    };
  });
});

describe.skipIf(server.kind === 'missing')(title('a CloudPubSubSource'), { timeout: 60_000 }, () => {
  let world: SourceWorld;
  beforeEach(async () => {
    world = await SourceWorld.open();
  });
  afterEach(() => world.close());
  const state = (): string | undefined => world.states.at(-1)?.kind;
  const running = (): Promise<void> => expect.poll(state, WAIT).toBe('running');
  const said = (): string => {
    const last = world.states.at(-1);
    return last?.kind === 'failing' ? `${last.condition} ${last.reason} ${last.message}` : '';
  };

  it('makes a subscription that keeps the order of a key, and says which', async () => {
    world.source();
    await running();
    const id = world.plan.subscription.split('/').at(-1);
    expect(world.states.at(-1)).toMatchObject({ fields: { subscriptionId: id } });
    const [{ topic, enableMessageOrdering, ackDeadlineSeconds, messageRetentionDuration }] = await world.plain
      .subscription(world.plan.subscription)
      .getMetadata();
    expect({ topic, enableMessageOrdering, ackDeadlineSeconds }).toEqual({
      topic: world.plan.topic,
      enableMessageOrdering: true,
      ackDeadlineSeconds: 10,
    });
    expect(Number(messageRetentionDuration?.seconds)).toBe(3600);
  });

  it('wraps a plain message, with its attributes', async () => {
    world.source();
    await running();
    const messageId = await world.topic.publishMessage({
      data: Buffer.of(0, 255),
      attributes: { tenant: 'a', 'Mixed-Case': 'kept' },
    });
    await expect.poll(() => world.events, WAIT).toHaveLength(1);
    const [event] = world.events;
    const { time, ...attributes } = Object.fromEntries(event?.attributes ?? []);
    expect(attributes).toEqual({
      specversion: '1.0',
      id: messageId,
      source: `//pubsub.googleapis.com/${world.plan.topic}`,
      type: 'google.cloud.pubsub.topic.v1.messagePublished',
      dataschema:
        'https://raw.githubusercontent.com/googleapis/google-cloudevents/master/proto/google/events/cloud/pubsub/v1/data.proto',
    });
    expect(event?.contentType).toBe('application/json');
    expect(JSON.parse(event === undefined ? '' : textOf(event))).toEqual({
      subscription: world.plan.subscription,
      message: {
        messageId,
        data: 'AP8=',
        attributes: { tenant: 'a', 'Mixed-Case': 'kept' },
        publishTime: time,
      },
    });
  });

  it('delivers as it is what already is a CloudEvent, binary or structured', async () => {
    world.source();
    await running();
    const ce = { 'ce-specversion': '1.0', 'ce-source': '/till', 'ce-type': 'order.paid', 'ce-team': 'shop' };
    await world.topic.publishMessage({
      data: Buffer.from('<paid/>'),
      attributes: { ...ce, 'ce-id': 'b-1', 'Content-Type': 'application/xml' },
    });
    await world.topic.publishMessage({
      data: Buffer.from(
        '{"specversion":"1.0","id":"s-1","source":"/till","type":"order.paid","data":{"n":1}}',
      ),
      attributes: { 'content-type': 'application/cloudevents+json' },
    });
    await expect.poll(() => world.events, WAIT).toHaveLength(2);
    const byId = new Map(world.events.map((event) => [event.attributes.get('id'), event]));
    const binary = byId.get('b-1');
    expect(Object.fromEntries(binary?.attributes ?? [])).toEqual({
      specversion: '1.0',
      id: 'b-1',
      source: '/till',
      type: 'order.paid',
      team: 'shop',
    });
    expect([binary?.contentType, binary && textOf(binary)]).toEqual(['application/xml', '<paid/>']);
    const structured = byId.get('s-1');
    expect(structured && JSON.parse(textOf(structured))).toEqual({ n: 1 });
  });

  it('wraps what says it is a CloudEvent and is none, says so once, and goes on', async () => {
    world.source();
    await running();
    for (const data of ['one', 'two'])
      await world.topic.publishMessage({
        data: Buffer.from(data),
        attributes: { 'ce-specversion': '1.0', 'ce-id': data, 'ce-source': '/till' },
      });
    await world.topic.publishMessage({ data: Buffer.from('good') });
    await expect.poll(() => world.events.map(wrappedText).toSorted(), WAIT).toEqual(['good', 'one', 'two']);
    expect(world.warnings).toEqual([
      `MessageMalformed: a message of ${world.plan.topic} said to be a CloudEvent and made no sense as one: type: required, and missing or empty; delivered as messagePublished`,
    ]);
  });

  it('delivers the messages of a key in their order, one at a time, and others beside them (R2)', async () => {
    const topic = world.plain.topic(world.topic.name, { messageOrdering: true });
    let [busy, most] = [0, 0];
    world.sink = async ({ attributes }) => {
      if (attributes.get('partitionkey') !== 'a') return 'taken';
      busy += 1;
      most = Math.max(most, busy);
      await new Promise((resolve) => setImmediate(resolve));
      busy -= 1;
      return 'taken';
    };
    world.source();
    await running();
    const names = Array.from({ length: 30 }, (_, i) => `a-${i}`);
    await Promise.all([
      ...names.map((name) => topic.publishMessage({ data: Buffer.from(name), orderingKey: 'a' })),
      topic.publishMessage({ data: Buffer.from('b-0'), orderingKey: 'b' }),
      topic.publishMessage({ data: Buffer.from('none') }),
      topic.publishMessage({
        data: Buffer.from('{}'),
        attributes: { 'ce-specversion': '1.0', 'ce-id': 'e', 'ce-source': '/s', 'ce-type': 't' },
        orderingKey: 'c',
      }),
    ]);
    await expect.poll(() => world.events.length, WAIT).toBe(33);
    const keyed = world.events.filter(({ attributes }) => attributes.get('partitionkey') === 'a');
    expect(keyed.map(wrappedText)).toEqual(names);
    expect(most).toBe(1);
    expect(
      world.events.find(({ attributes }) => attributes.get('id') === 'e')?.attributes.get('partitionkey'),
    ).toBe('c');
  });

  it('holds no more than a hundred in hand while the sink is away, and delivers all when it is back (A6)', async () => {
    const shut = shutSink();
    world.sink = shut.sink;
    world.source();
    await running();
    const names = Array.from({ length: 250 }, (_, i) => `m-${i}`);
    await Promise.all(names.map((name) => world.topic.publishMessage({ data: Buffer.from(name) })));
    await expect.poll(() => shut.asked, WAIT).toBe(100);
    shut.open();
    await expect.poll(() => new Set(world.events.map(wrappedText)).size, WAIT).toBe(250);
    expect(world.events).toHaveLength(250);
  });

  it('says in words that the topic is not there, makes none, and goes on once it is', async () => {
    await world.topic.delete();
    world.source();
    await expect
      .poll(said, WAIT)
      .toMatch(
        /^PullSubscriptionReady SubscriptionReconcileFailed Failed to reconcile Pub\/Sub subscription: Topic "orders-\w+" does not exist in project source-project \(Pub\/Sub says: .+\); the source goes on once it is made: gcloud pubsub topics create orders-\w+ --project source-project$/,
      );
    expect((await world.topic.exists())[0]).toBe(false);
    await world.topic.create();
    await running();
    await world.topic.publishMessage({ data: Buffer.from('here') });
    await expect.poll(() => world.events.map(wrappedText), WAIT).toEqual(['here']);
    expect(world.warnings).toEqual([]); // nothing was lost: it never was there
  });

  it('makes its subscription anew when somebody removed it, and says what that means (K2)', async () => {
    world.source();
    await running();
    await world.plain.subscription(world.plan.subscription).delete();
    await expect
      .poll(() => world.warnings, WAIT)
      .toEqual([
        `SubscriptionVanished: ${world.plan.subscription} was gone, and has been made anew for ${world.plan.topic}; what it owed, and what was published meanwhile, is lost`,
      ]);
    await world.topic.publishMessage({ data: Buffer.from('again') });
    await expect.poll(() => world.events.map(wrappedText), WAIT).toEqual(['again']);
  });

  it('delivers what its subscription owes when the topic is gone, and subscribes anew when it is back (K3)', async () => {
    const first = world.source();
    await running();
    await first.close();
    await world.topic.publishMessage({ data: Buffer.from('owed') });
    await world.topic.delete();
    world.source();
    await expect.poll(() => world.events.map(wrappedText), WAIT).toEqual(['owed']);
    await expect.poll(said, WAIT).toContain('its subscription is there, and what it still owes is delivered');
    await world.topic.create();
    await running();
    expect(world.warnings).toHaveLength(1);
    await world.topic.publishMessage({ data: Buffer.from('new') });
    await expect.poll(() => world.events.map(wrappedText), WAIT).toEqual(['owed', 'new']);
  });

  it('takes over another deadline and retention, or says that it could not', async () => {
    const first = world.source();
    await running();
    await first.close();
    world.states.length = 0;
    world.source({ ackDeadlineS: 60, retentionS: 7200 });
    await running();
    const [{ ackDeadlineSeconds }] = await world.plain.subscription(world.plan.subscription).getMetadata();
    expect(ackDeadlineSeconds).toBe(60);
    expect(world.warnings).toEqual([]);
  });

  it('removes the subscription of a former plan (K4)', async () => {
    const first = world.source();
    await running();
    await first.close();
    world.states.length = 0;
    world.source({ subscription: `${world.plan.subscription}-later` });
    await running();
    expect(await world.isThere).toBe(false);
    await world.plain.subscription(`${world.plan.subscription}-later`).delete();
  });

  it('removes its subscription with the source, and twice is as good as once', async () => {
    const source = world.source();
    await running();
    await source.close();
    await world.remove();
    expect(await world.isThere).toBe(false);
    await world.remove();
  });

  it('removes what it may have made before a crash, and nothing is asked where nothing was made (K1)', async () => {
    await world.remove(); // no notes: Pub/Sub is not even called
    await world.plain.createSubscription(world.topic, world.plan.subscription);
    world.bookmark.text = JSON.stringify({ subscription: world.plan.subscription, isMade: false });
    await world.remove();
    expect(await world.isThere).toBe(false);
  });

  it('cannot be removed while Pub/Sub is away, and says the way out', async () => {
    const [, port = '0'] = address.split(':');
    const proxy = await TcpProxy.open('127.0.0.1', Number(port));
    const other = await SourceWorld.open(`127.0.0.1:${proxy.port}`);
    const source = other.source();
    await expect.poll(() => other.states.at(-1)?.kind, WAIT).toBe('running');
    await source.close();
    proxy.isDown = true;
    proxy.cut();
    await expect(other.remove()).rejects.toThrow(
      /is removed once that is possible, or left there if the finalizer/,
    );
    proxy.isDown = false;
    await other.remove();
    expect(await other.isThere).toBe(false);
    await other.close();
    await proxy.close();
  });
});
