import { Webhooks } from '@octokit/webhooks';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DoorRequest } from '../../../src/sources/door/door-source.ts';
import { isSigned, readHeaders, readPayload } from '../../../src/sources/github/delivery.ts';
import { onSignal, type Signals } from '../../../src/telemetry/signals.ts';
import { aGitHubSource, GitHubWorld, SECRET, signatureOf, type Sent } from '../../kit/github.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

function aRequest(body: Uint8Array | string, headers: Readonly<Record<string, string>>): DoorRequest {
  const rawHeaders = Object.entries(headers).flat();
  return { headers, rawHeaders, body: Buffer.from(body) };
}

describe('the payload of a form', () => {
  const bodyOf = (form: string): string | undefined => {
    const read = readPayload(aRequest(form, FORM));
    return 'kind' in read ? undefined : Buffer.from(read.body).toString();
  };

  it('is what the URL standard decodes it to, whatever is in it', () => {
    const texts = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(texts, texts, (text, other) => {
        const payload = JSON.stringify({ text });
        expect(bodyOf(new URLSearchParams({ other, payload }).toString())).toBe(payload);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['payload={"a":"100%"}', '{"a":"100%"}'],
    ['payload={"a":"%zz%4"}', '{"a":"%zz%4"}'],
    ['a=1&&payload=%7b%7D&b=2', '{}'],
    ['payload={"n":1}&payload={"n":2}', '{"n":1}'],
    ['my-payload={}', undefined],
    ['payload', undefined],
    ['', undefined],
  ])('of %s is %s', (form, payload) => expect(bodyOf(form)).toBe(payload));

  it('is refused, and not mended, when its bytes are no UTF-8', () => {
    const read = readPayload(aRequest('payload={"a":"%FF"}', FORM));
    expect(read).toEqual({ kind: 'refused', code: 400, reason: 'the payload is not UTF-8' });
  });
});

describe('a signature', () => {
  const signed = Buffer.from('{"a":"\ufffd"}');
  const headers = { 'x-hub-signature-256': signatureOf(signed) };

  it('does not fit bytes that only look the same as text', () => {
    const other = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(other.toString()).toBe(signed.toString());
    expect(isSigned(aRequest(signed, headers), SECRET)).toBe(true);
    expect(isSigned(aRequest(other, headers), SECRET)).toBe(false);
  });

  it("is believed whenever GitHub's own library believes it, and never else", async () => {
    const body = fc.string({ minLength: 1, unit: 'grapheme' });
    const secret = fc.string({ minLength: 1, unit: 'grapheme' });
    await fc.assert(
      fc.asyncProperty(body, secret, secret, async (text, own, by) => {
        const written = signatureOf(text, by);
        const request = aRequest(text, { 'x-hub-signature-256': written });
        expect(isSigned(request, own)).toBe(await new Webhooks({ secret: own }).verify(text, written));
        expect(isSigned(request, by)).toBe(true);
      }),
    );
  });

  it('fits no empty body', () => {
    const empty = { 'x-hub-signature-256': signatureOf('') };
    expect(isSigned(aRequest('', empty), SECRET)).toBe(false);
  });
});

it.each(['a\u0085b', 'x'.repeat(257), 'two words'])('no delivery has the id %j', (id) => {
  const headers = { 'content-type': 'application/json', 'x-github-event': 'push', 'x-github-delivery': id };
  expect(readHeaders(aRequest('{}', headers))).toMatchObject({ kind: 'refused', code: 400 });
});

describe('every answer', () => {
  let world: GitHubWorld;
  const signals: (Signals['source.refused'] | Signals['source.sent'])[] = [];
  const stops: (() => void)[] = [];
  beforeAll(async () => {
    world = await GitHubWorld.open(aGitHubSource({ eventTypes: ['push'] }));
    stops.push(onSignal('source.refused', (signal) => void signals.push(signal)));
    stops.push(onSignal('source.sent', (signal) => void signals.push(signal)));
  });
  afterAll(() => {
    for (const stop of stops) stop();
    world.close();
  });
  beforeEach(() => void (signals.length = world.events.length = 0));

  it.each<[number, string, string, Sent]>([
    [202, 'accepted', '{}', {}],
    [200, 'ping: nothing is forwarded', '{}', { headers: { 'x-github-event': 'ping' } }],
    [200, 'star is not among the eventTypes', '{}', { headers: { 'x-github-event': 'star' } }],
    [401, 'the signature is missing or does not fit', '{}', { secret: 'other' }],
    [400, 'X-GitHub-Event is missing', '{}', { headers: { 'x-github-event': undefined } }],
    [400, 'X-GitHub-Delivery is missing', '{}', { headers: { 'x-github-delivery': undefined } }],
    [400, 'the payload is no JSON object', '{', {}],
    [400, 'the form has no field payload', 'a=1', { headers: FORM }],
    [415, 'content type "text/plain" is not taken', '{}', { headers: { 'content-type': 'text/plain' } }],
    [404, 'there is no source demo/other', '{}', { path: '/webhooks/demo/other' }],
  ])('%i says "%s", and is counted', async (code, text, body, sent) => {
    const answer = await world.send(body, sent);
    expect(answer).toMatchObject({ code, text: expect.stringContaining(text) });
    expect(world.events).toHaveLength(code === 202 ? 1 : 0);
    const { key } = world.plan;
    const origin = code === 404 ? 'Webhook' : `GitHubSource/${key}`;
    expect(signals).toMatchObject([code === 202 ? { origin, id: 'd-1' } : { origin, code }]);
  });

  it('503 comes with Retry-After', async () => {
    world.secret = undefined;
    const answer = await world.send('{}');
    expect([answer.code, answer.headers.get('retry-after')]).toEqual([503, '10']);
  });
});
