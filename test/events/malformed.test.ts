import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMessage } from '../../src/events/message.ts';

/**
 * Messages that are no CloudEvents (scenario R18): each is refused with a reason that names the attribute, and nothing
 * of it is taken. First what is altered of a valid event, then the attribute (or part) that the reason names.
 */
type Headers = Readonly<Record<string, string | undefined>>;
type Vector = readonly [change: Headers, named: string];

const VALID: Headers = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' };
const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

const REQUIRED_VECTORS: readonly Vector[] = ['specversion', 'id', 'source', 'type'].flatMap((name) => [
  [{ [`ce-${name}`]: undefined }, `ce-${name}`],
  [{ [`ce-${name}`]: '' }, `ce-${name}`],
  [{ [`ce-${name}`]: '""' }, `ce-${name}`], // quotes come off: empty
]);

const VERSION_VECTORS = ['0.1', '0.2', '1', '1.1', '2.0', '9.9', '01.0', '1.0 ', 'v1.0', 'latest'].map(
  (version): Vector => [{ 'ce-specversion': version }, 'ce-specversion'],
);

const TIME_VECTORS = [
  ['yesterday', '0', '1700000000', '2026-01-01', '2026-01-01T00:00:00', '2026-01-01 00:00:00Z'],
  ['2026-00-01T00:00:00Z', '2026-13-01T00:00:00Z', '2026-01-00T00:00:00Z', '2026-01-32T00:00:00Z'],
  ['2026-02-29T00:00:00Z', '2100-02-29T00:00:00Z', '2026-04-31T00:00:00Z', '2026-01-01T24:00:00Z'],
  ['2026-01-01T00:60:00Z', '2026-01-01T00:00:61Z', '2026-01-01T00:00:00.Z', '2026-01-01T00:00:00+24:00'],
  ['2026-01-01T00:00:00+0100', '26-01-01T00:00:00Z', '+2026-01-01T00:00:00Z', '2026-1-1T00:00:00Z', ''],
]
  .flat()
  .map((time): Vector => [{ 'ce-time': time }, 'ce-time']);

const URIS = [
  'a b',
  '/a%20b%',
  '%zz',
  '/<s>',
  'a|b',
  '\\\\host\\share',
  '{s}',
  '^',
  '`',
  '1a:b',
  ':x',
  'a b:c',
];
const URI_VECTORS = URIS.flatMap((uri): Vector[] => {
  const written = encodeURIComponent(uri);
  return [
    [{ 'ce-source': written }, 'ce-source'],
    [{ 'ce-dataschema': written }, 'ce-dataschema'],
    [{ 'ce-specversion': '0.3', 'ce-schemaurl': written }, 'ce-schemaurl'],
  ];
});

const NAMES = [
  'my-ext',
  'my_ext',
  'my.ext',
  'my ext',
  'größe',
  'a$',
  '-',
  '',
  'data',
  'datacontenttype',
  '__proto__',
];
const NAME_VECTORS = NAMES.map((name): Vector => [{ [`ce-${name}`]: 'x' }, name]);

const VALUES = [
  ['%00', '%0A', '%0d%0a', '%1F', '%7f', '%C2%80', '%C2%9F', 'a\tb', 'a%09', '"a%0Ab"'], // control characters
  ['%C0%A0', '%ED%A0%80', '%FF', '%E2%82', '%F4%90%80%80', '\u00ff', 'a\u00e4', '%80'], // no UTF-8
  ['%EF%BF%BE', '%EF%B7%90', '%F0%9F%BF%BF'], // noncharacters
].flat();
const VALUE_VECTORS = VALUES.flatMap((value): Vector[] => [
  [{ 'ce-subject': value }, 'ce-subject'],
  [{ 'ce-myext': value }, 'ce-myext'],
]);

const TYPE_VECTORS = [
  '',
  'json',
  '/json',
  'text/',
  'a b/c',
  'text/plain x',
  'text/pläin',
  'a/b/c',
  'a,b/c',
].map((type): Vector => [{ 'content-type': latin1(type) }, 'content-type']);

