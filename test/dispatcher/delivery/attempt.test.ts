import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Dispatcher } from 'undici';
import { post, type AttemptResult } from '../../../src/dispatcher/delivery/attempt.ts';
import { ReplyRoom } from '../../../src/dispatcher/delivery/reply-room.ts';
import { targetOf } from '../../../src/dispatcher/delivery/target.ts';
import { createOutbound } from '../../../src/http/outbound.ts';
import { earlyRefusal, endlessAnswer, ZOO } from '../../kit/subscriber-zoo.ts';
import { brokenSubscriber, subscriber, type Subscriber } from '../../kit/subscribers.ts';

let outbound: Dispatcher;
let opened: Subscriber[];

beforeEach(() => {
  outbound = createOutbound({ route: () => undefined });
  opened = [];
});
afterEach(async () => {
  for (const each of opened) each.close();
  await outbound.destroy();
});

const REPLY = 'HTTP/1.1 200 OK\r\nce-specversion: 1.0\r\nce-id: r\r\n';

async function attempt(
  open: Subscriber | Promise<Subscriber>,
  options: { timeoutMs?: number; body?: Buffer; signal?: AbortSignal } = {},
): Promise<AttemptResult> {
  const to = await open;
  opened.push(to);
  const { timeoutMs = 300, body = Buffer.from('{}'), signal = new AbortController().signal } = options;
  const room = new ReplyRoom(1_000_000);
  const headers = ['content-type', 'application/json'];
  const target = targetOf(to.url);
  return post(outbound, { target, headers, body, timeoutMs, replyBytesMax: 100_000, room }, signal);
}

describe('an attempt (D1)', () => {
  it.each(ZOO)('ends with its own reason, without a code, at a subscriber that: $what', async (broken) => {
    const startMs = performance.now();
    const isTimeout = broken.reason.endsWith('within 300 ms');
    const timeoutMs = isTimeout ? 300 : 10_000; // a busy machine must not turn another reason into this one
    const { outcome, code, reason } = await attempt(broken.open(), { timeoutMs });
    expect({ code, reason }).toEqual({ code: 0, reason: broken.reason });
    expect(outcome).toBe(isTimeout ? 'timedOut' : 'unreachable');
    if (isTimeout) expect(performance.now() - startMs).toBeLessThan(3000);
  });

  it('repeats what a refusal says in plain text, its first line', async () => {
    const text = { 'content-type': 'text/plain; charset=utf-8' };
    const telling = subscriber((response) => response.writeHead(504, text).end('request timeout\nmore\n'));
    expect(await attempt(telling)).toMatchObject({ reason: 'answered 504: request timeout' });
    const page = subscriber((response) =>
      response.writeHead(500, { 'content-type': 'text/html' }).end('<p>'),
    );
    expect(await attempt(page)).toMatchObject({ reason: 'answered 500' });
  });

  it('takes the answer that comes after 102 and 103', async () => {
    const hinting = brokenSubscriber((socket) =>
      socket.on('data', () =>
        socket.write(
          'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
        ),
      ),
    );
    expect(await attempt(hinting)).toMatchObject({ outcome: 'delivered', code: 204 });
  });

  it('is rejected by an answer that comes before the whole event was read', async () => {
    const result = await attempt(earlyRefusal(), { body: Buffer.alloc(8_000_000), timeoutMs: 5000 });
    expect(result).toMatchObject({ outcome: 'rejected', code: 413, reason: 'answered 413' });
    expect(result.body.toString()).toBe('too big');
  });

  it('waits for a slow answer as long as its deadline is', async () => {
    const slow = subscriber((response) => void setTimeout(() => response.writeHead(204).end(), 100));
    expect(await attempt(slow, { timeoutMs: 5000 })).toMatchObject({ outcome: 'delivered', code: 204 });
  });

  it.each([
    [200, 'delivered', 'the answer was cut after 1048576 bytes'],
    [500, 'rejected', 'answered 500'],
  ])('cuts an answer without end after 1 MiB, and its status %d counts', async (code, outcome, reason) => {
    const endless = await endlessAnswer(`HTTP/1.1 ${code} X\r\ncontent-length: 1073741824\r\n\r\n`);
    const result = await attempt(endless, { timeoutMs: 5000 });
    expect(result).toMatchObject({ outcome, code, reason });
    expect(result.body).toHaveLength(1024);
    expect(endless.sent()).toBeLessThan(64 * 1024 * 1024); // what socket buffers take, no gigabyte
  });

  it('cuts a reply at the size of the largest event', async () => {
    const endless = await endlessAnswer(`${REPLY}content-length: 1073741824\r\n\r\n`);
    const { outcome, reason } = await attempt(endless, { timeoutMs: 5000 });
    expect({ outcome, reason }).toEqual({
      outcome: 'delivered',
      reason: 'the reply is larger than 100000 bytes',
    });
  });

  it('ends at once when it is told to stop, and is not begun when that was before', async () => {
    const stop = new AbortController();
    const hanging = brokenSubscriber((socket) => socket.on('data', () => stop.abort()));
    const stopped = { outcome: 'unreachable', code: 0, reason: 'stopped before there was an answer' };
    expect(await attempt(hanging, { timeoutMs: 60_000, signal: stop.signal })).toMatchObject(stopped);
    const answering = await subscriber((response) => response.end());
    expect(await attempt(answering, { signal: stop.signal })).toMatchObject(stopped);
    expect(answering.requests).toEqual([]);
  });

  it('leaves no connection behind when it has ended early', async () => {
    let open = 0;
    const hanging = await brokenSubscriber((socket) => {
      open += 1;
      socket.resume().on('close', () => (open -= 1));
    });
    await Promise.all(Array.from({ length: 10 }, () => attempt(hanging)));
    await expect.poll(() => open).toBe(0);
  });
});
