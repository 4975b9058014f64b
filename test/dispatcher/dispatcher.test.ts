import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeliverySpec, SubscriberEntry } from '../../src/apis/duck.ts';
import { systemClock } from '../../src/base/clock.ts';
import { MemoryChannel } from '../../src/channels/memory/memory-channel.ts';
import { Dispatcher } from '../../src/dispatcher/dispatcher.ts';
import { createOutbound } from '../../src/http/outbound.ts';
import { planDelivery } from '../../src/subscriptions/delivery-plan.ts';
import { onSignal, type Signals } from '../../src/telemetry/signals.ts';
import { anEvent } from '../kit/events.ts';
import { brokenSubscriber, refusedUrl, subscriber, type Subscriber } from '../kit/subscribers.ts';

const KEY = 'InMemoryChannel/demo/orders';
const OBJECT = { apiVersion: 'v1', kind: 'InMemoryChannel', metadata: { namespace: 'demo', name: 'orders' } };
const QUICK: DeliverySpec = { retry: 2, backoffPolicy: 'linear', backoffDelay: 'PT0.01S', timeout: 'PT0.3S' };

let channel: MemoryChannel;
let dispatcher: Dispatcher;
let attempts: Signals['dispatcher.attempted'][];
let replies: Signals['reply.sent'][];
let release: (() => void)[];

beforeEach(() => {
  channel = new MemoryChannel({
    clock: systemClock,
    owedMax: 1000,
    owedBytesMax: 1e9,
    deadLettersMax: 10,
    graceMs: 100,
  });
  const outbound = createOutbound({ route: () => undefined });
  dispatcher = new Dispatcher({ outbound, clock: systemClock, replyBytesMax: 100_000 });
  attempts = [];
  replies = [];
  release = [
    onSignal('dispatcher.attempted', (signal) => attempts.push(signal)),
    onSignal('reply.sent', (signal) => replies.push(signal)),
    () => void outbound.destroy(),
  ];
});
afterEach(async () => {
  await channel.close();
  for (const each of release) each();
});

function opened(one: Subscriber): Subscriber {
  release.push(() => one.close());
  return one;
}

const answering = async (...codes: number[]): Promise<Subscriber> =>
  opened(
    await subscriber((response, _, count) =>
      response.writeHead(codes[count - 1] ?? codes.at(-1) ?? 204).end('why\n'),
    ),
  );

async function serve(...entries: Omit<SubscriberEntry, 'uid'>[]): Promise<readonly unknown[]> {
  const plans = entries.map((entry, i) => planDelivery(OBJECT, { uid: `u-${i}`, delivery: QUICK, ...entry }));
  return dispatcher.serve(
    KEY,
    channel,
    plans.filter((plan) => plan.kind === 'plan'),
  );
}

const letters = () => channel.deadLetters({ limit: 10 });

