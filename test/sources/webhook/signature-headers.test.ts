import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fromHex,
  readSlackHeader,
  readStandardHeader,
  readStripeHeader,
  standardKey,
} from '../../../src/sources/webhook/signature-headers.ts';
import { verify } from '../../../src/sources/webhook/verify.ts';
import { aPlan, aRequest } from '../../kit/webhooks.ts';

const HEX = 'ab'.repeat(32);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 64 });
const hex = bytes.map((each) => Buffer.from(each).toString('hex'));
/** Anything that node:http can hand over as a header, most of it near what is wanted. */
const header = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc
    .array(
      fc.constantFrom(
        't=',
        'v1=',
        'v1,',
        'v0=',
        ',',
        ' ',
        '=',
        '1614265330',
        HEX,
        'K5oZ',
        '-1',
        '1e9',
        '\u00ff',
      ),
      {
        maxLength: 12,
      },
    )
    .map((parts) => parts.join('')),
);

describe('the header of Stripe', () => {
  it('is read with every v1 in it and the time as it was written, whatever else it has', () => {
    fc.assert(
      fc.property(fc.array(hex, { minLength: 1, maxLength: 5 }), fc.nat(1e9), (signatures, time) => {
        const written = [`t=${time}`, 'v0=00', ...signatures.map((each) => `v1=${each}`)].join(',');
        expect(readStripeHeader(written)).toEqual({
          time: String(time),
          signatures: signatures.map((each) => Buffer.from(each, 'hex')),
        });
      }),
    );
  });

  it.each([
    '',
    't=1',
    `v1=${HEX}`,
    `t=,v1=${HEX}`,
    `t=-1,v1=${HEX}`,
    `t=1.5,v1=${HEX}`,
    `t=1e3,v1=${HEX}`,
    `t=1,t=2,v1=${HEX}`,
    't=1,v1=',
    't=1,v1=xyz',
    `t=1,v1=${HEX}0`,
    `t=1;v1=${HEX}`,
    `t=1,v1=${HEX},`,
    `t=1234567890123,v1=${HEX}`,
    `t=1${`,v1=${HEX}`.repeat(20)}`,
  ])('%s is none', (written) => {
    expect(readStripeHeader(written)).toBeUndefined();
  });
});

describe('the header of Standard Webhooks', () => {
  it('is read with every v1 in it, and other versions are passed over', () => {
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 1, maxLength: 5 }), (signatures) => {
        const written = signatures.map((each) => `v1,${Buffer.from(each).toString('base64')}`);
        expect(readStandardHeader(['v1a,x', ...written, 'v2,???'].join(' '))).toEqual(
          signatures.map((each) => Buffer.from(each)),
        );
      }),
    );
  });

  it.each(['', 'v1', 'v1,a', 'v1,====', 'v2,K5oZ', 'v1;K5oZ', `${'v1,K5oZ '.repeat(21)}`])(
    '%s is none',
    (written) => {
      expect(readStandardHeader(written)).toBeUndefined();
    },
  );

  it('has a key of base64, with or without whsec_', () => {
    expect(standardKey('whsec_K5oZ')).toEqual(Buffer.from('K5oZ', 'base64'));
    expect(standardKey('K5oZ')).toEqual(Buffer.from('K5oZ', 'base64'));
    expect([standardKey('whsec_'), standardKey(''), standardKey('not base64!')]).toEqual(
      Array(3).fill(undefined),
    );
  });
});

it('the header of Slack is v0 and hexadecimal, nothing else', () => {
  expect(readSlackHeader(`v0=${HEX}`)).toEqual(Buffer.from(HEX, 'hex'));
  for (const written of ['', HEX, `v1=${HEX}`, `V0=${HEX}`, 'v0=', 'v0=zz', `v0=${HEX} `])
    expect(readSlackHeader(written)).toBeUndefined();
});

it('hexadecimal is read in either case and never in part', () => {
  fc.assert(
    fc.property(hex, (text) => {
      expect(fromHex(text.toUpperCase())).toEqual(Buffer.from(text, 'hex'));
    }),
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (text) => {
      const read = fromHex(text);
      if (read !== undefined) expect(read.toString('hex')).toBe(text.toLowerCase());
    }),
  );
});

describe('no header without the secret', () => {
  it.each([
    ['stripe', { preset: 'stripe' }, ['stripe-signature']],
    ['slack', { preset: 'slack' }, ['x-slack-signature', 'x-slack-request-timestamp']],
    [
      'Standard Webhooks',
      { preset: 'standard-webhooks' },
      ['webhook-signature', 'webhook-id', 'webhook-timestamp'],
    ],
    ['an HMAC', { verification: { hmac: { header: 'x-sign' } } }, ['x-sign']],
    ['a token', { verification: { token: {} } }, ['authorization']],
    ['Basic', { verification: { basic: {} } }, ['authorization']],
  ] as const)('is believed by %s, and none makes it throw', (_, spec, names) => {
    const { verification } = aPlan(spec);
    const secret = { value: 'whsec_c2VjcmV0IG9mIDMyIGJ5dGVzIGZvciB0aGlzIQ==', username: 'shop' };
    const headers = fc.tuple(...names.map(() => header));
    fc.assert(
      fc.property(headers, fc.string({ maxLength: 50 }), (values, body) => {
        const written = Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']));
        expect(verify(verification, [secret], aRequest(body, written), 1_614_265_330_000).kind).toBe(
          'refused',
        );
      }),
      { numRuns: 1000 },
    );
  });
});

it('whatever body and secret, what is signed by the scheme is believed, and one changed byte is not', () => {
  const { verification } = aPlan({ verification: { stripe: { header: 'X-Sign' } } });
  const [body, secret] = [
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }),
  ];
  fc.assert(
    fc.property(body, secret, fc.nat(299), (sent, value, at) => {
      const signature = createHmac('sha256', value).update('1614265330.').update(sent).digest('hex');
      const headers = { 'X-Sign': `t=1614265330,v1=${signature}` };
      const verdict = (bytesSent: Uint8Array): string =>
        verify(verification, [{ value }], aRequest(bytesSent, headers), 1_614_265_330_000).kind;
      expect(verdict(sent)).toBe('believed');
      const changed =
        sent.length === 0 ? Uint8Array.of(0) : sent.with(at % sent.length, (sent[at % sent.length] ?? 0) ^ 1);
      expect(verdict(changed)).toBe('refused');
    }),
  );
});