const TWICE_VECTORS = ['id', 'source', 'type', 'specversion'].map((name): Vector => [
  { [`CE-${name}`]: 'again' },
  `ce-${name}`,
]);

const OTHER_VECTORS: readonly Vector[] = [
  [{ 'ce-subject': '' }, 'ce-subject'],
  [{ 'content-type': 'a/b', 'Content-Type': 'a/b' }, 'content-type'],
  [{ 'ce-a': '1', 'cE-A': '1' }, 'ce-a'],
];

const BINARY_VECTORS = [
  ...REQUIRED_VECTORS,
  ...VERSION_VECTORS,
  ...TIME_VECTORS,
  ...URI_VECTORS,
  ...NAME_VECTORS,
  ...VALUE_VECTORS,
  ...TYPE_VECTORS,
  ...TWICE_VECTORS,
  ...OTHER_VECTORS,
];

const flat = (headers: Headers): string[] =>
  Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));

const binary = (change: Headers): unknown => readMessage(flat({ ...VALID, ...change }), Buffer.from('{}'));

const VALID_MEMBERS = '"specversion":"1.0","id":"1","source":"/s","type":"t"';
const with_ = (members: string): string => `{${VALID_MEMBERS},${members}}`;
const quoted = (text: string): string => JSON.stringify(text);

const STRUCTURED_VECTORS: readonly (readonly [body: string | Uint8Array, named: string])[] = [
  ...['', '{', '}', '[]', 'null', '"x"', '1', '{}x', '{"id"}', "{'id':1}", '{"id":01}', '{"a":tru}'].map(
    (body) => [body, 'body'] as const,
  ),
  ...[
    '{"a":1,}',
    '{"a":.5}',
    '{"a":1.}',
    '{"a":1e}',
    '{"a":-}',
    '{"a":"\\x"}',
    '{"a":"\\u12"}',
    '{"a":"\n"}',
  ].map((body) => [body, 'body'] as const),
  ...['{"a" 1}', '{,}', '{"a":[1,]}', '{"a":[1 2]}', '{"a":{"b"}}', '\ufeff{}', '{"a":"', '{"a":1'].map(
    (body) => [body, 'body'] as const,
  ),
  [Uint8Array.of(0x7b, 0xff, 0x7d), 'body'],
  [Buffer.from('{"id":"\u00e4"}', 'latin1'), 'body'],
  ['['.repeat(100_000), 'body'],
  [with_(`"data":${'['.repeat(101)}${']'.repeat(101)}`), 'body'],
  [with_(`"data":${'{"a":'.repeat(100_000)}`), 'body'],
  ['{}', 'specversion'],
  ...['id', 'source', 'type', 'specversion'].flatMap((name) => [
    [`{${VALID_MEMBERS.replace(`"${name}":`, `"x":`)}}`, name] as const,
    [`{${VALID_MEMBERS.replace(new RegExp(`"${name}":"[^"]*"`), `"${name}":""`)}}`, name] as const,
    [`{${VALID_MEMBERS.replace(new RegExp(`"${name}":"[^"]*"`), `"${name}":null`)}}`, name] as const,
    [`{${VALID_MEMBERS.replace(new RegExp(`"${name}":"[^"]*"`), `"${name}":5`)}}`, name] as const,
    [with_(`"${name}":"again"`), name] as const,
  ]),
  ...['{}', '[]', '{"a":1}', '["a"]'].map((value) => [with_(`"ext":${value}`), 'ext'] as const),
  ...['Ext', 'my-ext', '', '__proto__', 'data_base65', 'ä'].map(
    (name) => [with_(`${quoted(name)}:"x"`), name] as const,
  ),
  ...['\u0000', 'a\r\nx: y', '\u007f', '\u0085', '\ud800', '\udc00x', '\ufffe', '\u{1ffff}'].map(
    (value) => [with_(`"subject":${quoted(value)}`), 'subject'] as const,
  ),
  ...['yesterday', '2026-02-30T00:00:00Z'].map((time) => [with_(`"time":"${time}"`), 'time'] as const),
  ...['json', 'text/', 'a/b\u0000', 'a/b; x=€'].map(
    (type) => [with_(`"datacontenttype":${quoted(type)}`), 'datacontenttype'] as const,
  ),
  [with_('"subject":true'), 'subject'],
  [with_('"datacontenttype":1'), 'datacontenttype'],
  [with_('"data":1,"data_base64":"AA=="'), 'data'],
  [with_('"data":1,"data":2'), 'data'],
  ...['a', 'aa', 'aaa', 'a===', '====', 'AP_-', 'AP8= ', 'A P8', 'AP8=AP8=', 'ä123'].map(
    (value) => [with_(`"data_base64":${quoted(value)}`), 'data_base64'] as const,
  ),
  ...['1', '{}', 'true'].map((value) => [with_(`"data_base64":${value}`), 'data_base64'] as const),
  [with_('"datacontenttype":"text/plain","data":"\\ud800"'), 'data'],
];