describe('an event', () => {
  it('is POSTed in binary mode, its bytes unchanged, with the headers that Knative promises', async () => {
    const mailer = await answering(204);
    await serve({ subscriberUri: `${mailer.url}hook?x=1` });
    await channel.publish({
      ...anEvent('e-1', { traceparent: '00-1-2-01' }),
      headers: new Map([['x-request-id', 'r']]),
    });
    await expect.poll(() => mailer.requests).toHaveLength(1);
    expect(mailer.requests[0]).toMatchObject({
      method: 'POST',
      url: '/hook?x=1',
      headers: {
        'ce-id': 'e-1',
        'ce-specversion': '1.0',
        'content-type': 'application/json',
        prefer: 'reply',
        'kn-namespace': 'demo',
        traceparent: '00-1-2-01',
        'x-request-id': 'r',
      },
    });
    expect(mailer.requests[0]?.body.toString()).toBe('{"total":12345678901234567890}');
  });

  it('is POSTed in structured mode when the subscription says json', async () => {
    const mailer = await answering(204);
    await serve({ subscriberUri: mailer.url, delivery: { ...QUICK, format: 'json' } });
    await channel.publish(anEvent());
    await expect.poll(() => mailer.requests).toHaveLength(1);
    expect(mailer.requests[0]?.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    expect(mailer.requests[0]?.body.toString()).toContain('"data":{"total":12345678901234567890}');
  });
});

describe('retries', () => {
  it.each([500, 503, 404, 408, 409, 429])(
    '%d is tried again, as often as asked, then dead-lettered',
    async (code) => {
      const mailer = await answering(code);
      await serve({ subscriberUri: mailer.url });
      await channel.publish(anEvent());
      await expect.poll(letters).toHaveLength(1);
      expect(mailer.requests).toHaveLength(3);
      expect((await letters())[0]?.failure).toMatchObject({
        code,
        dest: mailer.url,
        data: Buffer.from('why\n').toString('base64'),
      });
    },
  );

  it.each([400, 401, 403, 410, 422])('%d is not tried again', async (code) => {
    const mailer = await answering(code);
    await serve({ subscriberUri: mailer.url });
    await channel.publish(anEvent());
    await expect.poll(letters).toHaveLength(1);
    expect(mailer.requests).toHaveLength(1);
  });

  it('follows no redirect, and says so', async () => {
    const elsewhere = await answering(204);
    const mailer = opened(
      await subscriber((response) => response.writeHead(302, { location: elsewhere.url }).end()),
    );
    await serve({ subscriberUri: mailer.url });
    await channel.publish(anEvent());
    await expect.poll(letters).toHaveLength(1);
    expect((await letters())[0]?.failure.reason).toContain('answered 302; redirects are not followed');
    expect(elsewhere.requests).toEqual([]);
  });

  it('waits as long as Retry-After asks, when that is longer than the back-off', async () => {
    const mailer = opened(
      await subscriber((response, _, count) =>
        response.writeHead(count === 1 ? 429 : 204, { 'retry-after': '1' }).end(),
      ),
    );
    await serve({ subscriberUri: mailer.url });
    await channel.publish(anEvent());
    await expect.poll(() => attempts, { timeout: 5000 }).toHaveLength(2);
    const [first, second] = attempts;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(1000);
  });

  it('caps Retry-After by retryAfterMax', async () => {
    const mailer = opened(
      await subscriber((response, _, count) =>
        response.writeHead(count === 1 ? 503 : 204, { 'retry-after': '3600' }).end(),
      ),
    );
    await serve({ subscriberUri: mailer.url, delivery: { ...QUICK, retryAfterMax: 'PT0.05S' } });
    await channel.publish(anEvent());
    await expect.poll(() => mailer.requests).toHaveLength(2);
  });
});

/** Ways to break, each with the reason that its trace must give. */
const ZOO: readonly (readonly [string, () => Promise<Subscriber | string>, RegExp])[] = [
  ['nobody listens', refusedUrl, /^connection refused$/],
  [
    'it resets',
    () => brokenSubscriber((socket) => socket.on('data', () => socket.resetAndDestroy())),
    /reset|closed/,
  ],
  [
    'it closes without a word',
    () => brokenSubscriber((socket) => socket.on('data', () => socket.end())),
    /closed/,
  ],
  [
    'it answers garbage',
    () => brokenSubscriber((socket) => socket.on('data', () => socket.end('garbage\r\n\r\n'))),
    /Expected HTTP/,
  ],
  ['it hangs', () => brokenSubscriber(() => undefined), /^no answer within 300 ms$/],
  [
    'it dribbles its headers',
    () => brokenSubscriber((socket) => dribble(socket, 'x: y\r\n', 'HTTP/1.1 200 OK\r\n')),
    /^no answer within 300 ms$/,
  ],
  [
    'it dribbles its body',
    () => brokenSubscriber((socket) => dribble(socket, '', 'HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n')),
    /^no whole answer \(200\) within 300 ms$/,
  ],
  [
    'its answer is cut short',
    () =>
      brokenSubscriber((socket) =>
        socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nshort')),
      ),
    /^the answer \(200\) was cut short: /,
  ],
];

function dribble(socket: Socket, text: string, first = ''): void {
  socket.write(first);
  const timer = setInterval(() => socket.write(text || 'x'), 40);
  socket.on('close', () => clearInterval(timer));
}

describe('a broken subscriber', () => {
  it.each(ZOO)('%s: every attempt ends with that reason', async (_, open, reason) => {
    const broken = await open();
    const subscriberUri = typeof broken === 'string' ? broken : opened(broken).url;
    await serve({ subscriberUri, delivery: { ...QUICK, retry: 1 } });
    await channel.publish(anEvent());
    await expect.poll(letters, { timeout: 5000 }).toHaveLength(1);
    expect(attempts).toHaveLength(2);
    for (const attempt of attempts) expect(attempt.reason).toMatch(reason);
    expect((await letters())[0]?.failure.code).toBe(500);
  });

  it('whose answer has no end is cut, and the event counts as delivered', async () => {
    const endless = opened(await subscriber((response) => pour(response)));
    await serve({ subscriberUri: endless.url, delivery: { ...QUICK, timeout: 'PT5S' } });
    await channel.publish(anEvent());
    await expect.poll(() => attempts).toHaveLength(1);
    expect(attempts[0]).toMatchObject({
      outcome: 'delivered',
      code: 200,
      reason: expect.stringContaining('was cut'),
    });
  });

  it('that hangs delays no other subscriber, and no other event (P7)', async () => {
    const hanging = opened(await brokenSubscriber(() => undefined));
    const mailer = await answering(204);
    await serve(
      { subscriberUri: hanging.url, delivery: { timeout: 'PT30S' } },
      { subscriberUri: mailer.url },
    );
    for (let i = 0; i < 20; i += 1) await channel.publish(anEvent(`e-${i}`));
    await expect.poll(() => mailer.requests).toHaveLength(20);
  });
});

function pour(response: ServerResponse): void {
  const chunk = Buffer.alloc(65_536);
  response.writeHead(200);
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  more();
}

const REPLY = { 'ce-specversion': '1.0', 'ce-id': 'r-1', 'ce-source': '/mailer', 'ce-type': 'mail.sent' };

describe('a reply (design decision 10)', () => {
  it.each([200, 202])('in a %d answer goes to the reply destination, once', async (code) => {
    const answers = await answering(202);
    const mailer = opened(
      await subscriber((response) =>
        response.writeHead(code, { ...REPLY, 'content-type': 'application/json' }).end('{"n":1.0}'),
      ),
    );
    await serve({ subscriberUri: mailer.url, replyUri: answers.url });
    await channel.publish(anEvent());
    await expect.poll(() => replies).toMatchObject([{ id: 'r-1', inReplyTo: 'e-1', url: answers.url }]);
    expect(answers.requests[0]?.body.toString()).toBe('{"n":1.0}');
    expect(answers.requests[0]?.headers['prefer']).toBeUndefined();
    expect(mailer.requests).toHaveLength(1);
  });

  it('that its destination refuses is retried by itself; the subscriber is not called again', async () => {
    const answers = await answering(503, 503, 202);
    const mailer = opened(await subscriber((response) => response.writeHead(200, REPLY).end()));
    await serve({ subscriberUri: mailer.url, replyUri: answers.url });
    await channel.publish(anEvent());
    await expect.poll(() => answers.requests).toHaveLength(3);
    await expect.poll(async () => (await channel.backlog())[0]?.events).toBe(0);
    expect(mailer.requests).toHaveLength(1);
  });

  it('that cannot be sent at all makes the original event the dead letter, naming the destination', async () => {
    const answers = await answering(400);
    const mailer = opened(await subscriber((response) => response.writeHead(200, REPLY).end()));
    await serve({ subscriberUri: mailer.url, replyUri: answers.url });
    await channel.publish(anEvent());
    await expect.poll(letters).toHaveLength(1);
    const [letter] = await letters();
    expect(letter?.event.attributes.get('id')).toBe('e-1');
    expect(letter?.failure).toMatchObject({ dest: answers.url, code: 400 });
    expect(mailer.requests).toHaveLength(1);
  });

  it.each([
    ['has no CloudEvent headers', {}, 'hello', 'the answer has a body, but no CloudEvent headers'],
    ['is malformed', { ...REPLY, 'ce-id': '' }, '', 'the answer is no valid CloudEvent: ce-id: required'],
    [
      'is broken JSON',
      { 'content-type': 'application/cloudevents+json' },
      '{',
      'no valid CloudEvent: body: not JSON',
    ],
  ])('that %s settles the event, and says why it was dropped', async (_, headers, body, reason) => {
    const mailer = opened(await subscriber((response) => response.writeHead(200, headers).end(body)));
    await serve({ subscriberUri: mailer.url, replyUri: mailer.url });
    await channel.publish(anEvent());
    await expect.poll(() => replies).toMatchObject([{ dropped: expect.stringContaining(reason) }]);
    await expect.poll(async () => (await channel.backlog())[0]?.events).toBe(0);
    expect(mailer.requests).toHaveLength(1);
  });

  it('without a reply destination is dropped with that reason', async () => {
    const mailer = opened(await subscriber((response) => response.writeHead(200, REPLY).end()));
    await serve({ subscriberUri: mailer.url });
    await channel.publish(anEvent());
    await expect
      .poll(() => replies)
      .toMatchObject([{ dropped: 'the subscription names no reply destination' }]);
  });
});

describe('a dead-letter sink', () => {
  const sink = (uri: string): DeliverySpec => ({ ...QUICK, retry: 0, deadLetterSink: { uri } });

  it('gets the original event with destination, code and data', async () => {
    const dead = await answering(202);
    const mailer = await answering(422);
    await serve({ subscriberUri: mailer.url, delivery: sink(dead.url) });
    await channel.publish(anEvent());
    await expect.poll(() => dead.requests).toHaveLength(1);
    expect(dead.requests[0]).toMatchObject({
      headers: {
        'ce-id': 'e-1',
        'ce-knativeerrordest': mailer.url,
        'ce-knativeerrorcode': '422',
        'ce-knativeerrordata': Buffer.from('why\n').toString('base64'),
      },
      body: Buffer.from(anEvent().body),
    });
    expect(await letters()).toEqual([]);
  });

  it('that fails too leaves the event in the dead-letter store, with both reasons', async () => {
    const [dead, mailer] = [await answering(500), await answering(422)];
    await serve({ subscriberUri: mailer.url, delivery: sink(dead.url) });
    await channel.publish(anEvent());
    await expect.poll(letters).toHaveLength(1);
    const reason = (await letters())[0]?.failure.reason;
    expect(reason).toContain('answered 422');
    expect(reason).toContain(`its dead-letter sink ${dead.url}: answered 500`);
  });
});

describe('plans', () => {
  it('that change take effect, and one that is gone is forgotten with its backlog', async () => {
    const [first, second] = [await answering(503), await answering(204)];
    const slow = { ...QUICK, retry: 50, backoffDelay: 'PT10S', backoffPolicy: 'exponential' } as const;
    await serve({ subscriberUri: first.url, delivery: slow });
    await channel.publish(anEvent('a'));
    await expect.poll(() => first.requests).toHaveLength(1);
    await serve({ subscriberUri: second.url, delivery: slow });
    await channel.publish(anEvent('b'));
    await expect.poll(() => second.requests).toHaveLength(1);
    expect(await serve()).toMatchObject([{ group: 'u-0', events: 1 }]);
  });

  it('a plan without a subscriber sends the event itself to the reply destination', async () => {
    const answers = await answering(202);
    await serve({ replyUri: answers.url });
    await channel.publish(anEvent());
    await expect.poll(() => answers.requests).toHaveLength(1);
    expect(answers.requests[0]?.headers['ce-id']).toBe('e-1');
  });
});

it('an address of a metadata service is never connected to', async () => {
  await serve({ subscriberUri: 'http://169.254.169.254/latest', delivery: { ...QUICK, retry: 0 } });
  await channel.publish(anEvent());
  await expect.poll(letters).toHaveLength(1);
  expect((await letters())[0]?.failure.reason).toContain(
    '169.254.169.254 is link-local, multicast or a metadata address',
  );
});
