import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CompressionTypes, type KafkaMessage, type Message } from 'kafkajs';
import type { BackedChannel } from '../../../src/channels/backend.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import { toKafka } from '../../../src/events/kafka-binding.ts';
import { anEvent } from '../../kit/events.ts';
import { plainKafka, plainProducer } from '../../kit/plain-kafka.ts';
import { kafkaServer, kafkaTool } from '../../servers/kafka.ts';
import { sharedServer } from '../../servers/shared.ts';
import { KafkaWorld } from './kafka-world.ts';

const server = await sharedServer(kafkaServer);
const why = server.kind === 'missing' ? ` (skipped: ${server.reason})` : '';
const address = server.kind === 'running' ? server.address : '';
const OPTIONS = { start: 'latest', inFlightMax: 10, isOrdered: false } as const;

describe.skipIf(server.kind === 'missing')(`a topic shared with other programs${why}`, () => {
  let world: KafkaWorld;
  let channel: BackedChannel;
  const seen: CloudEvent[] = [];
  beforeEach(async () => {
    seen.length = 0;
    world = new KafkaWorld(address);
    channel = await world.open();
    await channel.consume('audit', OPTIONS, async ({ event }) => (seen.push(event), { kind: 'settled' }));
  });
  afterEach(() => world.release());

  async function send(messages: Message[], compression = CompressionTypes.None): Promise<void> {
    const producer = await plainProducer(address);
    await producer.send({ topic: world.topic, messages, compression });
    await producer.disconnect();
  }

  const asPlain = (message: ReturnType<typeof toKafka>): Message => ({
    key: message.key === null ? null : Buffer.from(message.key),
    value: message.value === null ? null : Buffer.from(message.value),
    headers: Object.fromEntries(Object.entries(message.headers).map(([name, each]) => [name, String(each)])),
  });

  it('takes what a plain client publishes: binary, structured, plain and malformed, with all bytes', async () => {
    const binary = { ...anEvent('binary', { subject: 'Euro € 😀' }), body: Buffer.of(0, 255) };
    await send([asPlain(toKafka(binary)), asPlain(toKafka(anEvent('structured'), 'structured'))]);
    await send([
      { key: 'k-1', value: Buffer.of(1, 0, 254), headers: { trace: 'abc' } },
      { value: '{', headers: { 'content-type': 'application/cloudevents+json' } },
      { value: null },
    ]);
    await expect.poll(() => seen.length, { timeout: 5000 }).toBe(5);
    expect(shapeOf(seen[0])).toEqual(shapeOf(binary));
    expect(shapeOf(seen[1])).toEqual(shapeOf(anEvent('structured')));
    const source = `/apis/v1/namespaces/demo/kafkachannels/${world.name}#${world.topic}`;
    expect(Object.fromEntries(seen[2]?.attributes ?? [])).toMatchObject({
      type: 'dev.knative.kafka.event',
      source,
      id: 'partition:0/offset:2',
      subject: 'partition:0#2',
      key: 'k-1',
      kafkaheadertrace: 'abc',
    });
    expect([...(seen[2]?.body ?? [])]).toEqual([1, 0, 254]);
    expect(String(seen[3]?.body)).toBe('{');
    expect(seen[3]?.attributes.get('type')).toBe('dev.knative.kafka.event');
    expect(seen[4]?.body.byteLength).toBe(0);
  });

  it('takes compressed batches, and passes over transactions that were taken back', async () => {
    await send([asPlain(toKafka(anEvent('zipped')))], CompressionTypes.GZIP);
    const producer = plainKafka(address).producer({
      transactionalId: world.name,
      idempotent: true,
      maxInFlightRequests: 1,
    });
    await producer.connect();
    for (const [id, isKept] of [
      ['aborted', false],
      ['committed', true],
    ] as const) {
      const transaction = await producer.transaction();
      await transaction.send({ topic: world.topic, messages: [asPlain(toKafka(anEvent(id)))] });
      await (isKept ? transaction.commit() : transaction.abort());
    }
    await producer.disconnect();
    await expect
      .poll(() => seen.map(({ attributes }) => attributes.get('id')), { timeout: 10_000 })
      .toEqual(['zipped', 'committed']);
    await expect.poll(() => channel.backlog(), { timeout: 5000 }).toMatchObject([{ events: 0 }]);
  }, 30_000);

  it('gives a plain consumer a correct CloudEvent, keyed by its partitionkey', async () => {
    const event = {
      ...anEvent('e-1', { subject: 'Euro € 😀', partitionkey: 'order-7' }),
      body: Buffer.of(0, 255),
    };
    await channel.publish(event);
    const consumer = plainKafka(address).consumer({ groupId: `plain-${world.name}` });
    await consumer.connect();
    await consumer.subscribe({ topic: world.topic, fromBeginning: true });
    const read = Promise.withResolvers<KafkaMessage>();
    await consumer.run({ eachMessage: async ({ message }) => read.resolve(message) });
    const { key, value, headers } = await read.promise;
    await consumer.disconnect();
    expect(String(key)).toBe('order-7');
    expect(value).toEqual(Buffer.of(0, 255));
    const text = Object.entries(headers ?? {}).map(([name, each]) => [name, String(each)]);
    expect(Object.fromEntries(text)).toEqual({
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: 'e-1',
      ce_source: '/shop',
      ce_type: 'order.paid',
      ce_subject: 'Euro € 😀',
      ce_partitionkey: 'order-7',
    });
  }, 30_000);

  it.each(['lz4', 'snappy', 'zstd', 'gzip'])(
    'takes what Java’s producer has compressed with %s',
    async (codec) => {
      const lines = Array.from({ length: 200 }, (_, i) => `${i} ${'again and '.repeat(i)}${Math.random()}`);
      await kafkaTool(
        'org.apache.kafka.tools.ConsoleProducer',
        [
          '--bootstrap-server',
          address,
          '--topic',
          world.topic,
          '--compression-codec',
          codec,
          '--batch-size',
          '100000',
        ],
        lines.map((line) => `${line}\n`).join(''),
      );
      await expect.poll(() => seen.map(({ body }) => String(body)), { timeout: 10_000 }).toEqual(lines);
    },
    30_000,
  );

  it('works with the server’s own tools: producer, consumer and consumer groups', async () => {
    const bootstrap = ['--bootstrap-server', address];
    await kafkaTool(
      'org.apache.kafka.tools.ConsoleProducer',
      [
        ...bootstrap,
        '--topic',
        world.topic,
        '--property',
        'parse.headers=true',
        '--property',
        'headers.delimiter=|',
      ],
      'ce_specversion:1.0,ce_id:typed,ce_source:/tool,ce_type:t,content-type:text/plain|hello\n',
    );
    await expect.poll(() => seen.length, { timeout: 5000 }).toBe(1);
    expect(seen[0]).toMatchObject({ contentType: 'text/plain', body: Buffer.from('hello') });
    await channel.publish(anEvent('ours'));
    const consumed = await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...bootstrap,
      '--topic',
      world.topic,
      '--from-beginning',
      '--max-messages',
      '2',
      '--property',
      'print.headers=true',
    ]);
    expect(consumed).toContain('ce_id:typed');
    expect(consumed).toMatch(/ce_id:ours.*\{"total":12345678901234567890\}/);
    await expect.poll(() => channel.backlog(), { timeout: 5000 }).toMatchObject([{ events: 0 }]);
    const groups = await kafkaTool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
      ...bootstrap,
      '--describe',
      '--group',
      `kafka.demo.${world.name}.audit`,
    ]);
    const row = new RegExp(`${world.topic}\\s+0\\s+2\\s+2\\s+0\\s+\\S+`); // partition, offset, end, lag, member
    expect(groups).toMatch(row);
    expect(groups).toContain(`${world.topic}.audit.retry`);
  }, 60_000);
});

function shapeOf(event: CloudEvent | undefined): unknown {
  return (
    event && { attributes: [...event.attributes], contentType: event.contentType, body: [...event.body] }
  );
}
