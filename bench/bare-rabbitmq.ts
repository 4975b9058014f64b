import { connect, type ChannelModel } from 'amqplib';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { answerRequests, type Answer } from './child.ts';

/**
 * The barest bridge with the client, acknowledgement mode and kind of queue that the channel has, and the client alone:
 * `node bare-rabbitmq.ts AMQP-URL QUEUE [SINK-PORT IN-FLIGHT]`. Takes POSTs, publishes each to the queue, answers when it is
 * confirmed; with a sink it consumes the queue, posts each message there, and acknowledges it when that has answered.
 * Asked for `raw: publish` or `raw: consume`, it does so as fast as the client can.
 */
const [url = '', queue = '', sinkPort, inFlight = '0'] = process.argv.slice(2);
const RAW_WINDOW = 256;
const connection = await connect(url, { noDelay: true });
const publishing = await connection.createConfirmChannel();
await publishing.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
if (sinkPort !== undefined) await consume(connection, Number(sinkPort), Number(inFlight));

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks);
    publishing.sendToQueue(queue, body, { persistent: true }, (error: unknown) => {
      response.statusCode = error === null ? 202 : 503;
      response.setHeader('content-length', '0');
      response.end();
    });
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));

async function consume(from: ChannelModel, port: number, prefetch: number): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: prefetch, pipelining: 1 });
  const channel = await (await connect(url, { noDelay: true })).createChannel();
  from.on('close', () => void pool.close());
  await channel.prefetch(prefetch);
  await channel.consume(queue, (message) => {
    if (message === null) return;
    pool.dispatch(
      { path: '/', method: 'POST', headers: { 'content-type': 'text/plain' }, body: message.content },
      {
        onRequestStart() {},
        onResponseStart() {},
        onResponseData() {},
        onResponseEnd: () => channel.ack(message),
        onResponseError: () => channel.nack(message),
      },
    );
  });
}

answerRequests(async (asked): Promise<Answer> => {
  const count = Number(asked['count']);
  const body = Buffer.alloc(Number(asked['bytes'] ?? 1024), 'x');
  const startMs = performance.now();
  if (asked['raw'] === 'publish')
    await publishAll(String(asked['exchange'] ?? ''), String(asked['key'] ?? queue), count, body);
  else await consumeAll(count);
  return { perSecond: (count * 1000) / (performance.now() - startMs) };
});

function publishAll(exchange: string, key: string, count: number, body: Buffer): Promise<void> {
  let sent = 0;
  let confirmed = 0;
  return new Promise((resolve, reject) => {
    const next = (): void => {
      if (sent === count) return;
      sent += 1;
      const headers = { 'cloudEvents:specversion': '1.0', 'cloudEvents:id': String(sent) };
      const event = { ...headers, 'cloudEvents:source': '/bench', 'cloudEvents:type': 'bench.event' };
      const options = { persistent: true, contentType: 'text/plain', headers: event };
      publishing.publish(exchange, key, body, options, (error: unknown) => {
        if (error !== null) return reject(error);
        confirmed += 1;
        if (confirmed === count) resolve();
        else next();
      });
    };
    for (let i = 0; i < Math.min(RAW_WINDOW, count); i += 1) next();
  });
}

async function consumeAll(count: number): Promise<void> {
  const channel = await connection.createChannel();
  await channel.prefetch(RAW_WINDOW);
  let seen = 0;
  await new Promise<void>((resolve) => {
    void channel.consume(queue, (message) => {
      if (message === null) return;
      channel.ack(message);
      if ((seen += 1) === count) resolve();
    });
  });
  await channel.close();
}
