/**
 * JSON with whole numbers beyond what JavaScript can hold kept as they are written: ids of deliveries, and whatever a
 * payload has. Such a number becomes an object that JSON.stringify writes as it was read; anything else reads it as no
 * number.
 */
export function parseLossless(text: string): unknown {
  return parse(text, (_name, value, { source }) =>
    typeof value === 'number' && source !== undefined && isRounded(value, source) ? rawJson(source) : value,
  );
}

/** A whole number as text, however large; undefined when it is none. */
export function wholeNumber(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined;
  const raw: unknown = Object(value) === value ? Reflect.get(Object(value), 'rawJSON') : undefined;
  return typeof raw === 'string' && /^-?\d{1,30}$/.test(raw) ? raw : undefined;
}

const isRounded = (value: number, source: string): boolean =>
  !Number.isSafeInteger(value) && /^-?\d+$/.test(source);

type Reviver = (name: string, value: unknown, context: { readonly source?: string }) => unknown;

// Node 24 has both (ECMAScript, "JSON.parse source text access"); the types of its library do not yet.
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;
const rawJson = Reflect.get(JSON, 'rawJSON') as (text: string) => object;
