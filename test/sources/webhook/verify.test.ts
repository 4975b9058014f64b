import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { verify, type Secret } from '../../../src/sources/webhook/verify.ts';
import { aPlan, aRequest, type Headers } from '../../kit/webhooks.ts';

const NOW_MS = 1_700_000_000_000;
const BODY = '{"a":1}';
const SECRET = { value: 'new secret' };
type Spec = Parameters<typeof aPlan>[0];

const verdictOf = (spec: Spec, headers: Headers, secrets: readonly Secret[] = [SECRET], body = BODY) =>
  verify(aPlan(spec).verification, secrets, aRequest(body, headers), NOW_MS);
const kindOf = (...args: Parameters<typeof verdictOf>): string => verdictOf(...args).kind;

const mac = (algorithm: string, encoding: 'hex' | 'base64', secret = SECRET.value): string =>
  createHmac(algorithm, secret).update(BODY).digest(encoding);
const stripe = (seconds: number, ...secrets: readonly string[]): Headers => {
  const signed = secrets.map((secret) =>
    createHmac('sha256', secret).update(`${seconds}.${BODY}`).digest('hex'),
  );
  return { 'Stripe-Signature': [`t=${seconds}`, ...signed.map((each) => `v1=${each}`)].join(',') };
};
const STRIPE: Spec = { preset: 'stripe' };

describe('the window for replays', () => {
  const at = (offSeconds: number, tolerance?: string) =>
    verdictOf(
      tolerance === undefined ? STRIPE : { ...STRIPE, verification: { tolerance } },
      stripe(NOW_MS / 1000 + offSeconds, SECRET.value),
    );

  it.each([0, -300, 300])('takes what was signed %i s from now', (off) => {
    expect(at(off).kind).toBe('believed');
  });

  it.each([-301, 301, -86_400])('refuses what was signed %i s from now, saying by how much', (off) => {
    const reason = `it was signed ${Math.abs(off)} s from now, and at most 300 s are taken`;
    expect(at(off)).toEqual({ kind: 'refused', reason });
  });

  it('is as long as tolerance says', () => {
    expect(at(-59, 'PT1M').kind).toBe('believed');
    expect(at(-61, 'PT1M').kind).toBe('refused');
    expect(at(-3600, 'PT2H').kind).toBe('believed');
  });

  it('is not told to who has no secret', () => {
    const verdict = verdictOf(STRIPE, stripe(0, 'guessed'));
    expect(verdict).toEqual({ kind: 'refused', reason: 'the signature is missing or does not fit' });
  });
});

describe('while a secret is exchanged', () => {
  const both = [SECRET, { value: 'old secret' }];

  it.each([['new secret'], ['old secret'], ['other', 'old secret']])(
    'what is signed by %s is believed',
    (...by) => {
      expect(kindOf(STRIPE, stripe(NOW_MS / 1000, ...by), both)).toBe('believed');
    },
  );

  it('what is signed by neither is not', () => {
    expect(kindOf(STRIPE, stripe(NOW_MS / 1000, 'other'), both)).toBe('refused');
  });

  it('an empty secret is none', () => {
    expect(kindOf(STRIPE, stripe(NOW_MS / 1000, ''), [{ value: '' }])).toBe('refused');
  });
});

