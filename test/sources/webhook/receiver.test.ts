import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PlatformError } from '../../../src/base/errors.ts';
import { onSignal, type Signals } from '../../../src/telemetry/signals.ts';
import { RawSocket } from '../../kit/raw-socket.ts';
import { WebhookWorld, type Headers } from '../../kit/webhooks.ts';

type Spec = Parameters<typeof WebhookWorld.open>[0];

const TOKEN = { authorization: 'Bearer it is a secret' };
const JSON_TYPE = { ...TOKEN, 'content-type': 'application/json' };
const EVENT = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/shop', 'ce-type': 'order.paid' };
const bearer = (more: Spec = {}): Spec => ({ verification: { token: {} }, ...more });

let world: WebhookWorld;
let refusals: Signals['source.refused'][];
let sent: Signals['source.sent'][];
let stops: (() => void)[];

async function open(spec: Spec, options: Parameters<typeof WebhookWorld.open>[1] = {}): Promise<void> {
  world?.close();
  world = await WebhookWorld.open(spec, options);
}
const attributesOf = (n = 0): Record<string, string> => Object.fromEntries(world.events[n]?.attributes ?? []);

beforeEach(() => {
  [refusals, sent] = [[], []];
  stops = [
    onSignal('source.refused', (signal) => void refusals.push(signal)),
    onSignal('source.sent', (signal) => void sent.push(signal)),
  ];
});
afterEach(() => {
  for (const stop of stops) stop();
  world.close();
});

describe('a delivery that is believed', () => {
  it('is answered 202 only once the sink has taken it, and told', async () => {
    await open(bearer({ attributes: { type: { pointer: '/kind', prefix: 'shop.' } } }));
    const { promise: taken, resolve } = Promise.withResolvers<void>();
    const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>();
    world.take = () => (isAsked(), taken);
    let isAnswered = false;
    const answer = world.send('{"kind":"paid"}', JSON_TYPE).finally(() => (isAnswered = true));
    await asked;
    expect(isAnswered).toBe(false);
    resolve();
    expect(await answer).toMatchObject({ code: 202, text: 'accepted\n' });
    expect(sent).toMatchObject([{ origin: 'WebhookSource/demo/shop', id: 'random', type: 'shop.paid' }]);
  });

  it('is taken once within its dedupe window, by the id that the service gives, and as often as it comes without one', async () => {
    await open(bearer({ attributes: { id: { header: 'x-id' } }, dedupeWindow: 'PT10M' }));
    const same = { ...JSON_TYPE, 'x-id': 'd-1' };
    const answers = await Promise.all([world.send('{}', same), world.send('{}', same)]);
    expect(answers.map(({ code }) => code)).toEqual([202, 202]);
    expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['accepted\n', 'accepted before\n']));
    await world.send('{}', JSON_TYPE);
    await world.send('{}', JSON_TYPE);
    expect(world.events).toHaveLength(3);
    world.clock.advance(600_001);
    await world.send('{}', same);
    expect(world.events).toHaveLength(4);
  });
});

describe('a delivery that is not believed', () => {
  it('is answered 401 with the challenge of its scheme, counted, and never names the secret', async () => {
    await open(bearer());
    const answer = await world.send('{"broken', { authorization: 'Bearer guessed' });
    expect([answer.code, answer.text]).toEqual([401, 'the token is missing or does not fit\n']);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="webhooks"');
    expect(refusals).toMatchObject([{ origin: 'WebhookSource/demo/shop', code: 401 }]);
    expect(JSON.stringify(refusals) + answer.text).not.toContain('it is a secret');
    expect(world.events).toEqual([]);
  });

  it('counts by the secrets as they are now', async () => {
    await open(bearer());
    world.secrets = [{ value: 'rotated' }, ...world.secrets];
    const rotated = { authorization: 'Bearer rotated' };
    expect([(await world.send('', TOKEN)).code, (await world.send('', rotated)).code]).toEqual([202, 202]);
    world.secrets = [{ value: 'rotated' }];
    expect([(await world.send('', TOKEN)).code, (await world.send('', rotated)).code]).toEqual([401, 202]);
  });

  it('is answered 503 while the secret is not there', async () => {
    await open(bearer());
    world.secrets = [];
    const answer = await world.send('', TOKEN);
    expect([answer.code, answer.headers.get('retry-after')]).toEqual([503, '10']);
    expect(answer.text).toContain('the secret of this source');
  });
});