const structured = (body: string | Uint8Array): unknown =>
  readMessage(['content-type', 'application/cloudevents+json'], Buffer.from(body));

/** A reason that begins with the attribute's name, quoted where that is what is wrong with it. */
function naming(named: string): unknown {
  const name = named.replace(/^ce-/, '').replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return expect.stringMatching(
    named === '' ? /an attribute without a name/ : new RegExp(`^(?:ce-)?"?${name}"?:`),
  );
}

describe('what is no CloudEvent', () => {
  it('is covered by at least 150 vectors', () => {
    expect(BINARY_VECTORS.length + STRUCTURED_VECTORS.length).toBeGreaterThan(150);
  });

  it.each(BINARY_VECTORS)('binary mode: %j is refused, and the reason names %s', (change, named) => {
    expect(binary(change)).toMatchObject({ kind: 'malformed', code: 400, reason: naming(named) });
  });

  it.each(
    STRUCTURED_VECTORS.map(
      ([body, named]) => [Buffer.from(body).toString().slice(0, 120), named, body] as const,
    ),
  )('JSON format: %s is refused, and the reason names %s', (_, named, body) => {
    expect(structured(body)).toMatchObject({
      kind: 'malformed',
      code: 400,
      reason: expect.stringContaining(named),
    });
  });

  it('is refused in a batch with all that come with it, and the reason says which one', () => {
    for (const [body, named] of STRUCTURED_VECTORS.filter(([text]) => typeof text === 'string')) {
      const batch = Buffer.from(`[{${VALID_MEMBERS}},${String(body)}]`);
      const read = readMessage(['content-type', 'application/cloudevents-batch+json'], batch);
      const isBroken = named === 'body';
      expect(read).toMatchObject({
        kind: 'malformed',
        code: 400,
        reason: expect.stringMatching(isBroken ? /batch/ : /event 1/),
      });
    }
  });

  it('leaves no trace on the prototypes of objects', () => {
    structured(with_('"__proto__":{"polluted":1}'));
    structured(with_('"constructor":{"prototype":{"polluted":1}}'));
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('is always refused, never thrown at, whatever headers and bytes come', () => {
    const name = fc.constantFrom(
      'ce-id',
      'ce-source',
      'ce-type',
      'ce-specversion',
      'ce-time',
      'ce-x',
      'content-type',
    );
    const value = fc.oneof(
      fc.string({ unit: 'binary' }).map(latin1),
      fc.constantFrom(
        '1.0',
        '"',
        '"\\"',
        '%',
        '%e',
        'application/cloudevents+json',
        'application/cloudevents-batch+json',
      ),
    );
    const body = fc.oneof(
      fc.uint8Array(),
      fc.json().map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), body, (headers, bytes) => {
        const read = readMessage(headers.flat(), bytes);
        return read.kind !== 'malformed' || read.reason.length > 0;
      }),
      { numRuns: 2000 },
    );
  });
});
