import { describe, expect, it } from 'vitest';
import { renderFieldErrors } from '../../src/apis/field-error.ts';
import {
  isSelected,
  selectorErrors,
  selectorText,
  type LabelSelector,
} from '../../src/apis/label-selector.ts';

const where = (key: string, operator: string, ...values: string[]): LabelSelector => ({
  matchExpressions: [{ key, operator, ...(values.length > 0 && { values }) }],
});
const LABELS = { app: 'web', tier: 'front' };

describe('a label selector', () => {
  it.each<[string, LabelSelector, boolean]>([
    ['nothing said', {}, true],
    ['a label with that value', { matchLabels: { app: 'web' } }, true],
    ['a label with another value', { matchLabels: { app: 'db' } }, false],
    ['one of two labels', { matchLabels: { app: 'web', zone: 'a' } }, false],
    ['a set with the value', where('app', 'In', 'db', 'web'), true],
    ['a set without the value', where('app', 'In', 'db'), false],
    ['a set and no such label', where('zone', 'In', 'a'), false],
    ['no set with the value', where('app', 'NotIn', 'web'), false],
    ['no set and no such label', where('zone', 'NotIn', 'a'), true],
    ['a label that is there', where('app', 'Exists'), true],
    ['a label that is not there', where('zone', 'DoesNotExist'), true],
    ['a label that should not be there', where('app', 'DoesNotExist'), false],
    ['what every object inherits', { matchLabels: { toString: '' } }, false],
    ['labels and expressions', { matchLabels: { app: 'web' }, ...where('tier', 'In', 'back') }, false],
  ])('takes or leaves an object by %s', (_, selector, expected) => {
    expect(isSelected(selector, LABELS)).toBe(expected);
  });

  it('is written as a request has it', () => {
    expect(selectorText({})).toBe('');
    const all = [
      where('tier', 'In', 'a', 'b'),
      where('x', 'NotIn', 'c'),
      where('y', 'Exists'),
      where('z', 'DoesNotExist'),
    ];
    const matchExpressions = all.flatMap((each) => each.matchExpressions ?? []);
    expect(selectorText({ matchLabels: { app: 'web' }, matchExpressions })).toBe(
      'app=web,tier in (a,b),x notin (c),y,!z',
    );
  });

  it.each<[LabelSelector, string]>([
    [
      where('a', 'Like', 'b'),
      'invalid value: Like: matchExpressions[0].operator\n"Like" is not a valid label selector operator',
    ],
    [
      where('a', 'In'),
      "invalid value: []: matchExpressions[0].values\nfor 'in', 'notin' operators, values set can't be empty",
    ],
    [
      where('a', 'Exists', 'b'),
      'invalid value: ["b"]: matchExpressions[0].values\nvalues set must be empty for exists and does not exist',
    ],
    [where('', 'Exists'), 'missing field(s): matchExpressions[0].key'],
  ])('is refused when it is none: %j', (selector, text) => {
    expect(renderFieldErrors(selectorErrors(selector))).toBe(text);
  });
});
