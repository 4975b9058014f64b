import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { PlatformError } from '../../../src/base/errors.ts';
import type { Channel } from '../../../src/channels/channel.ts';
import { createIngress } from '../../../src/channels/ingress/ingress.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import { ByteBudget } from '../../../src/http/body.ts';
import { openServer, type OpenServer } from '../../../src/http/server.ts';
import { onSignal, type Signals } from '../../../src/telemetry/signals.ts';
import { RawSocket } from '../../kit/raw-socket.ts';

const KEY = 'LogChannel/demo/orders';
const MAX = 100_000;
const HEADERS = {
  'ce-specversion': '1.0',
  'ce-id': 'e-1',
  'ce-source': '/shop',
  'ce-type': 'order.paid',
  'content-type': 'application/json',
};

/** Keeps what is published; the next publish() waits for, or fails with, what the test says. */
class DoorChannel implements Channel {
  readonly lost = new AbortController().signal;
  readonly events: CloudEvent[] = [];
  next: () => Promise<void> = () => Promise.resolve();

  async publish(event: CloudEvent): Promise<void> {
    await this.next();
    this.events.push(event);
  }
  readonly consume = (): Promise<void> => Promise.resolve();
  readonly forget = (): Promise<number> => Promise.resolve(0);
  readonly backlog = (): Promise<readonly []> => Promise.resolve([]);
  readonly close = (): Promise<void> => Promise.resolve();
}

let channel: DoorChannel;
let budget: ByteBudget;
let server: OpenServer;
let refused: Signals['channel.refused'][];
let ending: (() => void)[];

beforeEach(async () => {
  channel = new DoorChannel();
  budget = new ByteBudget(2 * MAX);
  refused = [];
  const find = (
    namespace: string,
    name: string,
  ): { channel: Channel; key: string } | 'opening' | undefined => {
    if (namespace === 'starting') return 'opening';
    return namespace === 'demo' && name === 'orders' ? { channel, key: KEY } : undefined;
  };
  const limits = { maxBytes: MAX, budget, timeoutMs: 500 };
  const onRequest = createIngress({ find, limits, clock: systemClock });
  server = await openServer({ name: 'events', host: '127.0.0.1', port: 0, onRequest, requestTimeoutMs: 0 });
  ending = [onSignal('channel.refused', (signal) => refused.push(signal))];
});

afterEach(async () => {
  for (const end of ending) end();
  await server.close(0);
  expect(budget.held).toBe(0); // I3
});

type Sent = { readonly status: number; readonly text: string; readonly headers: Headers };

async function send(
  headers: Readonly<Record<string, string>> = HEADERS,
  body: string | ReadableStream = '{"n":1}',
  { path = '/channels/demo/orders', method = 'POST' } = {},
): Promise<Sent> {
  const init = { method, headers, duplex: 'half', ...(method !== 'GET' && method !== 'OPTIONS' && { body }) };
  const answer = await fetch(`${server.url}${path}`, init as RequestInit);
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

function raw(): RawSocket {
  const socket = new RawSocket(server.port);
  ending.push(() => socket.close());
  return socket;
}

const HEAD = 'POST /channels/demo/orders HTTP/1.1\r\nHost: x\r\n';
const CE = 'ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n';

describe('an event that is accepted', () => {
  it('is answered 202 once publish() has resolved, and not before (I1)', async () => {
    let resolve = (): void => undefined;
    channel.next = () => new Promise((done) => (resolve = done));
    const socket = raw().send(`${HEAD}${CE}Content-Length: 2\r\n\r\n{}`);
    await expect.poll(() => budget.held).toBe(2); // it is with the channel
    expect(socket.received).toBe('');
    resolve();
    await expect.poll(() => socket.statuses).toEqual([202]);
  });

  it('is handed on as it came in (P3)', async () => {
    expect(await send(HEADERS, '{"n":12345678901234567890} ')).toMatchObject({ status: 202, text: '' });
    const [event] = channel.events;
    expect(Buffer.from(event?.body ?? []).toString()).toBe('{"n":12345678901234567890} ');
    expect(event?.contentType).toBe('application/json');
  });

  it('may come in structured mode, with a path that ends in a slash and has a query', async () => {
    const body = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}';
    const headers = { 'content-type': 'application/cloudevents+json' };
    expect((await send(headers, body, { path: '/channels/demo/orders/?x=1' })).status).toBe(202);
    expect(channel.events).toHaveLength(1);
  });

  it('may come in chunks, of any size, many on one connection', async () => {
    const chunked = `${HEAD}${CE}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n`;
    const socket = raw();
    for (const byte of chunked.repeat(2)) socket.send(byte);
    await expect.poll(() => socket.statuses).toEqual([202, 202]);
    expect(channel.events.map(({ body }) => Buffer.from(body).toString())).toEqual(['{}', '{}']);
  });

  it('may be as large as the limit, and come slowly in large pieces', async () => {
    const socket = raw().send(`${HEAD}${CE}Content-Length: ${MAX}\r\n\r\n`);
    for (let i = 0; i < 10; i += 1) socket.send(Buffer.alloc(MAX / 10, i));
    await expect.poll(() => socket.statuses).toEqual([202]);
    expect(channel.events[0]?.body).toEqual(
      Buffer.concat(Array.from({ length: 10 }, (_, i) => Buffer.alloc(MAX / 10, i))),
    );
  });

  it('has all of its attributes, though Connection lists one of them', async () => {
    const socket = raw().send(`${HEAD}${CE}Connection: ce-id\r\nContent-Length: 0\r\n\r\n`);
    await expect.poll(() => socket.statuses).toEqual([202]);
    expect(channel.events[0]?.attributes.get('id')).toBe('1');
  });
});

