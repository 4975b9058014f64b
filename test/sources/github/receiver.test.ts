import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PlatformError } from '../../../src/base/errors.ts';
import { ByteBudget } from '../../../src/http/body.ts';
import { onSignal, type Signals } from '../../../src/telemetry/signals.ts';
import { aGitHubSource, GitHubWorld, SECRET, signatureOf, type Sent } from '../../kit/github.ts';
import { RawSocket } from '../../kit/raw-socket.ts';

type Headers = NonNullable<Sent['headers']>;

const BODY = '{"ref":"refs/heads/main"}';
const MIB = 1024 * 1024;

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const HEAD = 'POST /webhooks/demo/repository HTTP/1.1\r\nhost: gateway\r\n';
const full = (): PlatformError =>
  new PlatformError('BACKLOG_FULL', 'the channel is full', { retryable: true });

let world: GitHubWorld;
let budget: ByteBudget;
let refusals: Signals['source.refused'][];
let stopListening: () => void;

beforeEach(async () => {
  budget = new ByteBudget(256 * MIB);
  refusals = [];
  stopListening = onSignal('source.refused', (signal) => void refusals.push(signal));
  world = await GitHubWorld.open(aGitHubSource(), { budget });
});
afterEach(() => {
  world.close();
  stopListening();
});

const post = (body: string | Uint8Array, headers: Headers = {}): ReturnType<GitHubWorld['send']> =>
  world.send(body, { headers });
const attribute = (name: string): string | undefined => world.events[0]?.attributes.get(name);
const bodyOf = (n = 0): string => Buffer.from(world.events[n]?.body ?? []).toString();

describe('a signed delivery', () => {
  it('is answered 202 once the sink has taken it', async () => {
    const { promise: taken, resolve } = Promise.withResolvers<void>();
    const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>();
    world.take = () => (isAsked(), taken);
    let isAnswered = false;
    const answer = post(BODY).finally(() => (isAnswered = true));
    await asked;
    expect(isAnswered).toBe(false);
    resolve();
    expect((await answer).code).toBe(202);
  });

  it('becomes an event of that type, id and source, with JSON as its content type', async () => {
    await post(BODY);
    expect(attribute('type')).toBe('dev.knative.source.github.push');
    expect(attribute('id')).toBe('d-1');
    expect(attribute('source')).toBe('https://github.com/Codertocat/Hello-World');
    expect(world.events[0]?.contentType).toBe('application/json');
  });

  it('keeps the payload byte for byte: a number of 20 digits, spaces, escapes and emoji', async () => {
    const body = '{ "n":12345678901234567890,\r\n\t"e":"\\u00e9 \u{1f980}", "z":1.0 }\n';
    expect((await post(body)).code).toBe(202);
    expect(bodyOf()).toBe(body);
  });

  it('with a number that JavaScript would round gets no wrong subject from it', async () => {
    const headers = { 'x-github-event': 'issues' };
    expect((await post('{"issue":{"number":12345678901234567890}}', headers)).code).toBe(202);
    expect(attribute('subject')).toBeUndefined();
  });

  it('as a form carries the bytes of its decoded payload field', async () => {
    const payload = '{"n":12345678901234567890,"text":"a+b & c=d % \u00e9 \u{1f980}"}';
    expect((await post(new URLSearchParams({ payload }).toString(), FORM)).code).toBe(202);
    expect(bodyOf()).toBe(payload);
    expect(world.events[0]?.contentType).toBe('application/json');
  });

  it('is taken with a charset beside its content type', async () => {
    const answer = await post(BODY, { 'content-type': 'Application/JSON; charset=utf-8' });
    expect(answer.code).toBe(202);
  });

  it('is delivered twice, with the same id, when it comes twice', async () => {
    expect((await post(BODY)).code).toBe(202);
    expect((await post(BODY)).code).toBe(202);
    const ids = world.events.map((event) => event.attributes.get('id'));
    expect(ids).toEqual(['d-1', 'd-1']);
  });

  it('gets the extensions of ceOverrides', async () => {
    world.plan = { ...world.plan, extensions: new Map([['team', 'crabs']]) };
    await post(BODY);
    expect(attribute('team')).toBe('crabs');
  });

  it('gives back what it held of the byte budget', async () => {
    await post(BODY);
    await post('broken');
    expect(budget.held).toBe(0);
  });
});