describe('a delivery that cannot be read or kept', () => {
  it.each<readonly [number, string, string, Headers, Spec]>([
    [400, 'the body is no JSON', '{"a":', JSON_TYPE, { attributes: { type: { pointer: '/type' } } }],
    [400, 'ce-id: required', '', { ...TOKEN, 'ce-specversion': '1.0' }, {}],
    [
      415,
      'a batch is not taken',
      '[]',
      { ...TOKEN, 'content-type': 'application/cloudevents-batch+json' },
      {},
    ],
    [415, 'content-encoding: gzip', 'x', { ...TOKEN, 'content-encoding': 'gzip' }, {}],
  ])('is answered %i: %s', async (code, why, body, headers, spec) => {
    await open(bearer(spec));
    const answer = await world.send(body, headers);
    expect(answer.code).toBe(code);
    expect(answer.text).toContain(why);
    expect(world.events).toEqual([]);
  });

  it('may be anything at all when nothing is to be read from its body', async () => {
    await open(bearer());
    expect((await world.send('{"a":', JSON_TYPE)).code).toBe(202);
  });

  it('is answered 503 when the sink does not take it, and 413 when it is too large for it', async () => {
    await open(bearer());
    world.take = () =>
      Promise.reject(new PlatformError('CHANNEL_FULL', 'the channel is full', { retryable: true }));
    const full = await world.send('', TOKEN);
    expect([full.code, full.headers.get('retry-after')]).toEqual([503, '10']);
    world.take = () =>
      Promise.reject(new PlatformError('EVENT_TOO_LARGE', 'too large', { retryable: false }));
    expect((await world.send('', TOKEN)).code).toBe(413);
    expect(world.errors).toEqual([]);
  });

  it('is answered 408 when its body does not come, 404 elsewhere, and 405 for another method', async () => {
    await open(bearer(), { bodyWithinMs: 50 });
    const head = 'POST /webhooks/demo/shop HTTP/1.1\r\nhost: g\r\ncontent-length: 10\r\n\r\n{';
    const socket = new RawSocket(Number(new URL(world.url).port)).send(head);
    await expect.poll(() => socket.statuses).toEqual([408]);
    const other = await fetch(world.url.replace('/shop', '/other'), { method: 'POST' });
    expect([other.status, await other.text()]).toEqual([
      404,
      'there is no source demo/other that takes webhooks\n',
    ]);
    const get = await world.send('', TOKEN, 'GET');
    expect([get.code, get.headers.get('allow')]).toEqual([405, 'POST']);
  });
});

describe('a CloudEvent that is posted', () => {
  const spec = bearer({
    attributes: { type: { value: 'mapped' } },
    ceOverrides: { extensions: { team: 'shop' } },
  });

  it('in binary mode arrives as it is, with the overrides', async () => {
    await open(spec);
    const body = '{ "n": 1.0 }';
    expect((await world.send(body, { ...JSON_TYPE, ...EVENT, 'ce-time': '2026-01-01T00:00:00Z' })).code).toBe(
      202,
    );
    expect(attributesOf()).toEqual({
      specversion: '1.0',
      id: '1',
      source: '/shop',
      type: 'order.paid',
      time: '2026-01-01T00:00:00Z',
      team: 'shop',
    });
    expect(Buffer.from(world.events[0]?.body ?? []).toString()).toBe(body);
  });

  it('in structured mode arrives as it is', async () => {
    await open(spec);
    const type = { 'content-type': 'application/cloudevents+json' };
    const text = '{"specversion":"1.0","id":"1","source":"/shop","type":"order.paid","data":{"n":1.0}}';
    expect((await world.send(text, { ...TOKEN, ...type })).code).toBe(202);
    expect(attributesOf()).toMatchObject({ type: 'order.paid', id: '1', team: 'shop' });
    expect(Buffer.from(world.events[0]?.body ?? []).toString()).toBe('{"n":1.0}');
  });
});

