import { connect, type Channel, type ChannelModel, type ConsumeMessage } from 'amqplib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BackedChannel, ChannelSpec } from '../../../src/channels/backend.ts';
import { exchangeNameOf } from '../../../src/channels/rabbitmq/names.ts';
import { STRUCTURED_TYPE } from '../../../src/events/structured.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import { OPTIONS } from '../../contracts/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { rabbitmqServer } from '../../servers/rabbitmq.ts';
import { sharedServer } from '../../servers/shared.ts';
import { aChannelSpec, World } from './rabbitmq-world.ts';

const server = await sharedServer(rabbitmqServer);
const why = server.kind === 'missing' ? ` (left out: ${server.reason})` : '';
const address = server.kind === 'running' ? server.address : '';
const REQUIRED = { specversion: '1.0', id: 'p-1', source: '/plain', type: 'plain.event' };
const BYTES = Buffer.from([0, 255, 128, 10]);

describe.skipIf(server.kind === 'missing')(`plain AMQP clients beside a channel in RabbitMQ${why}`, () => {
  const world = new World(address);
  let connection: ChannelModel;
  let plain: Channel;
  let spec: ChannelSpec;
  let exchange: string;
  let channel: BackedChannel;
  const seen: CloudEvent[] = [];
  beforeAll(async () => {
    connection = await connect(address);
    plain = await connection.createChannel();
  });
  beforeEach(async () => {
    seen.length = 0;
    spec = aChannelSpec();
    exchange = exchangeNameOf(spec);
    channel = await world.open(spec);
  });
  afterEach(() => world.release());
  afterAll(() => connection.close());

  const consume = () =>
    channel.consume('audit', OPTIONS, async ({ event, attempt }) => {
      if (attempt === 1) return { kind: 'retry', dueMs: Date.now() + 1, reason: 'busy', code: 503 };
      seen.push(event);
      return { kind: 'settled' };
    });

  /** What somebody gets whose queue is bound to the exchange. */
  async function bystander(): Promise<ConsumeMessage[]> {
    const messages: ConsumeMessage[] = [];
    const { queue } = await plain.assertQueue('', { exclusive: true });
    await plain.bindQueue(queue, exchange, '');
    await plain.consume(queue, (message) => message !== null && messages.push(message), { noAck: true });
    return messages;
  }

  it.each([
    ['of the specification', 'cloudEvents:'],
    ['of the specification for JMS', 'cloudEvents_'],
    ["of Knative's source", 'ce-'],
    ["of Knative's broker", ''],
  ])('a program reaches the subscribers in binary mode, with the names %s', async (_, prefix) => {
    await consume();
    const headers = Object.fromEntries(
      Object.entries(REQUIRED).map(([name, value]) => [prefix + name, value]),
    );
    plain.publish(exchange, '', BYTES, { headers, contentType: 'image/x-test' });
    await expect.poll(() => seen.length).toBe(1);
    expect(seen).toEqual([
      { attributes: new Map(Object.entries(REQUIRED)), contentType: 'image/x-test', body: BYTES },
    ]);
  });

  it('and in structured mode, with the bytes of its data as they stand', async () => {
    await consume();
    const data = '{"n": 12345678901234567890}';
    const text = JSON.stringify({ ...REQUIRED, datacontenttype: 'application/json' }).replace(
      /}$/,
      `,"data":${data}}`,
    );
    plain.publish(exchange, '', Buffer.from(text), { contentType: STRUCTURED_TYPE });
    await expect.poll(() => seen.length).toBe(1);
    expect(seen[0]?.attributes).toEqual(new Map(Object.entries(REQUIRED)));
    expect(Buffer.from(seen[0]?.body ?? []).toString()).toBe(data);
  });

  it('what is no event, or a broken one, is wrapped as by RabbitmqSource, and keeps its id when it is tried again', async () => {
    await consume();
    plain.publish(exchange, '', Buffer.from('hello'), {
      contentType: 'text/plain',
      messageId: 'm-1',
      timestamp: 1,
    });
    plain.publish(exchange, '', BYTES, { headers: { 'cloudEvents:specversion': '1.0' } });
    plain.publish(exchange, '', Buffer.from('{"specversion":'), { contentType: STRUCTURED_TYPE });
    plain.publish(exchange, '', BYTES, {
      headers: { 'x-millrace-attempts': 99, 'x-millrace-stage': 'bury' },
    });
    await expect.poll(() => seen.length).toBe(4);
    const source = `/apis/v1/namespaces/demo/rabbitmqsources/${spec.name}#${exchange}`;
    for (const { attributes } of seen)
      expect(Object.fromEntries(attributes)).toMatchObject({ type: 'dev.knative.rabbitmq.event', source });
    const hello = seen.find((event) => idOf(event) === 'm-1');
    expect(hello?.contentType).toBe('text/plain');
    expect(hello?.attributes.get('time')).toBe('1970-01-01T00:00:01.000Z');
    expect(Buffer.from(hello?.body ?? []).toString()).toBe('hello');
    expect(new Set(seen.map(idOf)).size).toBe(4);
  });

  it('what the channel puts there is read by a plain consumer as a CloudEvent of the AMQP binding', async () => {
    const messages = await bystander();
    await channel.publish({
      ...anEvent('e-1', { subject: 'Euro €' }),
      headers: new Map([['x-request-id', 'r']]),
    });
    await expect.poll(() => messages.length).toBe(1);
    const { content, properties } = messages[0] ?? { content: undefined, properties: undefined };
    expect(content).toEqual(anEvent().body);
    expect(properties).toMatchObject({ contentType: 'application/json', deliveryMode: 2, messageId: 'e-1' });
    const attributes = Object.entries(properties?.headers ?? {}).filter(([name]) => !name.startsWith('x-'));
    expect(Object.fromEntries(attributes)).toEqual(
      Object.fromEntries(
        [...anEvent('e-1', { subject: 'Euro €' }).attributes].map(([name, value]) => [
          `cloudEvents:${name}`,
          value,
        ]),
      ),
    );
  });

  it("and, where the ConfigMap says so, as RabbitmqSource's rules read it", async () => {
    const backend = await world.platform(address, { config: { headers: 'knative' } });
    channel = await world.open(spec, backend);
    const messages = await bystander();
    const headers = new Map([
      ['x-request-id', 'r'],
      ['knative-trace', 't'],
    ]);
    await channel.publish({ ...anEvent('e-1', { tenant: 'a' }), headers });
    await expect.poll(() => messages.length).toBe(1);
    expect(readAsKnative(messages[0])).toEqual({
      attributes: Object.fromEntries(anEvent('e-1', { tenant: 'a' }).attributes),
      contentType: 'application/json',
      body: anEvent().body,
    });
  });

  it('an exchange of somebody else is used when it is named, and never removed', async () => {
    const theirs = `theirs-${spec.name}`;
    await expect(world.open({ ...spec, externalName: theirs })).rejects.toMatchObject({
      code: 'CHANNEL_NOT_FOUND',
    });
    await plain.assertExchange(theirs, 'topic');
    channel = await world.open({ ...spec, externalName: theirs });
    await consume();
    const headers = Object.fromEntries(
      Object.entries(REQUIRED).map(([name, value]) => [`ce-${name}`, value]),
    );
    plain.publish(theirs, 'any.key.at.all', BYTES, { headers });
    await channel.publish(anEvent('ours'));
    await expect.poll(() => seen.map(idOf).toSorted()).toEqual(['ours', 'p-1']);
    await channel.remove();
    await plain.checkExchange(theirs);
    await plain.deleteExchange(theirs);
  });

  it('an exchange that has the name of the channel and is not ours is left alone, and the refusal says what to do', async () => {
    const other = aChannelSpec();
    await plain.assertExchange(exchangeNameOf(other), 'fanout');
    await expect(world.open(other)).rejects.toMatchObject({
      code: 'CHANNEL_NAME_TAKEN',
      message: expect.stringContaining('messaging.millrace.dev/external-name'),
    });
    expect(other.claim.isOurs).toBe(false);
    await plain.deleteExchange(exchangeNameOf(other));
  });

  it('a subscription that wants to begin in the past is refused in plain words, one that is there goes on', async () => {
    const settle = async () => ({ kind: 'settled' }) as const;
    for (const start of ['earliest', { sinceMs: 0 }] as const)
      await expect(channel.consume('audit', { ...OPTIONS, start }, settle)).rejects.toMatchObject({
        code: 'CHANNEL_START_UNSUPPORTED',
        message: expect.stringContaining('latest'),
      });
    await channel.consume('audit', OPTIONS, settle);
    await channel.close();
    channel = await world.open({ ...spec, groups: ['audit'] });
    await channel.consume('audit', { ...OPTIONS, start: 'earliest' }, settle);
  });

  it('two who read dead letters at once see all of them, the newest first, and take none away', async () => {
    await channel.consume('audit', OPTIONS, async () => ({
      kind: 'dead',
      failure: { dest: 'http://gone.test/', code: 410, data: 'Z29uZQ==', reason: 'gone' },
    }));
    for (let i = 0; i < 30; i += 1) await channel.publish(anEvent(`e-${i}`));
    await expect.poll(async () => (await channel.backlog())[0]?.dead).toBe(30);
    const other = await world.open({ ...spec, groups: ['audit'] });
    const ids = async (from: BackedChannel, limit: number): Promise<string[]> =>
      (await from.deadLetters({ limit })).map(({ event }) => idOf(event));
    const all = await Promise.all([
      ids(channel, 100),
      ids(other, 100),
      ids(channel, 100),
      ids(other, 3),
      ids(other, 100),
    ]);
    expect(all.map((each) => each.length)).toEqual([30, 30, 30, 3, 30]);
    expect(all[3]).toEqual(all[0]?.slice(0, 3));
    const [letter] = await channel.deadLetters({ limit: 1, eventId: 'e-7' });
    expect(letter).toMatchObject({ attempts: 1, failure: { data: 'Z29uZQ==' } });
    expect((await channel.backlog())[0]?.dead).toBe(30);
  });
});

/** The rules by which eventing-rabbitmq makes an event of a message: pkg/rabbit/message.go, NewMessageFromDelivery and ReadBinary. */
function readAsKnative(message: ConsumeMessage | undefined): unknown {
  const headers = new Map(
    Object.entries(message?.properties.headers ?? {}).map(([name, value]) => [
      name.toLowerCase().replace(/^ce-/, ''),
      String(value),
    ]),
  );
  if (headers.get('specversion') !== '1.0') return 'no event';
  const contentType = headers.get('content-type');
  const attributes = [...headers].filter(([name]) => name !== 'content-type' && !name.startsWith('x-'));
  return { attributes: Object.fromEntries(attributes), contentType, body: message?.content };
}