describe('what is refused (I2)', () => {
  it.each<[string, Readonly<Record<string, string>>, string, number, string]>([
    ['no CloudEvent', { 'content-type': 'application/json' }, '{}', 400, 'ce-specversion: required'],
    ['an empty id', { ...HEADERS, 'ce-id': '' }, '{}', 400, 'ce-id: required'],
    ['a bad time', { ...HEADERS, 'ce-time': 'now' }, '{}', 400, 'ce-time: "now" is not'],
    [
      'a line break in an attribute',
      { ...HEADERS, 'ce-subject': 'a%0d%0ax: y' },
      '{}',
      400,
      'ce-subject: control',
    ],
    [
      'broken JSON',
      { 'content-type': 'application/cloudevents+json' },
      '{"id":',
      400,
      'body: not JSON at byte 6',
    ],
    [
      'a hostile depth',
      { 'content-type': 'application/cloudevents+json' },
      '['.repeat(50_000),
      400,
      'body: not a JSON object',
    ],
    [
      'another format',
      { 'content-type': 'application/cloudevents+xml' },
      '<x/>',
      415,
      'content-type: application/cloudevents+xml',
    ],
    [
      'a batch',
      { 'content-type': 'application/cloudevents-batch+json' },
      '[]',
      415,
      'send each event by itself',
    ],
    [
      'an encoded body',
      { ...HEADERS, 'content-encoding': 'gzip' },
      'x',
      415,
      'content-encoding: gzip is not taken',
    ],
    ['64 KiB of attributes', { ...HEADERS, 'ce-big': 'x'.repeat(65_536) }, '{}', 431, 'attributes: '],
    ['a large body', HEADERS, 'x'.repeat(MAX + 1), 413, `larger than ${MAX} bytes`],
  ])('%s, with the reason, as a signal too', async (_, headers, body, code, reason) => {
    const answer = await send(headers, body);
    expect(answer).toMatchObject({ status: code, text: expect.stringContaining(reason) });
    expect(refused).toMatchObject([{ channel: KEY, code, reason: answer.text.trimEnd() }]);
    expect(channel.events).toEqual([]);
  });

  it('an attribute that is given twice, which Node would join', async () => {
    const socket = raw().send(`${HEAD}${CE}ce-id: 2\r\nContent-Length: 0\r\n\r\n`);
    await expect.poll(() => socket.statuses).toEqual([400]);
    expect(socket.received).toContain('ce-id: given twice');
  });

  it('2 500 attributes: none is lost silently', async () => {
    const many = Array.from({ length: 2500 }, (_, i) => `ce-x${i}: 1\r\n`).join('');
    const socket = raw().send(`${HEAD}${CE}${many}Content-Length: 0\r\n\r\n`);
    await expect.poll(() => socket.statuses).toEqual([431]);
  });

  it('a body without a declared length, once it is past the limit, however much would follow', async () => {
    const endless = new ReadableStream<Uint8Array>({ pull: (into) => into.enqueue(new Uint8Array(10_000)) });
    const { status } = await send(HEADERS, endless);
    expect(status).toBe(413);
    expect(refused).toMatchObject([{ code: 413 }]);
  });

  it('a body that does not come in time', async () => {
    const socket = raw().send(`${HEAD}${CE}Content-Length: 100\r\n\r\nhalf`);
    await expect.poll(() => socket.statuses, { timeout: 3000 }).toEqual([408]);
    expect(socket.received).toContain('did not come within 500 ms');
  });

  it('what would be too much at a time: 503, and when to come again', async () => {
    expect(budget.take(2 * MAX - 3)).toBe(true);
    const answer = await send(HEADERS, '{"n":1}');
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    budget.give(2 * MAX - 3);
    expect((await send()).status).toBe(202);
  });

  it.each([
    ['CHANNEL_FULL', 429, '5'],
    ['EVENT_TOO_LARGE', 413, null],
    ['CHANNEL_LOST', 503, '1'],
    ['CHANNEL_CLOSED', 503, '1'],
  ])('what the channel refuses with %s: %i', async (error, code, retryAfter) => {
    channel.next = () => Promise.reject(new PlatformError(error, `because of ${error}`, { retryable: true }));
    const answer = await send();
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([code, retryAfter]);
    expect(answer.text).toBe(`because of ${error}\n`);
    expect(refused).toMatchObject([{ channel: KEY, code, reason: `because of ${error}` }]);
  });
});

