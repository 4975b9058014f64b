import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../src/apis/schema.ts';
import { pruned, shapeFaults, unknownFields } from '../../src/apis/shape.ts';

const SCHEMA: JsonSchema = {
  type: 'object',
  required: ['image'],
  properties: {
    image: { type: 'string', pattern: '^[a-z]+$' },
    policy: { type: 'string', enum: ['linear', 'exponential'] },
    retry: { type: 'integer', minimum: 0, maximum: 10 },
    ratio: { type: 'number' },
    isOn: { type: 'boolean' },
    ports: {
      type: 'array',
      items: { type: 'object', required: ['port'], properties: { port: { type: 'integer' } } },
    },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    open: {
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
      properties: { known: { type: 'string' } },
    },
  },
};

const faultsOf = (value: object): string[] =>
  shapeFaults({ type: 'object', properties: { spec: SCHEMA } }, { spec: { image: 'shop', ...value } }).map(
    ({ path, message }) => `${path}: ${message}`,
  );

describe('shape faults', () => {
  it.each([
    [
      { retry: 'three' },
      'spec.retry: Invalid value: "string": spec.retry in body must be of type integer: "string"',
    ],
    [
      { retry: 1.5 },
      'spec.retry: Invalid value: "number": spec.retry in body must be of type integer: "number"',
    ],
    [
      { image: 5 },
      'spec.image: Invalid value: "integer": spec.image in body must be of type string: "integer"',
    ],
    [
      { image: ['shop'] },
      'spec.image: Invalid value: "array": spec.image in body must be of type string: "array"',
    ],
    [
      { isOn: 'true' },
      'spec.isOn: Invalid value: "string": spec.isOn in body must be of type boolean: "string"',
    ],
    [
      { ports: {} },
      'spec.ports: Invalid value: "object": spec.ports in body must be of type array: "object"',
    ],
    [
      { ports: [null] },
      'spec.ports[0]: Invalid value: "null": spec.ports[0] in body must be of type object: "null"',
    ],
    [
      { labels: { a: true } },
      'spec.labels.a: Invalid value: "boolean": spec.labels.a in body must be of type string: "boolean"',
    ],
    [{ ports: [{ port: 1 }, {}] }, 'spec.ports[1].port: Required value'],
    [{ retry: -1 }, 'spec.retry: Invalid value: -1: spec.retry in body should be greater than or equal to 0'],
    [{ retry: 11 }, 'spec.retry: Invalid value: 11: spec.retry in body should be less than or equal to 10'],
    [{ image: 'A' }, `spec.image: Invalid value: "A": spec.image in body should match '^[a-z]+$'`],
    [
      { policy: 'cubic' },
      'spec.policy: Unsupported value: "cubic": supported values: "linear", "exponential"',
    ],
  ])('says of %j what the API server says', (value, text) => {
    expect(faultsOf(value)).toEqual([text]);
  });

  it('names every fault, not the first alone', () => {
    expect(faultsOf({ retry: 'x', isOn: 1 })).toHaveLength(2);
  });

  it('takes what fits, whole numbers as numbers too', () => {
    expect(
      faultsOf({ retry: 3, ratio: 2, ports: [{ port: 80 }], labels: { a: '' }, open: { any: [1] } }),
    ).toEqual([]);
  });

  it('refuses, and survives, a value nested deeper than 100 levels', () => {
    const schema: { items?: JsonSchema } & JsonSchema = { type: 'array' };
    schema.items = schema;
    const nested = JSON.parse('['.repeat(200) + ']'.repeat(200)) as unknown;
    expect(shapeFaults(schema, nested, 'spec')[0]?.message).toContain('nested deeper than 100 levels');
  });
});

describe('unknown fields', () => {
  it('are named by their path, in lists as well', () => {
    const value = {
      image: 'shop',
      imgae: 1,
      ports: [{ port: 1, prot: 2 }],
      open: { any: 1 },
      labels: { a: 'b' },
    };
    expect(unknownFields(SCHEMA, value)).toEqual(['imgae', 'ports[0].prot']);
  });

  it('include __proto__ and constructor, which no schema knows', () => {
    const value: unknown = JSON.parse('{"image":"shop","__proto__":{"a":1},"constructor":1}');
    expect(unknownFields(SCHEMA, value)).toEqual(['__proto__', 'constructor']);
  });
});

describe('pruning', () => {
  it('drops what the schema does not know and keeps open objects whole', () => {
    const value = {
      image: 'shop',
      other: 1,
      ports: [{ port: 1, b: 2 }],
      open: { known: 'a', b: { c: null } },
    };
    expect(pruned(SCHEMA, value)).toEqual({
      image: 'shop',
      ports: [{ port: 1 }],
      open: { known: 'a', b: { c: null } },
    });
  });

  it('takes a null for a known field as not given', () => {
    expect(pruned(SCHEMA, { image: null, policy: null, open: { known: null, other: null } })).toEqual({
      open: { other: null },
    });
  });

  it('drops __proto__ and changes no prototype', () => {
    const value: unknown = JSON.parse(
      '{"image":"shop","__proto__":{"isOn":true},"ports":[{"__proto__":{"port":1}}]}',
    );
    const kept = pruned(SCHEMA, value);
    expect(JSON.stringify(kept)).toBe('{"image":"shop","ports":[{}]}');
    expect(Reflect.get(Object(kept), 'isOn')).toBeUndefined();
    expect(Reflect.get({}, 'isOn')).toBeUndefined();
  });

  it('keeps __proto__ in a map as a name like any other', () => {
    const value: unknown = JSON.parse('{"labels":{"__proto__":"x"}}');
    expect(JSON.stringify(pruned(SCHEMA, value))).toBe('{"labels":{"__proto__":"x"}}');
  });

  it('leaves nothing unknown, whatever it is given, and does nothing twice', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.jsonValue(), (ports, open) => {
        const once = pruned(SCHEMA, { image: 'shop', ports, open, x: open });
        expect(unknownFields(SCHEMA, once)).toEqual([]);
        expect(pruned(SCHEMA, once)).toEqual(once);
      }),
    );
  });
});
