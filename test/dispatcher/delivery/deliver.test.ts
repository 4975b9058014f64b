import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeliverySpec } from '../../../src/apis/duck.ts';
import { anEvent } from '../../kit/events.ts';
import { DeliveryWorld, QUICK } from '../../kit/delivery.ts';
import { ZOO } from '../../kit/subscriber-zoo.ts';
import { brokenSubscriber, subscriber } from '../../kit/subscribers.ts';

let world: DeliveryWorld;
beforeEach(() => {
  world = new DeliveryWorld();
});
afterEach(() => world.close());

const publish = (...args: Parameters<typeof anEvent>) => world.channel.publish(anEvent(...args));
const firstLetter = async () => {
  await expect.poll(() => world.letters(), { timeout: 5000 }).toHaveLength(1);
  return (await world.letters())[0];
};
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('an event', () => {
  it('is POSTed in binary mode, its bytes unchanged, with the headers that Knative promises', async () => {
    const mailer = await world.answering(204);
    await world.serve({ subscriberUri: `${mailer.url}hook?x=1` });
    const event = anEvent('e-1', { traceparent: '00-1-2-01' });
    await world.channel.publish({ ...event, headers: new Map([['x-request-id', 'r']]) });
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
        'user-agent': 'millrace',
        'ce-traceparent': '00-1-2-01',
        traceparent: '00-1-2-01',
        'x-request-id': 'r',
      },
      body: Buffer.from('{"total":12345678901234567890}'),
    });
  });

  it('is POSTed in structured mode when the subscription says json', async () => {
    const mailer = await world.answering(204);
    await world.serve({ subscriberUri: mailer.url, delivery: { ...QUICK, format: 'json' } });
    await publish();
    await expect.poll(() => mailer.requests).toHaveLength(1);
    expect(mailer.requests[0]?.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    expect(mailer.requests[0]?.body.toString()).toContain('"data":{"total":12345678901234567890}');
  });

  it('is delivered even when its traceparent cannot stand in a header', async () => {
    const mailer = await world.answering(204);
    await world.serve({ subscriberUri: mailer.url });
    await publish('e-1', { traceparent: 'grün\u{1F33F}' });
    await expect.poll(() => mailer.requests).toHaveLength(1);
    expect(mailer.requests[0]?.headers['traceparent']).toBeUndefined();
    expect(mailer.requests[0]?.headers['ce-traceparent']).toBe('gr%C3%BCn%F0%9F%8C%BF');
  });

  it('goes to the reply destination when there is no subscriber, and nothing is asked back', async () => {
    const answers = await world.answeringWith(200, REPLY);
    await world.serve({ replyUri: answers.url });
    await publish();
    await expect.poll(() => world.owed()).toBe(0);
    expect(answers.requests.map(({ headers }) => headers['ce-id'])).toEqual(['e-1']);
    expect(answers.requests[0]?.headers['prefer']).toBeUndefined();
  });

  it('carries the user info of its address as credentials, which no signal and no dead letter shows', async () => {
    const mailer = await world.answering(403);
    await world.serve({ subscriberUri: mailer.url.replace('//', '//mary:secret@') });
    await publish();
    const letter = await firstLetter();
    expect(mailer.requests[0]?.headers['authorization']).toBe(`Basic ${base64('mary:secret')}`);
    expect(letter?.failure.dest).toBe(mailer.url);
    expect(JSON.stringify([letter?.failure, world.attempts])).not.toContain('secret');
  });
});

describe('retries', () => {
  it.each([500, 404, 429])(
    'a %d is tried again as often as asked, then given up once (R15)',
    async (code) => {
      const mailer = await world.answering(code);
      await world.serve({ subscriberUri: mailer.url });
      await publish();
      const failure = { dest: mailer.url, code, data: base64('why\n') };
      expect((await firstLetter())?.failure).toMatchObject(failure);
      expect(mailer.requests).toHaveLength(3);
      expect(world.attempts.map(({ next }) => next)).toEqual(['retry', 'retry', 'dead']);
    },
  );

  it('follows no redirect, tries no second time, and says so', async () => {
    const elsewhere = await world.answering(204);
    const mailer = await world.answeringWith(302, { location: elsewhere.url });
    await world.serve({ subscriberUri: mailer.url });
    await publish();
    expect((await firstLetter())?.failure.reason).toContain('answered 302; redirects are not followed');
    expect([mailer.requests.length, elsewhere.requests.length]).toEqual([1, 0]);
  });

  it('wait as long as Retry-After asks, when that is longer than the back-off', async () => {
    const mailer = world.with(
      await subscriber((response, _, count) =>
        response.writeHead(count === 1 ? 429 : 204, { 'retry-after': '1' }).end(),
      ),
    );
    await world.serve({ subscriberUri: mailer.url });
    await publish();
    await expect.poll(() => world.attempts, { timeout: 5000 }).toHaveLength(2);
    const [first, second] = world.attempts;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(1000);
  });
});

