import { PubSub, type Message } from '@google-cloud/pubsub';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BackedChannel, Backend, ChannelSpec } from '../../../src/channels/backend.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { aSpec, connectTo, PROJECT, server, SETTLED, title } from './pubsub-world.ts';

const OPTIONS = { start: 'latest', inFlightMax: 10, isOrdered: false } as const;

describe.skipIf(server.kind === 'missing')(title('pubsub with the plain client'), () => {
  const address = server.kind === 'running' ? server.address : '';
  let plain: PubSub;
  let backend: Backend;
  let channel: BackedChannel;
  let spec: ChannelSpec;
  let warnings: string[] = [];
  const warn = (warning: Error): void => void warnings.push(warning.message);

  beforeAll(async () => {
    process.on('warning', warn);
    const clientOptions = { universeDomain: 'googleapis.com' };
    plain = new PubSub({ projectId: PROJECT, apiEndpoint: address, emulatorMode: true, clientOptions });
    backend = await connectTo(address);
  });
  afterEach(() => channel.remove());
  afterAll(async () => {
    await backend.close();
    await plain.close();
    process.off('warning', warn);
    expect(warnings).toEqual([]);
  });

  async function openOn(options: Partial<ChannelSpec> = {}): Promise<string> {
    spec = aSpec(options);
    channel = await backend.open(spec);
    return spec.externalName ?? `cre-ch_${spec.namespace}_${spec.name}_${spec.uid}`;
  }

  async function received(): Promise<CloudEvent[]> {
    const events: CloudEvent[] = [];
    await channel.consume('audit', OPTIONS, async ({ event }) => (events.push(event), SETTLED));
    return events;
  }

  it('offers what a program publishes straight to the topic: binary, structured, and anything else wrapped', async () => {
    const topic = plain.topic(await openOn());
    const events = await received();
    const ce = { 'ce-specversion': '1.0', 'ce-source': '/plain', 'ce-type': 't' };
    await topic.publishMessage({ data: Buffer.of(0, 255), attributes: { ...ce, 'ce-id': 'binary' } });
    await topic.publishMessage({
      data: Buffer.from('{"specversion":"1.0","id":"structured","source":"/plain","type":"t","data":"x"}'),
      attributes: { 'Content-Type': 'application/cloudevents+json' },
    });
    await topic.publishMessage({ data: Buffer.from('hello'), attributes: { tenant: 'a' } });
    await topic.publishMessage({ data: Buffer.from('bad'), attributes: { ...ce, 'ce-id': '' } });
    await expect.poll(() => events.length, { timeout: 10_000 }).toBe(4);
    const bodyOf = (event: CloudEvent | undefined): string =>
      Buffer.from(event?.body ?? []).toString('latin1');
    const byId = new Map(events.map((event) => [idOf(event), event]));
    expect(bodyOf(byId.get('binary'))).toBe('\u0000\u00ff');
    expect(bodyOf(byId.get('structured'))).toBe('"x"');
    const wrapped = events.filter(({ attributes }) =>
      attributes.get('type')?.startsWith('google.cloud.pubsub'),
    );
    const messages = wrapped.map((event) => JSON.parse(bodyOf(event)).message as { data: string });
    expect(messages.map(({ data }) => Buffer.from(data, 'base64').toString()).toSorted()).toEqual([
      'bad',
      'hello',
    ]);
    expect(wrapped[0]?.attributes.get('source')).toBe(`//pubsub.googleapis.com/${topic.name}`);
  });

  it('keeps a wrapped message as it is through a retry and into the dead letters', async () => {
    const topic = plain.topic(await openOn());
    const events: CloudEvent[] = [];
    const failure = { dest: 'http://x/', code: 400, data: '', reason: 'no' };
    await channel.consume('audit', OPTIONS, async ({ event, attempt }) => {
      events.push(event);
      return attempt < 2
        ? { kind: 'retry', dueMs: 0, reason: '', code: 503 }
        : { kind: 'dead', failure: failure };
    });
    await topic.publishMessage({ data: Buffer.from('hello'), attributes: { tenant: 'a' }, orderingKey: 'k' });
    await expect.poll(() => events.length, { timeout: 10_000 }).toBe(2);
    expect(events[1]).toEqual(events[0]);
    expect(events[0]?.attributes.get('partitionkey')).toBe('k');
    await expect
      .poll(() => channel.deadLetters({ limit: 1 }), { timeout: 10_000 })
      .toMatchObject([{ failure }]);
    const [letter] = await channel.deadLetters({ limit: 1 });
    expect(letter?.event).toEqual(events[0]);
  });

  it('is read by a plain consumer as a CloudEvent of the binding', async () => {
    const topic = plain.topic(await openOn());
    const [subscription] = await topic.createSubscription(`plain-${spec.uid}`);
    const messages: Message[] = [];
    subscription.on('message', (message: Message) => {
      messages.push(message);
      message.ack();
    });
    await channel.publish({
      ...anEvent('e-1', { subject: 'Euro €' }),
      headers: new Map([['x-request-id', 'r-1']]),
    });
    await expect.poll(() => messages.length, { timeout: 10_000 }).toBe(1);
    expect(messages[0]?.attributes).toMatchObject({
      'ce-specversion': '1.0',
      'ce-id': 'e-1',
      'ce-source': '/shop',
      'ce-type': 'order.paid',
      'ce-subject': 'Euro €',
      'Content-Type': 'application/json',
      'x-request-id': 'r-1',
    });
    expect(messages[0]?.data).toEqual(anEvent().body);
    await subscription.close();
    await subscription.delete();
  });

  it('gives an ordering key to what it publishes once an ordered group is served, and not before (S2)', async () => {
    const topic = plain.topic(await openOn());
    const [subscription] = await topic.createSubscription(`plain-${spec.uid}`);
    const keys = new Map<string, string | undefined>();
    subscription.on('message', (message: Message) => {
      keys.set(message.attributes['ce-id'] ?? 'long', message.orderingKey); // that one is in structured mode
      message.ack();
    });
    await channel.publish(anEvent('before', { partitionkey: 'k' }));
    await channel.consume('audit', { ...OPTIONS, isOrdered: true }, async () => SETTLED);
    await channel.publish(anEvent('keyed', { partitionkey: 'k' }));
    await channel.publish(anEvent('keyless'));
    await channel.publish(anEvent('long', { partitionkey: 'k'.repeat(2000) }));
    await expect.poll(() => keys.size, { timeout: 10_000 }).toBe(4);
    expect(Object.fromEntries(keys)).toEqual({
      before: '',
      keyed: 'k',
      keyless: '-',
      long: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    await subscription.close();
    await subscription.delete();
  });

  it.each([false, true])(
    'keeps a reply that is too large to be kept beside its event (G4; ordered: %s)',
    async (isOrdered) => {
      await openOn();
      const offers: string[] = [];
      const reply = { ...anEvent('reply'), body: Buffer.alloc(6_000_000, 'r') };
      await channel.consume('audit', { ...OPTIONS, isOrdered }, async ({ stage, attempt }) => {
        offers.push(`${stage.kind} ${attempt}`);
        if (stage.kind === 'deliver') return { kind: 'advance', stage: { kind: 'reply', reply } };
        if (stage.kind === 'reply' && !Buffer.from(stage.reply.body).equals(reply.body))
          throw new Error('altered');
        return attempt === 1 ? { kind: 'retry', dueMs: Date.now() + 20, reason: '', code: 503 } : SETTLED;
      });
      await channel.publish({ ...anEvent('e'), body: Buffer.alloc(6_000_000, 'e') });
      await expect.poll(() => offers, { timeout: 10_000 }).toEqual(['deliver 1', 'reply 1', 'reply 2']);
      await expect.poll(async () => (await channel.backlog())[0]).toMatchObject({ events: 0, inFlight: 0 });
    },
  );

  it('uses the topic of somebody else by name, and leaves it there', async () => {
    const name = `foreign-${Date.now().toString(36)}`;
    channel = await backend.open(aSpec());
    await expect(backend.open(aSpec({ externalName: name }))).rejects.toMatchObject({
      code: 'CHANNEL_NOT_FOUND',
      message: expect.stringContaining(name),
    });
    await channel.remove();
    const [topic] = await plain.createTopic(name);
    await openOn({ externalName: name });
    const events = await received();
    await channel.publish(anEvent('e'));
    await expect.poll(() => events.map(idOf), { timeout: 10_000 }).toEqual(['e']);
    await channel.remove();
    expect(await topic.exists()).toEqual([true]);
    const names = (await plain.getSubscriptions())[0]
      .map((each) => each.name)
      .filter((each) => each.includes(name));
    expect(names).toEqual([]);
    await topic.delete();
  });

  it('does not take a topic of its own name that it did not make, and says how to mend it', async () => {
    const taken = aSpec();
    const [topic] = await plain.createTopic(`cre-ch_shop_${taken.name}_${taken.uid}`);
    await expect(backend.open(taken)).rejects.toMatchObject({
      code: 'CHANNEL_NAME_TAKEN',
      message: expect.stringContaining('messaging.millrace.dev/external-name'),
    });
    await topic.delete();
    channel = await backend.open(taken);
  });

  it('removes all that it made, and nothing is left to be found', async () => {
    const name = await openOn();
    await channel.consume('audit', { ...OPTIONS, isOrdered: true }, async () => SETTLED);
    await channel.remove();
    const [topics] = await plain.getTopics();
    const [subscriptions] = await plain.getSubscriptions();
    const found = [...topics, ...subscriptions].map((each) => each.name);
    expect(found.filter((each) => each.includes(spec.uid) || each.includes(name))).toEqual([]);
    expect(found.filter((each) => each.includes(`${spec.name}_audit`))).toEqual([]);
    expect(await channel.remove()).toBe(0);
  });

  it('refuses an event that Pub/Sub would not take, and names its limit', async () => {
    await openOn();
    const events = await received();
    await expect(channel.publish({ ...anEvent('big'), body: Buffer.alloc(9_999_000) })).rejects.toMatchObject(
      {
        code: 'EVENT_TOO_LARGE',
        retryable: false,
        message: expect.stringContaining('10000000'),
      },
    );
    const body = Buffer.alloc(9_900_000, 'x');
    await channel.publish({ ...anEvent('fits'), body });
    await expect.poll(() => events.map(idOf), { timeout: 10_000 }).toEqual(['fits']);
    expect(Buffer.from(events[0]?.body ?? []).equals(body)).toBe(true);
  });

  it('says that a topic without retention can only be read from now on', async () => {
    await openOn();
    const settle = async () => SETTLED;
    for (const start of ['earliest', { sinceMs: 0 }] as const) {
      await expect(channel.consume('audit', { ...OPTIONS, start }, settle)).rejects.toMatchObject({
        code: 'CHANNEL_START_UNSUPPORTED',
        message: expect.stringContaining('retention'),
      });
    }
    await channel.consume('audit', OPTIONS, settle);
  });
});
