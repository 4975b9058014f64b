import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluateCesql } from '../../../src/apis/cesql/evaluate.ts';
import type { Value } from '../../../src/apis/cesql/expression.ts';
import { parseCesql } from '../../../src/apis/cesql/parse.ts';

const ATTRIBUTES = new Map(Object.entries({ id: '1', source: '/shop', type: 'order.paid', ttl: '10' }));

function valueOf(text: string): Value {
  const parsed = parseCesql(text);
  if (parsed.kind === 'fault') throw new Error(parsed.message);
  const { value, errors } = evaluateCesql(parsed.expression, ATTRIBUTES);
  expect(errors).toEqual([]);
  return value;
}
function faultOf(text: string): string {
  const parsed = parseCesql(text);
  return parsed.kind === 'fault' ? parsed.message : `taken: ${JSON.stringify(parsed.expression)}`;
}

describe('an expression of CloudEvents SQL', () => {
  it.each<[string, Value]>([
    ["'/shop' IN ('/app', source)", true],
    ["source IN ('/app', '/web')", false],
    ["source NOT IN ('/app', '/web')", true],
    ["source not in ('/app')", true],
    ['ttl IN (1, 10)', true],
    ["1 IN ('2', '1')", true],
    ["TRUE IN ('false', 'true')", true],
    ["'TRUE' IN (TRUE, 'other')", false], // cast to a String, true is lower-case
    ['EXISTS ttl AND EXISTS id', true],
    ['EXISTS absent', false],
    ['NOT EXISTS absent', true],
  ])('IN, NOT IN and EXISTS: %s is %s', (text, value) => expect(valueOf(text)).toBe(value));

  it.each<[string, Value]>([
    ['TRUE OR TRUE AND FALSE', false], // AND, OR and XOR are of one rank, from left to right
    ['FALSE AND FALSE OR TRUE', true],
    ['TRUE XOR TRUE OR TRUE', true],
    ['1 + 2 * 3 = 7 AND 2 < 3', true],
    ['10 - 4 - 3', 3],
    ['100 / 10 / 5 * 2', 4],
    ['NOT FALSE = TRUE', true], // (NOT FALSE) = TRUE
    ['2 = 2 = TRUE', true],
    ['-2 * -3', 6],
    ['- (2 + 3)', -5],
    ['+7', 7],
    ['4 -1', 3],
    ['7 % -4', 3],
    ['-7 % 4', -3],
    ['-7 / 2', -3],
    ['-2147483648', -2147483648],
  ])('precedence and signs: %s is %s', (text, value) => expect(valueOf(text)).toBe(value));

  it.each<[string, string]>([
    ['2147483647 + 1', 'math'],
    ['-(-2147483648)', 'math'],
    ['65536 * 65536', 'math'],
    ["'2147483648' + 0", 'cast'],
    ["'1.5' + 0", 'cast'],
    ["source IN ('/app', absent)", 'missingAttribute'],
    ["1 IN ('one')", 'cast'],
    ["SUBSTRING('abc', 1, -1) = 'abc'", 'functionEvaluation'],
    ['NOPE(1)', 'missingFunction'],
  ])('%s raises an error: %s', (text, kind) => {
    const parsed = parseCesql(text);
    if (parsed.kind === 'fault') throw new Error(parsed.message);
    const { value, errors } = evaluateCesql(parsed.expression, ATTRIBUTES);
    expect(errors).toMatchObject([{ kind, message: expect.stringMatching(/\w+ \w+/) }]);
    expect([0, false]).toContain(value);
  });

  it('counts characters, not halves of them', () => {
    expect(valueOf("LENGTH('a😀b')")).toBe(3);
    expect(valueOf("SUBSTRING('a😀b', 2, 1)")).toBe('😀');
    expect(valueOf("'😀' LIKE '_'")).toBe(true);
    expect(valueOf("TRIM('\u00a0\u2003a\u0085')")).toBe('a');
  });
});

describe('a text that is no expression', () => {
  it.each<[string, string]>([
    ['', 'a value is expected at character 1, and there is the end'],
    ['type =', 'a value is expected at character 7, and there is the end'],
    ['type type', 'an operator or the end is expected at character 6, and there is "type"'],
    ['(TRUE', ') is expected at character 6, and there is the end'],
    ["type = 'open", "a string that does not end at character 8: 'open"],
    ['type = #1', 'no part of an expression at character 8: #1'],
    ['x LIKE 123', 'a string behind LIKE is expected at character 8, and there is "123"'],
    ['x LIKE y', 'a string behind LIKE is expected at character 8, and there is "y"'],
    ['x IN ()', 'a value is expected at character 7, and there is ")"'],
    ['x IN 1', '( is expected at character 6, and there is "1"'],
    ['EXISTS AND', 'the name of an attribute is expected at character 8, and there is "AND"'],
    [
      'myExt = 1',
      'myExt at character 1 is no name of an attribute: those have lower-case letters and digits',
    ],
    ['2147483648', 'the integer at character 1 is not between -2147483648 and 2147483647'],
    ['NOT', 'a value is expected at character 4, and there is the end'],
  ])('is told with its place: %s', (text, fault) => expect(faultOf(text)).toBe(fault));

  it('is one that is nested, or goes on, without end', () => {
    expect(faultOf(`${'('.repeat(1000)}1${')'.repeat(1000)}`)).toBe('nested deeper than 100 levels');
    expect(faultOf('NOT '.repeat(2000) + 'TRUE')).toBe('nested deeper than 100 levels');
    expect(faultOf(Array.from({ length: 600 }, () => '1').join('+'))).toBe(
      'more than 1000 operators and values',
    );
    expect(faultOf(`'${'x'.repeat(20_000)}' = id`)).toContain('longer than 16384 characters');
  });

  it('never makes the reader or the evaluator throw', () => {
    const words =
      "TRUE 1 'a' id absent ( ) , + - * / % = <> < NOT AND OR XOR LIKE IN EXISTS INT LEFT SUBSTRING CONCAT_WS";
    const part = fc.constantFrom(...words.split(' '), '"', '\\', '😀');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
        const parsed = parseCesql(parts.join(' '));
        if (parsed.kind === 'expression') evaluateCesql(parsed.expression, ATTRIBUTES);
      }),
      { numRuns: 2000 },
    );
  });

  it('a pattern of many wildcards is matched in time', () => {
    const text = `'${'a'.repeat(5000)}' LIKE '${'%a'.repeat(300)}b'`;
    expect(valueOf(text)).toBe(false);
  });
});
