import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ValueFrom } from '../../../src/apis/sources/webhook-source/schema.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import { bodyValuesOf } from '../../../src/sources/webhook/body-values.ts';
import { eventOf } from '../../../src/sources/webhook/event.ts';
import { aPlan, aRequest, type Headers } from '../../kit/webhooks.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
type Spec = Parameters<typeof aPlan>[0];

function made(spec: Spec, body: string | Uint8Array, headers: Headers = JSON_TYPE): CloudEvent {
  const request = aRequest(body, headers);
  const values = bodyValuesOf(request);
  if ('fault' in values) throw new Error(values.fault);
  return eventOf(aPlan({ verification: { token: {} }, ...spec }), request, values, 'random').event;
}
/** The value of an extension that is made so. */
const mapped = (from: ValueFrom, body: string, headers: Headers = JSON_TYPE): string | undefined =>
  made({ attributes: { extensions: { it: from } } }, body, headers).attributes.get('it');

it('an event that nothing is said of has the documented type and source, a random id, and no time', () => {
  expect(Object.fromEntries(made({}, '{}').attributes)).toEqual({
    specversion: '1.0',
    id: 'random',
    source: '/apis/sources.millrace.dev/v1alpha1/namespaces/demo/webhooksources/shop',
    type: 'dev.millrace.sources.webhook',
  });
});

it('the bytes and their type are those that came, whatever they are', () => {
  const bytes = Buffer.from([0, 255, 254, 10, 13]);
  const event = made({}, bytes, { 'content-type': 'application/x-protobuf; v=1' });
  expect([Buffer.from(event.body), event.contentType]).toEqual([bytes, 'application/x-protobuf; v=1']);
  expect(made({}, '', {}).contentType).toBeUndefined();
  expect(made({}, 'x', { 'content-type': 'no type' }).contentType).toBeUndefined();
});

describe('a value of the body', () => {
  const BODY =
    '{"a":{"b":[{"c":"deep"}]}, "n":12345678901234567890, "d":1.50, "t":true, "x":null, "e":"", "q":"a\\"\\u00e9", "a/b":1, "m~n":2, "twice":1, "twice":2, "__proto__":"p"}';

  it.each([
    ['/a/b/0/c', 'deep'],
    ['/n', '12345678901234567890'],
    ['/d', '1.50'],
    ['/t', 'true'],
    ['/q', 'a"é'],
    ['/a~1b', '1'],
    ['/m~0n', '2'],
    ['/twice', '2'],
    ['/__proto__', 'p'],
  ])('at %s is %s, as it was written', (pointer, value) => {
    expect(mapped({ pointer }, BODY)).toBe(value);
  });

  it.each(['/x', '/e', '/a', '/a/b', '/a/b/1/c', '/a/b/-', '/a/b/c', '/nothing', '/q/0', '/constructor'])(
    'at %s is none, and its default counts, without prefix',
    (pointer) => {
      expect(mapped({ pointer, prefix: 'p.' }, BODY)).toBeUndefined();
      expect(mapped({ pointer, prefix: 'p.', default: 'other' }, BODY)).toBe('other');
    },
  );

  it('of an array is found by its index', () => {
    expect(mapped({ pointer: '/1/id' }, '[{"id":"a"},{"id":"b"}]')).toBe('b');
  });

  it('of a form is a field', () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
    expect(mapped({ pointer: '/command', prefix: 'slash.' }, 'text=&command=%2Fdeploy+now', form)).toBe(
      'slash./deploy now',
    );
    expect(mapped({ pointer: '/text', default: 'none' }, 'text=', form)).toBe('none');
  });

  it('that is neither JSON nor a form is none', () => {
    expect(mapped({ pointer: '/a' }, '{"a":1}', { 'content-type': 'text/plain' })).toBeUndefined();
    expect(mapped({ pointer: '/a' }, '{"a":1}', { 'content-type': 'application/vnd.shop+json' })).toBe('1');
  });

  it.each(['{"a":', '{"a":1}}', 'nothing', '', '{"a":01}', Buffer.from([0x7b, 0xff, 0x7d])])(
    'cannot be read from what should be JSON and is not: %s',
    (body) => {
      expect(() => made({}, body)).toThrow(/the body is n/);
    },
  );
});