describe('a delivery that is expected and not wanted', () => {
  it.each([
    ['ping', new Set(['*']), 'ping: nothing is forwarded'],
    ['ping', new Set(['ping']), 'ping: nothing is forwarded'],
    ['push', new Set(['issues', 'pull_request']), 'push is not among the eventTypes'],
  ])('(%s) is answered 200 with the reason, counted, and not forwarded', async (event, eventTypes, why) => {
    world.plan = { ...world.plan, eventTypes };
    const answer = await post(BODY, { 'x-github-event': event });
    expect(answer.code).toBe(200);
    expect(answer.text).toContain(why);
    expect(world.events).toEqual([]);
    expect(refusals).toMatchObject([{ origin: 'GitHubSource/demo/repository', code: 200 }]);
  });

  it('is answered 401 all the same when its signature is wrong', async () => {
    const answer = await post(BODY, {
      'x-github-event': 'ping',
      'x-hub-signature-256': signatureOf(BODY, 'other'),
    });
    expect(answer.code).toBe(401);
  });
});

const good = signatureOf(BODY);
const hex = good.slice('sha256='.length);
const sha1 = signatureOf(BODY, SECRET, 'sha1');

describe('a signature that does not fit', () => {
  it.each<readonly [string, Headers]>([
    ['is missing', { 'x-hub-signature-256': undefined }],
    ['is made with another secret', { 'x-hub-signature-256': signatureOf(BODY, 'other') }],
    ['is of another body', { 'x-hub-signature-256': signatureOf(`${BODY} `) }],
    ['is SHA-1 only', { 'x-hub-signature-256': undefined, 'x-hub-signature': sha1 }],
    ['is SHA-1 under the name of the other', { 'x-hub-signature-256': sha1 }],
    ['has upper-case digits', { 'x-hub-signature-256': `sha256=${hex.toUpperCase()}` }],
    ['has an upper-case algorithm', { 'x-hub-signature-256': `SHA256=${hex}` }],
    ['is cut', { 'x-hub-signature-256': good.slice(0, -1) }],
    ['has no digits', { 'x-hub-signature-256': 'sha256=' }],
    ['has no algorithm', { 'x-hub-signature-256': hex }],
    ['stands there twice in one header', { 'x-hub-signature-256': `${good}, ${good}` }],
    ['is longer', { 'x-hub-signature-256': `${good}00` }],
  ])('since it %s is answered 401, as every other one', async (_, headers) => {
    const answer = await post(BODY, headers);
    expect(answer.code).toBe(401);
    expect(answer.text).toBe('the signature is missing or does not fit\n');
    expect(world.events).toEqual([]);
  });

  it('since it is in two headers is answered 401', async () => {
    const signed = `x-hub-signature-256: ${good}\r\n`;
    const others = `content-type: application/json\r\nx-github-event: push\r\nx-github-delivery: d-1\r\n`;
    const socket = new RawSocket(world.port).send(
      `${HEAD}${others}${signed}${signed}content-length: ${BODY.length}\r\n\r\n${BODY}`,
    );
    await expect.poll(() => socket.statuses).toEqual([401]);
    expect(socket.received).toContain('the signature is missing or does not fit');
    socket.close();
  });

  it('is not told from broken JSON without one: nothing of an unsigned body is read (O1)', async () => {
    const answer = await post('{"broken', { 'x-hub-signature-256': undefined });
    expect(answer.code).toBe(401);
  });

  it('never names the secret', async () => {
    const answers = [await post(BODY, { 'x-hub-signature-256': 'sha256=00' }), await post('{')];
    expect(answers.map(({ text }) => text).join()).not.toContain(SECRET);
    expect(JSON.stringify(refusals)).not.toContain(SECRET);
  });
});

describe('a secret that is rotated', () => {
  it('counts from the next delivery on, and the old one no longer', async () => {
    expect((await post(BODY)).code).toBe(202);
    world.secret = 'rotated';
    expect((await post(BODY)).code).toBe(401);
    const signed = { 'x-hub-signature-256': signatureOf(BODY, 'rotated') };
    expect((await post(BODY, signed)).code).toBe(202);
  });
});