describe('a broken subscriber', () => {
  it.each(ZOO)('that: $what — is tried again, and the dead letter says so', async ({ open, reason }) => {
    const broken = world.with(await open());
    await world.serve({ subscriberUri: broken.url, delivery: { ...QUICK, retry: 1 } });
    await publish();
    const failure = { code: 500, data: base64(`dispatch error: ${reason}`) };
    expect((await firstLetter())?.failure).toMatchObject(failure);
    expect(world.attempts.map((attempt) => attempt.reason)).toEqual([reason, reason]);
  });

  it('that hangs delays no other subscriber, and no other event of its own (P7)', async () => {
    let connections = 0;
    const hanging = world.with(await brokenSubscriber(() => (connections += 1)));
    const mailer = await world.answering(204);
    const patient = { timeout: 'PT30S' };
    await world.serve({ subscriberUri: hanging.url, delivery: patient }, { subscriberUri: mailer.url });
    for (let i = 0; i < 20; i += 1) await publish(`e-${i}`);
    await expect.poll(() => mailer.requests).toHaveLength(20);
    await expect.poll(() => connections).toBe(20);
  });
});

const REPLY = { 'ce-specversion': '1.0', 'ce-id': 'r-1', 'ce-source': '/mailer', 'ce-type': 'mail.sent' };

describe('a reply (design decision 10)', () => {
  it.each([200, 201, 202])('in a %d answer goes to the reply destination, once', async (code) => {
    const answers = await world.answering(202);
    const headers = { ...REPLY, 'content-type': 'application/json', 'x-request-id': 'r' };
    const mailer = await world.answeringWith(code, headers, '{"n":1.0}');
    await world.serve({ subscriberUri: mailer.url, replyUri: answers.url });
    await publish();
    const told = { id: 'r-1', inReplyTo: 'e-1', url: answers.url, dropped: undefined };
    await expect.poll(() => world.replies).toMatchObject([told]);
    expect(answers.requests[0]?.body.toString()).toBe('{"n":1.0}');
    expect(answers.requests[0]?.headers).toMatchObject({ 'x-request-id': 'r', 'kn-namespace': 'demo' });
    expect(answers.requests[0]?.headers['prefer']).toBeUndefined();
    expect(mailer.requests).toHaveLength(1);
  });

  it('in structured mode is one too', async () => {
    const answers = await world.answering(202);
    const reply = '{"specversion":"1.0","id":"r-2","source":"/m","type":"t","data":{"n":1.0}}';
    const mailer = await world.answeringWith(200, { 'content-type': 'application/cloudevents+json' }, reply);
    await world.serve({ subscriberUri: mailer.url, replyUri: answers.url });
    await publish();
    await expect.poll(() => answers.requests).toHaveLength(1);
    expect(answers.requests[0]).toMatchObject({
      headers: { 'ce-id': 'r-2' },
      body: Buffer.from('{"n":1.0}'),
    });
  });

  it('that its destination refuses is retried by itself; the subscriber is not called again', async () => {
    const answers = await world.answering(503, 503, 202);
    const mailer = await world.answeringWith(200, REPLY);
    await world.serve({ subscriberUri: mailer.url, replyUri: answers.url });
    await publish();
    await expect.poll(() => answers.requests).toHaveLength(3);
    await expect.poll(() => world.owed()).toBe(0);
    expect(mailer.requests).toHaveLength(1);
  });

  it('that cannot be sent at all makes the original event the dead letter, naming the destination', async () => {
    const [answers, dead] = [await world.answering(400), await world.answering(202)];
    const mailer = await world.answeringWith(200, REPLY);
    const delivery = { ...QUICK, deadLetterSink: { uri: dead.url } };
    await world.serve({ subscriberUri: mailer.url, replyUri: answers.url, delivery });
    await publish();
    await expect.poll(() => dead.requests).toHaveLength(1);
    expect(dead.requests[0]?.headers).toMatchObject({
      'ce-id': 'e-1',
      'ce-knativeerrordest': answers.url,
      'ce-knativeerrorcode': '400',
    });
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
    ['is a batch', { 'content-type': 'application/cloudevents-batch+json' }, '[]', 'the answer is a batch'],
    ['is too large', REPLY, 'x'.repeat(100_001), 'the reply is larger than 100000 bytes'],
  ])('that %s settles the event, and says why it was dropped', async (_, headers, body, reason) => {
    const mailer = await world.answeringWith(200, headers, body);
    await world.serve({ subscriberUri: mailer.url, replyUri: mailer.url });
    await publish();
    await expect.poll(() => world.replies).toMatchObject([{ dropped: expect.stringContaining(reason) }]);
    await expect.poll(() => world.owed()).toBe(0);
    expect(mailer.requests).toHaveLength(1);
  });

  it('without a reply destination is dropped with that reason', async () => {
    const mailer = await world.answeringWith(200, REPLY);
    await world.serve({ subscriberUri: mailer.url });
    await publish();
    const told = { id: 'r-1', dropped: 'the subscription names no reply destination' };
    await expect.poll(() => world.replies).toMatchObject([told]);
  });

  it('that is cut short is no reply yet: the subscriber is asked again', async () => {
    const head = 'HTTP/1.1 200 OK\r\nce-specversion: 1.0\r\nce-id: r-1\r\nce-source: /m\r\nce-type: t\r\n';
    let count = 0;
    const mailer = world.with(
      await brokenSubscriber((socket) =>
        socket.on('data', () => {
          count += 1;
          socket.end(`${head}content-length: ${count === 1 ? 99 : 2}\r\n\r\nok`);
        }),
      ),
    );
    const answers = await world.answering(202);
    await world.serve({ subscriberUri: mailer.url, replyUri: answers.url });
    await publish();
    await expect.poll(() => answers.requests).toHaveLength(1);
    expect(answers.requests[0]?.body.toString()).toBe('ok');
    expect(count).toBe(2);
  });

  it('of any number at a time gets through, however little room there is for them (P6)', async () => {
    const tight = new DeliveryWorld({ repliesBytesMax: 10_000 });
    const answers = tight.with(await subscriber((response) => response.writeHead(202).end()));
    const mailer = tight.with(
      await subscriber((response) => response.writeHead(200, REPLY).end(Buffer.alloc(90_000, 'x'))),
    );
    const delivery = { timeout: 'PT20S' };
    await tight.serve({ subscriberUri: mailer.url, replyUri: answers.url, delivery });
    for (let i = 0; i < 30; i += 1) await tight.channel.publish(anEvent(`e-${i}`));
    await expect.poll(() => answers.requests.length, { timeout: 10_000 }).toBe(30);
    expect(mailer.requests).toHaveLength(30);
    await tight.close();
  });
});

