import { describe, expect, it } from 'vitest';
import { eventFilterErrors, passesFilters, type EventFilter } from '../../src/apis/event-filters.ts';
import { renderFieldErrors } from '../../src/apis/field-error.ts';

const ATTRIBUTES = new Map([
  ['type', 'order.paid'],
  ['source', '/shop'],
]);
const PAID: EventFilter = { exact: { type: 'order.paid' } };
const SENT: EventFilter = { exact: { type: 'order.sent' } };

describe('filters of events', () => {
  it.each<[EventFilter[], boolean]>([
    [[], true],
    [[{}], true],
    [[PAID], true],
    [[SENT], false],
    [[PAID, SENT], false],
    [[{ exact: { type: 'order.paid', source: '/other' } }], false],
    [[{ exact: { absent: 'x' } }], false],
    [[{ prefix: { type: 'order.' } }], true],
    [[{ prefix: { type: 'cart.' } }], false],
    [[{ suffix: { type: '.paid', source: 'shop' } }], true],
    [[{ suffix: { absent: '' } }], false],
    [[{ any: [SENT, PAID] }], true],
    [[{ any: [SENT, SENT] }], false],
    [[{ all: [PAID, { prefix: { source: '/' } }] }], true],
    [[{ all: [PAID, SENT] }], false],
    [[{ not: SENT }], true],
    [[{ not: { any: [PAID, SENT] } }], false],
    [[{ cesql: '' }], true],
    [[{ cesql: "type LIKE 'order.%' AND source IN ('/shop', '/app')" }], true],
    [[{ cesql: "type = 'order.sent'" }], false],
    [[{ cesql: "absent = 'x' OR type = 'order.paid'" }], false], // an error, and so it does not pass
    [[{ cesql: "EXISTS absent OR type = 'order.paid'" }], true],
    [[{ not: { cesql: 'BOOL(type)' } }], true],
    [[{ all: [{ cesql: 'TRUE' }, PAID] }], true],
    [[{ any: [{ cesql: 'FALSE' }, SENT] }], false],
  ])('%j lets an event pass: %s', (filters, expected) => {
    expect(passesFilters(filters, ATTRIBUTES)).toBe(expected);
    expect(eventFilterErrors(filters)).toEqual([]);
  });

  it.each<[unknown, string]>([
    [{ ...PAID, prefix: { type: 'a' } }, 'multiple dialects found, filters can have only one dialect set'],
    [
      { exact: { Type: 'x' } },
      'invalid key name "Type": [0].exact[Type]\nAttribute name must start with a letter and can only contain lowercase alphanumeric',
    ],
    [
      { all: [{ any: [{ suffix: { 'a-b': 'x' } }] }] },
      'invalid key name "a-b": [0].all[0].any[0].suffix[a-b]\nAttribute name must start with a letter and can only contain lowercase alphanumeric',
    ],
    [{ not: { exact: 'x' } }, 'invalid value: x: [0].not.exact'],
    [{ all: 'x' }, 'invalid value: x: [0].all'],
    [{ exact: { type: 1 } }, 'invalid value: {"type":1}: [0].exact'],
    [
      { like: {} },
      'invalid key name "like": [0]\none of exact, prefix, suffix, all, any, not, cesql is expected',
    ],
    ['x', 'invalid value: x: [0]\na filter is an object'],
    [{ ...PAID, cesql: 'TRUE' }, 'multiple dialects found, filters can have only one dialect set'],
    [
      { any: [{ cesql: 'type = ' }] },
      'invalid value: type = : [0].any[0].cesql\na value is expected at character 8, and there is the end',
    ],
    [
      { cesql: 'LENGTH(type)' },
      'invalid value: LENGTH(type): [0].cesql\na filter is Boolean, and this expression comes to another type: Integer',
    ],
    [
      { cesql: 'subject' },
      'invalid value: subject: [0].cesql\na filter is Boolean, and an attribute is a String: BOOL(subject) or EXISTS subject is one',
    ],
    [
      { cesql: "STARTS('a') = 'b'" },
      "invalid value: STARTS('a') = 'b': [0].cesql\nthere is no function STARTS of 1 argument",
    ],
    [
      { cesql: "LEFT('a') = 'b'" },
      "invalid value: LEFT('a') = 'b': [0].cesql\nthere is no function LEFT of 1 argument: it is LEFT(String, Integer)",
    ],
  ])('are refused when they are none: %j', (filter, text) => {
    expect(renderFieldErrors(eventFilterErrors([filter as EventFilter]))).toBe(text);
  });

  it('are refused when they are nested without end', () => {
    let filter = PAID;
    for (let i = 0; i < 100; i += 1) filter = { not: filter };
    expect(renderFieldErrors(eventFilterErrors([filter]))).toContain('nested deeper than 32 levels');
  });
});
