import { isInteger32, type CesqlError, type Type, type Value } from './expression.ts';

export type Cast<T extends Value> = { readonly value: T; readonly error?: CesqlError };

export const typeOfValue = (value: Value): Type =>
  typeof value === 'string' ? 'String' : typeof value === 'number' ? 'Integer' : 'Boolean';

export function zeroOf(type: Type): Value {
  return type === 'String' ? '' : type === 'Integer' ? 0 : false;
}

export function castTo(type: Type, value: Value): Cast<Value> {
  return type === 'String'
    ? { value: asString(value) }
    : type === 'Integer'
      ? asInteger(value)
      : asBoolean(value);
}

export const asString = (value: Value): string => String(value);

export function asInteger(value: Value): Cast<number> {
  if (typeof value !== 'string') return { value: Number(value) };
  const number = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
  if (isInteger32(number)) return { value: number + 0 };
  return { value: 0, error: castError(value, 'Integer') };
}

export function asBoolean(value: Value): Cast<boolean> {
  if (typeof value !== 'string') return { value: Boolean(value) };
  const lower = value.toLowerCase();
  if (lower === 'true' || lower === 'false') return { value: lower === 'true' };
  return { value: false, error: castError(value, 'Boolean') };
}

function castError(value: string, type: Type): CesqlError {
  return { kind: 'cast', message: `${JSON.stringify(value.slice(0, 100))} is no ${type}` };
}
