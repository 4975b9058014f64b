import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Kafka, Partitioners, type Consumer, type Message } from 'kafkajs';
import { Pool } from 'undici';
import { answerRequests, type Answer } from './child.ts';

/**
 * The barest bridge with the client and acknowledgement mode that the channel has, and the client alone:
 * `node bare-kafka.ts BROKER TOPIC [SINK-PORT IN-FLIGHT]`. Takes POSTs, sends each to the topic, answers when it is
 * confirmed; with a sink it consumes the topic, posts each message there, so many at a time, and commits batch by batch.
 * Asked for `raw: publish` or `raw: consume`, it does so as fast as the client can, in batches of 500.
 */
const [broker = '', topic = '', sinkPort, inFlight = '0'] = process.argv.slice(2);
const BATCH = 500;
const PARTITIONS = 4;
const kafka = new Kafka({ brokers: [broker], logCreator: () => () => undefined });
const admin = kafka.admin();
await admin.connect();
await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }] });
await admin.disconnect();
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
await producer.connect();
if (sinkPort !== undefined) await bridge(Number(sinkPort), Number(inFlight));

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const value = chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks);
    const answer = (code: number) => (): void => {
      response.writeHead(code, { 'content-length': '0' }).end();
    };
    producer.send({ topic, acks: -1, messages: [{ value }] }).then(answer(202), answer(503));
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));

async function consumerOf(groupId: string): Promise<Consumer> {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 300 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  return consumer;
}

async function bridge(port: number, connections: number): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections, pipelining: 1 });
  const post = (body: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      pool.dispatch(
        { path: '/', method: 'POST', headers: { 'content-type': 'text/plain' }, body },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd: () => resolve(),
          onResponseError: (_, error) => reject(error),
        },
      );
    });
  const consumer = await consumerOf(`${topic}-bare`);
  await consumer.run({
    partitionsConsumedConcurrently: PARTITIONS,
    eachBatch: async ({ batch }) => {
      await Promise.all(batch.messages.map(({ value }) => post(value ?? Buffer.alloc(0))));
    },
  });
}

answerRequests(async (asked): Promise<Answer> => {
  const count = Number(asked['count']);
  const startMs = performance.now();
  if (asked['raw'] === 'publish')
    await publishAll(String(asked['topic'] ?? topic), count, Number(asked['bytes']));
  else await consumeAll(count);
  return { perSecond: (count * 1000) / (performance.now() - startMs) };
});

async function publishAll(to: string, count: number, bytes: number): Promise<void> {
  const value = Buffer.alloc(bytes, 'x');
  const event = { ce_specversion: '1.0', ce_source: '/bench', ce_type: 'bench.event' };
  for (let sent = 0; sent < count; sent += BATCH) {
    const messages = Array.from({ length: Math.min(BATCH, count - sent) }, (_, i): Message => {
      return { value, headers: { ...event, ce_id: String(sent + i), 'content-type': 'text/plain' } };
    });
    await producer.send({ topic: to, acks: -1, messages });
  }
}

async function consumeAll(count: number): Promise<void> {
  const consumer = await consumerOf(`${topic}-raw`);
  const done = Promise.withResolvers<void>();
  let seen = 0;
  await consumer.run({
    eachBatch: async ({ batch }) => {
      seen += batch.messages.length;
      if (seen >= count) done.resolve();
    },
  });
  await done.promise;
  await consumer.disconnect();
}
