import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { answerRequests } from './child.ts';
import { quantile } from './rounds.ts';

/**
 * Sender and subscriber in one process, so that both have one clock: an open loop of `rate` events a second goes to a
 * channel, each with the time at which it was due, and comes back by delivery.
 */
const agent = new Agent({ connections: 64 });
let latencies: number[] = [];
const server = createServer((incoming, response) => {
  const dueMs = Number(incoming.headers['ce-duems']);
  incoming.resume();
  incoming.on('end', () => {
    latencies.push(performance.now() - dueMs);
    response.writeHead(204).end();
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));

const DRAIN_MAX_MS = 30_000;
const body = Buffer.alloc(1024, 'x');
let lastId = 0;

answerRequests(async (message) => {
  const [port, rate, seconds] = ['port', 'rate', 'seconds'].map((name) => Number(message[name]));
  const url = `http://127.0.0.1:${port}${String(message['path'])}`;
  latencies = [];
  const total = (rate ?? 0) * (seconds ?? 0);
  const startMs = performance.now();
  const answers: Promise<number>[] = [];
  while (answers.length < total) {
    const dueCount = Math.min(total, ((performance.now() - startMs) / 1000) * (rate ?? 0));
    while (answers.length < dueCount)
      answers.push(send(url, startMs + (answers.length * 1000) / (rate ?? 1)));
    await pause(1);
  }
  const codes = await Promise.all(answers);
  const refused = codes.filter((code) => code !== 202).length;
  const untilMs = performance.now() + DRAIN_MAX_MS;
  while (latencies.length < total - refused && performance.now() < untilMs) await pause(5);
  const sorted = latencies.toSorted((a, b) => a - b);
  return { seen: sorted.length, refused, p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) };
});

async function send(url: string, dueMs: number): Promise<number> {
  const headers = {
    'ce-specversion': '1.0',
    'ce-id': String((lastId += 1)),
    'ce-source': '/bench',
    'ce-type': 'bench.event',
    'ce-duems': String(dueMs),
    'content-type': 'text/plain',
  };
  const { statusCode, body: answer } = await request(url, {
    dispatcher: agent,
    method: 'POST',
    headers,
    body,
  });
  await answer.dump();
  return statusCode;
}