describe('a value of a header', () => {
  it('is taken with its prefix, or its default', () => {
    expect(mapped({ header: 'X-Event', prefix: 'shop.' }, '{}', { ...JSON_TYPE, 'X-Event': 'paid' })).toBe(
      'shop.paid',
    );
    expect(mapped({ header: 'X-Event', default: 'shop.any' }, '{}')).toBe('shop.any');
  });

  it('is read as the UTF-8 that it is, or as Latin-1', () => {
    const sent = Buffer.from('größer').toString('latin1');
    expect(mapped({ header: 'x-e' }, '{}', { ...JSON_TYPE, 'x-e': sent })).toBe('größer');
    expect(mapped({ header: 'x-e' }, '{}', { ...JSON_TYPE, 'x-e': 'gr\u00f6\u00dfer' })).toBe('größer');
  });
});

describe('what cannot be the value of an attribute', () => {
  it.each([
    ['a control character', '"a\\u0000b"'],
    ['a lone surrogate', '"\\ud800"'],
    ['too long', `"${'x'.repeat(4097)}"`],
  ])('(%s) counts as not there', (_, value) => {
    expect(mapped({ pointer: '/v', default: 'other' }, `{"v":${value}}`)).toBe('other');
  });

  it('is no source without being a URI reference, and no id when it is long', () => {
    const spec = { attributes: { source: { pointer: '/s' }, id: { pointer: '/i' } } };
    const event = made(spec, `{"s":"two words","i":"${'x'.repeat(257)}"}`);
    expect(event.attributes.get('source')).toMatch(/^\/apis\//);
    expect(event.attributes.get('id')).toBe('random');
  });
});

describe('a time', () => {
  it.each([
    ['1533204620', '2018-08-02T10:10:20Z'],
    ['1533204620123', '2018-08-02T10:10:20.123Z'],
    ['1533204620.25', '2018-08-02T10:10:20.250Z'],
    ['"2018-08-02T12:10:20.5+02:00"', '2018-08-02T12:10:20.5+02:00'],
    ['"yesterday"', undefined],
    ['"2018-02-30T00:00:00Z"', undefined],
    ['-5', undefined],
    ['1e9', undefined],
  ])('of %s is %s', (written, time) => {
    const event = made({ attributes: { time: { pointer: '/at' } } }, `{"at":${written}}`);
    expect(event.attributes.get('time')).toBe(time);
  });
});

it('ceOverrides win over the mapping, and a source over its preset', () => {
  const spec: Spec = {
    preset: 'stripe',
    verification: {},
    attributes: { type: { value: 'paid' }, extensions: { team: { value: 'a' } } },
    ceOverrides: { extensions: { team: 'b' } },
  };
  const { attributes } = made(spec, '{"type":"charge.failed","id":"evt_1","account":"acct_1"}');
  const read = (name: string): string | undefined => attributes.get(name);
  expect(['type', 'id', 'team', 'stripeaccount'].map(read)).toEqual(['paid', 'evt_1', 'b', 'acct_1']);
});

it('whatever JSON comes, a pointer finds what JSON.parse finds there', () => {
  const keys = fc.constantFrom('a', 'b', 'c/d', 'm~n', '', '0', '1', '__proto__');
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.oneof(fc.string({ unit: 'grapheme' }), fc.boolean(), fc.constant(null), fc.integer()),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(keys, tie('tree'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(tree, fc.array(keys, { minLength: 1, maxLength: 4 }), fc.nat(4), (value, path, spaces) => {
      const text = JSON.stringify(value, undefined, spaces);
      const request = aRequest(text, JSON_TYPE);
      const values = bodyValuesOf(request);
      if ('fault' in values) throw new Error(values.fault);
      const found = path.reduce<unknown>(
        (at, key) =>
          at !== null &&
          typeof at === 'object' &&
          Object.hasOwn(at, key) &&
          (!Array.isArray(at) || /^\d+$/.test(key))
            ? Reflect.get(at, key)
            : undefined,
        JSON.parse(text),
      );
      const expected = ['string', 'number', 'boolean'].includes(typeof found) ? String(found) : undefined;
      const pointer = path.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
      expect(values.at(pointer)).toBe(expected);
    }),
    { numRuns: 500 },
  );
});
