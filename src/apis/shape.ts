import type { JsonSchema } from './schema.ts';

export type ShapeFault = {
  readonly path: string;
  readonly reason: 'Invalid' | 'Required' | 'NotSupported';
  readonly message: string;
};

const DEPTH_MAX = 100;

/** Checks a value against a schema; faults in the API server's own words (apiextensions validation, structural schemas). */
export function shapeFaults(schema: JsonSchema, value: unknown, path = '', depth = 0): ShapeFault[] {
  if (depth > DEPTH_MAX)
    return [{ path, reason: 'Invalid', message: `Invalid value: nested deeper than ${DEPTH_MAX} levels` }];
  const actual = typeOf(value);
  const expected = schema.type;
  if (expected !== undefined && !isOfType(value, expected)) {
    const named = JSON.stringify(Number.isInteger(value) ? 'integer' : actual);
    const message = `Invalid value: ${named}: ${path} in body must be of type ${expected}: ${named}`;
    return [{ path, reason: 'Invalid', message }];
  }
  if (Array.isArray(value)) {
    return value.flatMap((each, i) =>
      schema.items === undefined ? [] : shapeFaults(schema.items, each, `${path}[${i}]`, depth + 1),
    );
  }
  if (actual === 'object') return memberFaults(schema, value as Record<string, unknown>, path, depth);
  return scalarFault(schema, value, path);
}

function memberFaults(
  schema: JsonSchema,
  value: Record<string, unknown>,
  path: string,
  depth: number,
): ShapeFault[] {
  const at = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const missing = (schema.required ?? []).filter((name) => value[name] === undefined);
  const faults: ShapeFault[] = missing.map((name) => ({
    path: at(name),
    reason: 'Required',
    message: 'Required value',
  }));
  for (const [name, member] of Object.entries(value)) {
    const memberSchema = schemaOf(schema, name);
    if (memberSchema !== undefined && member !== undefined && member !== null) {
      faults.push(...shapeFaults(memberSchema, member, at(name), depth + 1));
    }
  }
  return faults;
}

function scalarFault(schema: JsonSchema, value: unknown, path: string): ShapeFault[] {
  const invalid = (rule: string): ShapeFault[] => [
    {
      path,
      reason: 'Invalid',
      message: `Invalid value: ${JSON.stringify(value)}: ${path} in body should ${rule}`,
    },
  ];
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && value < schema.minimum)
      return invalid(`be greater than or equal to ${schema.minimum}`);
    if (schema.maximum !== undefined && value > schema.maximum)
      return invalid(`be less than or equal to ${schema.maximum}`);
  }
  if (typeof value !== 'string') return [];
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    const supported = schema.enum.map((each) => JSON.stringify(each)).join(', ');
    return [
      {
        path,
        reason: 'NotSupported',
        message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported}`,
      },
    ];
  }
  return schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)
    ? invalid(`match '${schema.pattern}'`)
    : [];
}

/** Paths of the members that a schema does not know, for strict decoding. */
export function unknownFields(schema: JsonSchema, value: unknown, path = '', depth = 0): string[] {
  if (depth > DEPTH_MAX) return [];
  if (Array.isArray(value))
    return value.flatMap((each, i) => unknownFields(schema.items ?? {}, each, `${path}[${i}]`, depth + 1));
  if (typeOf(value) !== 'object' || isOpen(schema)) return [];
  return Object.entries(value as object).flatMap(([name, member]) => {
    const at = path === '' ? name : `${path}.${name}`;
    const memberSchema = schemaOf(schema, name);
    return memberSchema === undefined ? [at] : unknownFields(memberSchema, member, at, depth + 1);
  });
}

/** The value without the members that its schema does not know, or knows and finds null: to Kubernetes, null is not given. */
export function pruned(schema: JsonSchema, value: unknown, depth = 0): unknown {
  if (depth > DEPTH_MAX) return value;
  if (Array.isArray(value)) return value.map((each) => pruned(schema.items ?? {}, each, depth + 1));
  if (typeOf(value) !== 'object') return value;
  const isKept = isOpen(schema);
  const kept = Object.entries(value as object).flatMap(([name, member]) => {
    const memberSchema = schemaOf(schema, name);
    if (memberSchema === undefined) return isKept ? [[name, member] as const] : [];
    return member === null ? [] : [[name, pruned(memberSchema, member, depth + 1)] as const];
  });
  return Object.fromEntries(kept);
}

/** Own members only: `__proto__` and `constructor` are names like any other, and known to no schema. */
function schemaOf(schema: JsonSchema, name: string): JsonSchema | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, name))
    return schema.properties[name];
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

function isOpen(schema: JsonSchema): boolean {
  const saysNothing = schema.properties === undefined && schema.additionalProperties === undefined;
  return schema['x-kubernetes-preserve-unknown-fields'] === true || saysNothing;
}

function isOfType(value: unknown, expected: string): boolean {
  if (expected === 'integer') return typeof value === 'number' && Number.isInteger(value);
  return typeOf(value) === (expected === 'number' ? 'number' : expected);
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
