import { isHex } from './syntax.ts';

/** Where a value stands in the bytes. */
export type Span = { readonly start: number; readonly end: number };
export type Member = { readonly name: string; readonly value: Span };
/** Why the bytes are not the JSON that they should be; for people. */
export type JsonFault = { readonly fault: string };

/** Deeper nesting is refused: JSON.stringify and many readers overflow their stack on it. */
export const DEPTH_MAX = 100;
const ITEMS_MAX = 10_000;

/** Not an offset: the value nests deeper than was allowed. Any other negative number is `~offset` of a syntax error. */
const TOO_DEEP = Number.MIN_SAFE_INTEGER;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const ESCAPES: ReadonlySet<number> = new Set(Buffer.from('"\\/bfnrt'));
const WORDS: readonly Buffer[] = ['true', 'false', 'null'].map((word) => Buffer.from(word));

/*
 * A reader of JSON (RFC 8259) that makes no values of it: it checks the grammar and says where things stand, so that a
 * value can be taken out byte for byte, where JSON.parse would round its numbers, and so that hostile JSON costs no
 * memory. The bytes must be UTF-8 already.
 */

/** Whether the bytes are one JSON value, nested no deeper than DEPTH_MAX. */
export function isJson(bytes: Uint8Array): boolean {
  const end = endOfValue(bytes, skipSpace(bytes, 0), DEPTH_MAX);
  return end >= 0 && skipSpace(bytes, end) === bytes.length;
}

/** The members of the JSON object that fills the span, space around it aside. */
export function membersOf(bytes: Buffer, span: Span): readonly Member[] | JsonFault {
  const members: Member[] = [];
  const end = eachItem(bytes, span.start, OPEN_OBJECT, (at) => {
    const nameEnd = endOfName(bytes, at);
    if (nameEnd < 0) return nameEnd;
    const start = skipSpace(bytes, afterColon(bytes, nameEnd));
    const valueEnd = endOfValue(bytes, start, DEPTH_MAX);
    if (valueEnd >= 0) {
      members.push({ name: stringAt(bytes, { start: at, end: nameEnd }), value: { start, end: valueEnd } });
    }
    return valueEnd;
  });
  return outcome(bytes, span, end, members, 'object');
}

/** The elements of the JSON array that fills the bytes. */
export function elementsOf(bytes: Buffer): readonly Span[] | JsonFault {
  const span = { start: 0, end: bytes.length };
  const elements: Span[] = [];
  const end = eachItem(bytes, 0, OPEN_LIST, (start) => {
    const valueEnd = endOfValue(bytes, start, DEPTH_MAX + 1); // its members may nest as deep as anywhere
    if (valueEnd >= 0) elements.push({ start, end: valueEnd });
    return valueEnd;
  });
  return outcome(bytes, span, end, elements, 'array');
}

/** The string that stands at the span, quotes included. */
export function stringAt(bytes: Buffer, { start, end }: Span): string {
  for (let i = start; i < end; i += 1) {
    if (bytes[i] === BACKSLASH) return String(JSON.parse(bytes.toString('utf8', start, end)));
  }
  return bytes.toString('utf8', start + 1, end - 1);
}

function outcome<T>(
  bytes: Uint8Array,
  span: Span,
  end: number,
  items: readonly T[],
  what: 'object' | 'array',
): readonly T[] | JsonFault {
  if (items.length > ITEMS_MAX) return { fault: `more than ${ITEMS_MAX} members` };
  if (end === TOO_DEEP) return { fault: `nested deeper than ${DEPTH_MAX} levels` };
  if (end < 0) {
    const isWhole = ~end === skipSpace(bytes, span.start); // so it began as something else
    const other = isWhole ? endOfValue(bytes, ~end, DEPTH_MAX) : end;
    const isOther = other >= 0 || other === TOO_DEEP;
    return { fault: isOther ? `not a JSON ${what}` : `not JSON at byte ${~end}` };
  }
  const after = skipSpace(bytes, end);
  return after < span.end ? { fault: `not JSON at byte ${after}` } : items;
}