describe('an HMAC', () => {
  const hmac = (more: object) => ({ verification: { hmac: { header: 'X-Sign', ...more } } });

  it.each([
    ['sha256 in hexadecimal, as nothing else is said', hmac({}), mac('sha256', 'hex')],
    ['in upper case', hmac({}), mac('sha256', 'hex').toUpperCase()],
    ['with a prefix', hmac({ prefix: 'sha256=' }), `sha256=${mac('sha256', 'hex')}`],
    ['in base64', hmac({ encoding: 'base64' }), mac('sha256', 'base64')],
    ['of sha512', hmac({ algorithm: 'sha512' }), mac('sha512', 'hex')],
    ['of sha1', hmac({ algorithm: 'sha1', encoding: 'base64' }), mac('sha1', 'base64')],
  ])('%s is believed', (_, spec, written) => {
    expect(kindOf(spec as Spec, { 'X-Sign': written })).toBe('believed');
  });

  it.each([
    ['missing', hmac({}), ''],
    ['without its prefix', hmac({ prefix: 'sha256=' }), mac('sha256', 'hex')],
    ['with one that is not asked for', hmac({}), `sha256=${mac('sha256', 'hex')}`],
    ['in another encoding', hmac({}), mac('sha256', 'base64')],
    ['in base64 without padding', hmac({ encoding: 'base64' }), mac('sha256', 'base64').replace(/=+$/, '')],
    ['of another algorithm', hmac({}), mac('sha512', 'hex')],
    ['cut', hmac({}), mac('sha256', 'hex').slice(2)],
    ['of another secret', hmac({}), mac('sha256', 'hex', 'other')],
  ])('%s is not', (_, spec, written) => {
    expect(kindOf(spec as Spec, { 'X-Sign': written })).toBe('refused');
  });

  it('in two headers is not', () => {
    const request = aRequest(BODY, { 'x-sign': mac('sha256', 'hex') });
    const twice = { ...request, rawHeaders: [...request.rawHeaders, ...request.rawHeaders] };
    expect(verify(aPlan(hmac({})).verification, [SECRET], twice, NOW_MS).kind).toBe('refused');
  });
});

describe('a token', () => {
  const bearer: Spec = { verification: { token: {} } };
  const own: Spec = { verification: { token: { header: 'X-Token' } } };

  it.each([
    ['as a bearer', bearer, { Authorization: 'Bearer new secret' }],
    ['whose scheme is written otherwise', bearer, { Authorization: 'bearer new secret' }],
    ['in a header of its own', own, { 'X-Token': 'new secret' }],
  ] as const)('%s is believed', (_, spec, headers) => {
    expect(kindOf(spec, headers)).toBe('believed');
  });

  it('is compared by its bytes, in whatever script', () => {
    const asSent = Buffer.from('schlüssel').toString('latin1');
    expect(kindOf(own, { 'X-Token': asSent }, [{ value: 'schlüssel' }])).toBe('believed');
  });

  it.each([
    [bearer, { Authorization: 'new secret' }],
    [bearer, { Authorization: 'Basic new secret' }],
    [bearer, { Authorization: 'Bearer ' }],
    [bearer, {}],
    [own, { 'X-Token': 'New secret' }],
    [own, { 'X-Token': 'new secret and more' }],
    [own, { 'X-Token': 'new' }],
  ] as const)('that is not it is refused: %j %j', (spec, headers) => {
    expect(kindOf(spec, headers)).toBe('refused');
  });

  it('that is missing is asked for', () => {
    expect(verdictOf(bearer, {})).toMatchObject({ challenge: 'Bearer' });
    expect(verdictOf(own, {})).not.toHaveProperty('challenge');
  });
});

describe('Basic', () => {
  const basic: Spec = { verification: { basic: {} } };
  const secret = { value: 'pass:word', username: 'shop' };
  const written = (text: string): Headers => ({
    Authorization: `Basic ${Buffer.from(text).toString('base64')}`,
  });

  it('takes user name and password, a colon in it too', () => {
    expect(kindOf(basic, written('shop:pass:word'), [secret])).toBe('believed');
    expect(
      kindOf(basic, { Authorization: `bASIC ${Buffer.from('shop:pass:word').toString('base64')}` }, [secret]),
    ).toBe('believed');
  });

  it.each(['shop:pass', 'shop:', ':pass:word', 'Shop:pass:word', 'shop:pass:word ', 'shop'])(
    'refuses %s',
    (text) => {
      expect(verdictOf(basic, written(text), [secret])).toMatchObject({
        kind: 'refused',
        challenge: 'Basic',
      });
    },
  );
});

it('none believes everything, and has to be asked for', () => {
  expect(kindOf({ secrets: [], verification: { none: {} } }, {}, [])).toBe('believed');
});
