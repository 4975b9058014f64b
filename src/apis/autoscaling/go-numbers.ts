// Numbers as Go's strconv reads them, since ConfigMaps and annotations carry what upstream parses with it.

const INT32_MAX = 2 ** 31 - 1;

export type Parsed<Value> =
  | { readonly kind: 'value'; readonly value: Value }
  /** `range`: a number, but none that fits. */
  | { readonly kind: 'syntax' | 'range' };

/** strconv.ParseInt(text, 10, 32) */
export function parseInt32(text: string): Parsed<number> {
  if (!/^[+-]?\d+$/.test(text)) return { kind: 'syntax' };
  const value = Number(text);
  return value > INT32_MAX || value < -INT32_MAX - 1 ? { kind: 'range' } : { kind: 'value', value };
}

/** strconv.ParseInt(text, 10, 64); what is beyond a double's whole numbers is rounded. */
export function parseInt64(text: string): Parsed<number> {
  if (!/^[+-]?\d+$/.test(text)) return { kind: 'syntax' };
  const isWithin = BigInt.asIntN(64, BigInt(text.replace('+', ''))) === BigInt(text.replace('+', ''));
  return isWithin ? { kind: 'value', value: Number(text) } : { kind: 'range' };
}

/** strconv.ParseFloat(text, 64), without its hexadecimal form and its underscores. */
export function parseFloat64(text: string): Parsed<number> {
  if (/^[+-]?nan$/i.test(text)) return { kind: 'value', value: Number.NaN };
  if (/^[+-]?inf(?:inity)?$/i.test(text))
    return { kind: 'value', value: text.startsWith('-') ? -Infinity : Infinity };
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return { kind: 'syntax' };
  const value = Number(text);
  return Number.isFinite(value) ? { kind: 'value', value } : { kind: 'range' };
}

/** As Go prints a float (`%v`), as far as it is of a size that is written out. */
export function goFloat(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

/** As Go prints a float with six digits (`%f`). */
export function goFixed(value: number): string {
  return Number.isFinite(value) ? value.toFixed(6) : goFloat(value);
}

/** strconv.ParseBool(text) */
export function parseBool(text: string): Parsed<boolean> {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return { kind: 'value', value: true };
  return /^(?:0|f|F|FALSE|false|False)$/.test(text) ? { kind: 'value', value: false } : { kind: 'syntax' };
}

/** What strconv's errors say. */
export function strconvFault(
  how: 'Atoi' | 'ParseInt' | 'ParseUint' | 'ParseFloat' | 'ParseBool',
  text: string,
  kind: 'syntax' | 'range',
): string {
  return `strconv.${how}: parsing ${JSON.stringify(text)}: ${kind === 'range' ? 'value out of range' : 'invalid syntax'}`;
}