describe('a delivery that is malformed', () => {
  it.each<readonly [string, string, Headers]>([
    ['X-GitHub-Event is missing', BODY, { 'x-github-event': undefined }],
    ['X-GitHub-Delivery is missing', BODY, { 'x-github-delivery': undefined }],
    ['X-GitHub-Event names no event', BODY, { 'x-github-event': 'Push Me' }],
    ['X-GitHub-Delivery is no delivery id', BODY, { 'x-github-delivery': 'a b' }],
    ['payload is no JSON object', '{"ref":', {}],
    ['payload is no JSON object', '"push"', {}],
    ['payload is no JSON object', '[]', {}],
    ['payload is no JSON object', 'null', {}],
  ])('is answered 400, saying that (the) %s', async (why, body, headers) => {
    const answer = await post(body, headers);
    expect(answer.code).toBe(400);
    expect(answer.text).toContain(why);
    expect(world.events).toEqual([]);
  });

  it.each([
    ['no field payload', 'other=1'],
    ['payload is no JSON object', 'payload='],
    ['payload is no JSON object', 'payload=%7B%22ref%22'],
    ['the payload is not UTF-8', `payload=${encodeURIComponent('{"ref":"')}%FF${encodeURIComponent('"}')}`],
  ])('as a form is answered 400, saying: %s', async (why, body) => {
    const answer = await post(body, FORM);
    expect(answer.code).toBe(400);
    expect(answer.text).toContain(why);
    expect(world.events).toEqual([]);
  });

  it.each(['text/plain', 'application/cloudevents+json', 'multipart/form-data; boundary=x', undefined])(
    'of the content type %s is answered 415, naming the two that are taken',
    async (type) => {
      const answer = await post(BODY, { 'content-type': type });
      expect(answer.code).toBe(415);
      expect(answer.text).toContain('application/json');
      expect(answer.text).toContain('application/x-www-form-urlencoded');
    },
  );

  it('is answered 405 when it is no POST', async () => {
    const response = await fetch(`http://127.0.0.1:${world.port}/webhooks/demo/repository`);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });

  it('to a source that is not there is answered 404, naming it', async () => {
    const answer = await world.send(BODY, { path: '/webhooks/demo/other' });
    expect(answer.code).toBe(404);
    expect(answer.text).toContain('demo/other');
    expect(refusals).toMatchObject([{ origin: 'Webhook', code: 404 }]);
  });
});

describe('a payload over 25 MiB', () => {
  it('is answered 413 when it is announced, before a byte of it comes', async () => {
    const socket = new RawSocket(world.port).send(`${HEAD}content-length: ${25 * MIB + 1}\r\n\r\n`);
    await expect.poll(() => socket.statuses).toEqual([413]);
    expect(budget.held).toBe(0);
    await expect.poll(() => socket.isClosed, { timeout: 5000 }).toBe(true);
  });

  it('is answered 413 in the midst of it when it is not announced, and the connection ends', async () => {
    const socket = new RawSocket(world.port).send(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
    const chunk = Buffer.alloc(MIB, 0x20);
    for (let i = 0; i < 26; i += 1)
      socket
        .send(`${MIB.toString(16)}\r\n`)
        .send(chunk)
        .send('\r\n');
    await expect.poll(() => socket.statuses, { timeout: 10_000 }).toEqual([413]);
    await expect.poll(() => socket.isClosed, { timeout: 5000 }).toBe(true);
    expect(budget.held).toBe(0);
  });

  it('is not what one of exactly 25 MiB is', async () => {
    const body = Buffer.alloc(25 * MIB, 0x20);
    body.write(BODY);
    expect((await post(body)).code).toBe(202);
    expect(body.equals(world.events[0]?.body ?? Buffer.alloc(0))).toBe(true);
  });
});

describe('a delivery that cannot be kept', () => {
  it.each<readonly [string, string, () => void]>([
    ['its Secret is not there', 'the secret of this source', () => (world.secret = undefined)],
    ['its secret is empty', 'the secret of this source', () => (world.secret = '')],
    ['the sink has no address', 'no address yet', () => (world.plan = { ...world.plan, sinkUrl: undefined })],
    ['the sink refuses', 'the channel is full', () => (world.take = () => Promise.reject(full()))],
  ])('since %s is answered 503 with Retry-After', async (_, why, turn) => {
    turn();
    const answer = await post(BODY);
    expect(answer.code).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answer.text).toContain(why);
    expect(world.errors).toEqual([]);
  });

  it('since the sink breaks is answered 503, and the error is told', async () => {
    const broken = new Error('no such table');
    world.take = () => Promise.reject(broken);
    expect((await post(BODY)).code).toBe(503);
    expect(world.errors).toEqual([broken]);
  });

  it('since the sink hangs is answered 503 in time, and the sink is told to stop', async () => {
    const late = await GitHubWorld.open(aGitHubSource(), { sinkWithinMs: 50 });
    const { promise, resolve } = Promise.withResolvers<void>();
    late.take = (_, signal) => (signal.addEventListener('abort', () => resolve()), new Promise(() => {}));
    const answer = await late.send(BODY);
    await promise;
    late.close();
    expect(answer.code).toBe(503);
    expect(answer.headers.get('retry-after')).not.toBeNull();
    expect(answer.text).toContain('within 50 ms');
  });

  it('since its body does not come is answered 408 in time', async () => {
    const late = await GitHubWorld.open(aGitHubSource(), { bodyWithinMs: 50 });
    const socket = new RawSocket(late.port).send(`${HEAD}content-length: 10\r\n\r\n{`);
    await expect.poll(() => socket.statuses).toEqual([408]);
    late.close();
  });
});
