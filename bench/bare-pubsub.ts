import { PubSub, type Message, type Topic } from '@google-cloud/pubsub';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { answerRequests, type Answer } from './child.ts';

/**
 * The barest bridge with the client library as it is meant to be used, and the client alone:
 * `node bare-pubsub.ts HOST:PORT TOPIC [SINK-PORT IN-FLIGHT]`. Takes POSTs, publishes each to the topic, answers when Pub/Sub
 * has it; with a sink it takes the topic's messages, posts each there, so many at a time, and acknowledges it when that
 * has answered. Asked for `raw: publish` or `raw: consume`, it does so as fast as the client can.
 */
const [address = '', name = '', sinkPort, inFlight = '0'] = process.argv.slice(2);
const RAW_WINDOW = 1000;
const BATCHING = { maxMessages: 100, maxMilliseconds: 1 }; // its default of 10 ms would be a handicap
const clientOptions = { universeDomain: 'googleapis.com' };
const pubsub = new PubSub({ projectId: 'bench', apiEndpoint: address, emulatorMode: true, clientOptions });
const topic = await topicOf(name);
if (sinkPort !== undefined) await bridge(Number(sinkPort), Number(inFlight));

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const data = chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks);
    const answer = (code: number) => (): void => {
      response.writeHead(code, { 'content-length': '0' }).end();
    };
    topic.publishMessage({ data }).then(answer(202), answer(503));
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));

async function topicOf(id: string): Promise<Topic> {
  const made = pubsub.topic(id, { batching: BATCHING });
  await made.get({ autoCreate: true });
  await made.subscription(id).get({ autoCreate: true });
  return made;
}

async function bridge(port: number, connections: number): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections, pipelining: 1 });
  const subscription = topic.subscription(name, { flowControl: { maxMessages: connections } });
  subscription.on('message', (message: Message) => {
    pool.dispatch(
      { path: '/', method: 'POST', headers: { 'content-type': 'text/plain' }, body: message.data },
      {
        onRequestStart() {},
        onResponseStart() {},
        onResponseData() {},
        onResponseEnd: () => message.ack(),
        onResponseError: () => message.nack(),
      },
    );
  });
}

answerRequests(async (asked): Promise<Answer> => {
  const count = Number(asked['count']);
  const to = String(asked['topic'] ?? name);
  const startMs = performance.now();
  if (asked['raw'] === 'publish') await publishAll(to, count, Number(asked['bytes']));
  else await consumeAll(count);
  return { perSecond: (count * 1000) / (performance.now() - startMs) };
});

async function publishAll(to: string, count: number, bytes: number): Promise<void> {
  const target = to === name ? topic : pubsub.topic(to, { batching: BATCHING });
  const data = Buffer.alloc(bytes, 'x');
  const event = { 'ce-specversion': '1.0', 'ce-source': '/bench', 'ce-type': 'bench.event' };
  for (let sent = 0; sent < count; sent += RAW_WINDOW) {
    const window = Array.from({ length: Math.min(RAW_WINDOW, count - sent) }, (_, i) => {
      const attributes = { ...event, 'ce-id': String(sent + i), 'Content-Type': 'text/plain' };
      return target.publishMessage({ data, attributes });
    });
    await Promise.all(window);
  }
}

async function consumeAll(count: number): Promise<void> {
  const subscription = topic.subscription(name, { flowControl: { maxMessages: RAW_WINDOW } });
  const done = Promise.withResolvers<void>();
  let seen = 0;
  subscription.on('message', (message: Message) => {
    message.ack();
    seen += 1;
    if (seen === count) done.resolve();
  });
  await done.promise;
  await subscription.close();
}