describe('what is not for a channel', () => {
  it('OPTIONS is answered with the handshake of CloudEvents webhooks', async () => {
    const { status, headers } = await send({ 'webhook-request-origin': 'x.example' }, '', {
      method: 'OPTIONS',
    });
    expect(status).toBe(200);
    expect(Object.fromEntries(headers)).toMatchObject({
      allow: 'POST, OPTIONS',
      'webhook-allowed-origin': '*',
      'webhook-allowed-rate': '*',
    });
  });

  it.each(['GET', 'PUT', 'DELETE', 'PATCH'])('%s is answered 405, with what is allowed', async (method) => {
    const { status, headers } = await send(HEADERS, '{}', { method });
    expect([status, headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
  });

  it.each([
    '/',
    '/channels',
    '/channels/demo',
    '/channels/demo/nobody',
    '/channels/other/orders',
    '/channels/demo/orders/x',
    '/brokers/demo/orders',
    '/channels//orders',
    '/channels/demo/%6frders',
  ])('%s is answered 404', async (path) => {
    const answer = await send(HEADERS, '{}', { path });
    expect(answer).toMatchObject({ status: 404, text: `no channel answers at ${path}\n` });
    expect(refused).toEqual([]);
  });
});

it('a channel that is being opened is 503, and the sender is told to come again', async () => {
  const { status, headers } = await send(HEADERS, '{}', { path: '/channels/starting/orders' });
  expect([status, headers.get('retry-after')]).toEqual([503, '1']);
});

describe('a sender that goes away', () => {
  it('in the midst of its body leaves nothing behind', async () => {
    const socket = raw().send(`${HEAD}${CE}Content-Length: 100\r\n\r\nhalf`);
    await expect.poll(() => budget.held).toBe(4);
    socket.close();
    await expect.poll(() => budget.held).toBe(0);
    expect(channel.events).toEqual([]);
  });

  it('while its event is made durable has its event kept', async () => {
    let resolve = (): void => undefined;
    channel.next = () => new Promise((done) => (resolve = done));
    const socket = raw().send(`${HEAD}${CE}Content-Length: 2\r\n\r\n{}`);
    await expect.poll(() => budget.held).toBe(2);
    socket.close();
    resolve();
    await expect.poll(() => [channel.events.length, budget.held]).toEqual([1, 0]);
  });
});