describe('the handshake of CloudEvents webhooks', () => {
  const asks = (origin: string, rate?: string): Headers => ({
    'webhook-request-origin': origin,
    'webhook-request-callback': 'https://example.com/confirm?id=1',
    ...(rate !== undefined && { 'webhook-request-rate': rate }),
  });
  const allowed = ({ headers }: { headers: globalThis.Headers }): (string | null)[] =>
    ['webhook-allowed-origin', 'webhook-allowed-rate', 'allow'].map((name) => headers.get(name));

  it.each<readonly [string, Spec['handshake'], Headers, (string | null)[]]>([
    [
      'an origin that is allowed',
      { allowedOrigins: ['e.example.com'] },
      asks('E.example.com', '120'),
      ['E.example.com', '*', 'POST, OPTIONS'],
    ],
    [
      'any origin',
      { allowedOrigins: ['*'], allowedRate: 100 },
      asks('e.example.com', '120'),
      ['*', '100', 'POST, OPTIONS'],
    ],
    [
      'less than is allowed',
      { allowedOrigins: ['*'], allowedRate: 100 },
      asks('e.example.com', '60'),
      ['*', '60', 'POST, OPTIONS'],
    ],
    [
      'no rate',
      { allowedOrigins: ['*'], allowedRate: 100 },
      asks('e.example.com'),
      ['*', '100', 'POST, OPTIONS'],
    ],
    [
      'an origin that is not allowed',
      { allowedOrigins: ['e.example.com'] },
      asks('evil.example.com'),
      [null, null, 'POST, OPTIONS'],
    ],
    ['no origin', { allowedOrigins: ['*'] }, {}, [null, null, 'POST, OPTIONS']],
  ])('asked for %s is answered with what is permitted (4.2)', async (_, handshake, headers, expected) => {
    await open(bearer({ ...(handshake !== undefined && { handshake }) }));
    expect(allowed(await world.send('', headers, 'OPTIONS'))).toEqual(expected);
  });

  it('is 405 for a source that has none', async () => {
    await open(bearer());
    expect((await world.send('', asks('e.example.com'), 'OPTIONS')).code).toBe(405);
  });

  it('refuses deliveries that name an origin which is not allowed, though they have the secret', async () => {
    await open(bearer({ handshake: { allowedOrigins: ['e.example.com'] } }));
    const codes = [];
    for (const origin of [asks('e.example.com'), asks('evil.example.com'), {}])
      codes.push((await world.send('', { ...TOKEN, ...origin })).code);
    expect(codes).toEqual([202, 403, 202]);
  });
});

describe('the url_verification of Slack', () => {
  const signed = (body: string, secret = 'it is a secret'): Headers => {
    const at = String(Math.floor(world.clock.nowMs() / 1000));
    const signature = createHmac('sha256', secret).update(`v0:${at}:${body}`).digest('hex');
    return {
      'content-type': 'application/json',
      'x-slack-request-timestamp': at,
      'x-slack-signature': `v0=${signature}`,
    };
  };
  const BODY =
    '{"token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}';

  it('gets its challenge back, and nothing is forwarded', async () => {
    await open({ preset: 'slack' });
    const answer = await world.send(BODY, signed(BODY));
    expect([answer.code, answer.text]).toEqual([200, '3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P']);
    expect(world.events).toEqual([]);
    expect(refusals).toMatchObject([{ code: 200, reason: 'url_verification: nothing is forwarded' }]);
  });

  it('gets nothing back without its signature', async () => {
    await open({ preset: 'slack' });
    const answer = await world.send(BODY, signed(BODY, 'guessed'));
    expect(answer.code).toBe(401);
    expect(answer.text).not.toContain('3eZ');
  });

  it('is followed by events with their own id and type', async () => {
    await open({ preset: 'slack' });
    const body =
      '{"type":"event_callback","team_id":"T1","event_id":"Ev1","event_time":1533204620,"event":{"type":"message"}}';
    expect((await world.send(body, signed(body))).code).toBe(202);
    expect(attributesOf()).toMatchObject({
      id: 'Ev1',
      type: 'com.slack.message',
      time: '2018-08-02T10:10:20Z',
      slackteam: 'T1',
    });
  });
});
