import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elementsOf, isJson, membersOf } from '../../src/events/json-scan.ts';

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

const whole = (text: string): readonly [Buffer, { start: number; end: number }] => {
  const bytes = Buffer.from(text);
  return [bytes, { start: 0, end: bytes.length }];
};

/** JSON with one character changed, taken out or put in: much of it is JSON still. */
const nearJson = fc
  .tuple(
    fc.json(),
    fc.nat(),
    fc.constantFrom('', '"', '\\', ',', ':', '{', '}', '[', ']', '0', '-', '.', 'e', ' '),
  )
  .map(([text, at, put]) => {
    const cut = at % (text.length + 1);
    return text.slice(0, cut) + put + text.slice(cut + (at % 2));
  });

describe('reading JSON without making values of it', () => {
  it('takes what JSON.parse takes, and nothing else', () => {
    fc.assert(fc.property(fc.json(), (text) => isJson(Buffer.from(text))));
    fc.assert(
      fc.property(nearJson, (text) => isJson(Buffer.from(text)) === parses(text)),
      { numRuns: 2000 },
    );
  });

  it('finds each member where it stands', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const [bytes, span] = whole(JSON.stringify(object, null, 1));
        const members = membersOf(bytes, span);
        if ('fault' in members) throw new Error(members.fault);
        const read = members.map(({ name, value }) => [
          name,
          JSON.parse(bytes.subarray(value.start, value.end).toString()) as unknown,
        ]);
        expect(read).toEqual(Object.entries(JSON.parse(bytes.toString()) as object));
      }),
    );
  });

  it('finds each element where it stands', () => {
    const bytes = Buffer.from(' [ 1 , "a,]" , {"b":[2]} ] ');
    const elements = elementsOf(bytes);
    const texts =
      'fault' in elements ? [] : elements.map(({ start, end }) => bytes.subarray(start, end).toString());
    expect(texts).toEqual(['1', '"a,]"', '{"b":[2]}']);
  });

  it.each([
    ['[1]', 'not a JSON object'],
    ['{"a":1', 'not JSON at byte 6'],
    ['{"a":1} x', 'not JSON at byte 8'],
    [`{"a":${'['.repeat(1_000_000)}`, 'nested deeper than 100 levels'],
    [`{${'"a":1,'.repeat(10_001)}"a":1}`, 'more than 10000 members'],
  ])('says what is wrong, and where', (text, fault) => {
    expect(membersOf(...whole(text))).toEqual({ fault });
  });
});