/** Walks over an object or array; `readItem` is given where an item begins and says where it ends. */
function eachItem(bytes: Uint8Array, from: number, open: number, readItem: (at: number) => number): number {
  let at = skipSpace(bytes, from);
  if (bytes[at] !== open) return ~at;
  const close = open === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_LIST;
  at = skipSpace(bytes, at + 1);
  if (bytes[at] === close) return at + 1;
  for (let items = 0; items <= ITEMS_MAX; items += 1) {
    const end = readItem(at);
    if (end < 0) return end;
    at = skipSpace(bytes, end);
    if (bytes[at] === close) return at + 1;
    if (bytes[at] !== COMMA) return ~at;
    at = skipSpace(bytes, at + 1);
  }
  return at; // outcome() says that there are too many
}

/** Where the value that begins at `at` ends. Recursion is safe: it goes no deeper than `depthLeft`. */
function endOfValue(bytes: Uint8Array, at: number, depthLeft: number): number {
  const first = bytes[at];
  if (first === QUOTE) return endOfString(bytes, at);
  if (first === OPEN_OBJECT || first === OPEN_LIST) {
    return depthLeft === 0 ? TOO_DEEP : endOfNested(bytes, at, depthLeft - 1);
  }
  if (first === 0x2d || isDigit(first)) return endOfNumber(bytes, at);
  for (const word of WORDS) {
    if (first === word[0]) {
      return word.every((code, i) => bytes[at + i] === code) ? at + word.length : ~at;
    }
  }
  return ~at;
}

function endOfNested(bytes: Uint8Array, start: number, depthLeft: number): number {
  const isObject = bytes[start] === OPEN_OBJECT;
  const close = isObject ? CLOSE_OBJECT : CLOSE_LIST;
  let at = skipSpace(bytes, start + 1);
  if (bytes[at] === close) return at + 1;
  for (;;) {
    if (isObject) {
      const nameEnd = endOfName(bytes, at);
      if (nameEnd < 0) return nameEnd;
      at = skipSpace(bytes, afterColon(bytes, nameEnd));
    }
    const end = endOfValue(bytes, at, depthLeft);
    if (end < 0) return end;
    at = skipSpace(bytes, end);
    if (bytes[at] === close) return at + 1;
    if (bytes[at] !== COMMA) return ~at;
    at = skipSpace(bytes, at + 1);
  }
}

/** A member's name, which must be followed by a colon. */
function endOfName(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== QUOTE) return ~at;
  const end = endOfString(bytes, at);
  if (end < 0) return end;
  const colon = skipSpace(bytes, end);
  return bytes[colon] === COLON ? end : ~colon;
}

function afterColon(bytes: Uint8Array, nameEnd: number): number {
  return skipSpace(bytes, nameEnd) + 1;
}

function endOfString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  for (;;) {
    const code = bytes[at];
    if (code === undefined || code < 0x20) return ~at;
    if (code === QUOTE) return at + 1;
    at += 1;
    if (code !== BACKSLASH) continue;
    const escape = bytes[at] ?? 0;
    if (escape === 0x75) {
      for (let i = 1; i <= 4; i += 1) if (!isHex(bytes[at + i] ?? 0)) return ~at;
      at += 5;
    } else if (ESCAPES.has(escape)) {
      at += 1;
    } else {
      return ~at;
    }
  }
}

function endOfNumber(bytes: Uint8Array, start: number): number {
  let at = bytes[start] === 0x2d ? start + 1 : start;
  const whole = bytes[at] === 0x30 ? at + 1 : endOfDigits(bytes, at);
  if (whole === at) return ~at;
  at = whole;
  if (bytes[at] === 0x2e) {
    const end = endOfDigits(bytes, at + 1);
    if (end === at + 1) return ~at;
    at = end;
  }
  if (((bytes[at] ?? 0) | 0x20) !== 0x65) return at;
  const digits = bytes[at + 1] === 0x2b || bytes[at + 1] === 0x2d ? at + 2 : at + 1;
  const end = endOfDigits(bytes, digits);
  return end === digits ? ~at : end;
}

function endOfDigits(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isDigit(bytes[at])) at += 1;
  return at;
}

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= 0x30 && code <= 0x39;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const code = bytes[at];
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
    at += 1;
  }
}