describe('a dead-letter sink', () => {
  const sink = (uri: string): DeliverySpec => ({ ...QUICK, retry: 0, deadLetterSink: { uri } });

  it('gets the original event, once, with destination, code and data (R15)', async () => {
    const [dead, mailer] = [await world.answering(202), await world.answering(422)];
    await world.serve({ subscriberUri: mailer.url, delivery: sink(dead.url) });
    await publish();
    await expect.poll(() => world.owed()).toBe(0);
    expect(dead.requests).toMatchObject([
      {
        headers: {
          'ce-id': 'e-1',
          'ce-knativeerrordest': mailer.url,
          'ce-knativeerrorcode': '422',
          'ce-knativeerrordata': base64('why\n'),
        },
        body: Buffer.from(anEvent().body),
      },
    ]);
    expect(dead.requests[0]?.headers['prefer']).toBeUndefined();
    expect(await world.letters()).toEqual([]);
  });

  it('gets at most 1 024 characters of a long answer', async () => {
    const dead = await world.answering(202);
    const mailer = await world.answeringWith(400, {}, 'é'.repeat(50_000));
    await world.serve({ subscriberUri: mailer.url, delivery: sink(dead.url) });
    await publish();
    await expect.poll(() => dead.requests).toHaveLength(1);
    const written = dead.requests[0]?.headers['ce-knativeerrordata'] ?? '';
    expect(written).toHaveLength(1024);
    expect(Buffer.from(written, 'base64').toString()).toBe('é'.repeat(384));
  });

  it('that fails too is tried by the same policy, then the event is kept with both reasons (R16)', async () => {
    const [dead, mailer] = [await world.answering(500), await world.answering(422)];
    await world.serve({ subscriberUri: mailer.url, delivery: { ...sink(dead.url), retry: 2 } });
    await publish();
    const letter = await firstLetter();
    expect(letter?.failure).toMatchObject({ dest: mailer.url, code: 422 });
    expect(letter?.failure.reason).toContain('answered 422');
    expect(letter?.failure.reason).toContain(`its dead-letter sink ${dead.url}: answered 500`);
    expect([mailer.requests.length, dead.requests.length]).toEqual([1, 3]);
  });
});

it('an address of a metadata service is never connected to', async () => {
  await world.serve({ subscriberUri: 'http://169.254.169.254/latest', delivery: { ...QUICK, retry: 0 } });
  await publish();
  expect((await firstLetter())?.failure.reason).toContain(
    '169.254.169.254 is link-local, multicast or a metadata address',
  );
});
