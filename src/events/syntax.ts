const DIGITS = '0123456789';
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const TOKEN = charsOf(`${DIGITS}${LETTERS}!#$%&'*+-.^_\`|~`); // RFC 9110, 5.6.2
const URI = charsOf(`${DIGITS}${LETTERS}-._~:/?#[]@!$&'()*+,;=%`); // RFC 3986, 2
const MONTH_DAYS: readonly number[] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const TIME = /^[Tt](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** RFC 3339, 5.6, with days that the month has. */
export function isTimestamp(text: string): boolean {
  if (text.charCodeAt(4) !== 0x2d || text.charCodeAt(7) !== 0x2d || !TIME.test(text.slice(10))) return false;
  const [year, month, day] = [digitsIn(text, 0, 4), digitsIn(text, 5, 7), digitsIn(text, 8, 10)];
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const last = month === 2 && !isLeap ? 28 : (MONTH_DAYS[month - 1] ?? 0);
  return year >= 0 && day >= 1 && day <= last;
}

/**
 * A URI-reference (RFC 3986, 4.1), or an IRI-reference, which maps to one and which senders do write: no spaces, none
 * of the characters that no URI has, `%` only before two hex digits, and no colon in a first segment that is no scheme.
 */
export function isUriReference(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) continue;
    if (URI[code] !== 1) return false;
    if (code === 0x25 && !(isHex(text.charCodeAt(i + 1)) && isHex(text.charCodeAt(i + 2)))) return false;
  }
  const colon = text.indexOf(':');
  if (colon < 0) return true;
  const delimiter = text.search(/[/?#]/);
  return (delimiter >= 0 && delimiter < colon) || /^[A-Za-z][A-Za-z0-9+.-]*$/.test(text.slice(0, colon));
}

/** A media type with whatever parameters (RFC 2046, RFC 9110 8.3.1), in printable ASCII. */
export function isMediaType(text: string): boolean {
  if (text === 'application/json') return true;
  let slash = -1;
  let at = 0;
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x2f && slash < 0) slash = at;
    else if (TOKEN[code] !== 1) break;
  }
  if (slash <= 0 || at === slash + 1) return false;
  const rest = text.slice(at);
  return rest === '' || /^[ \t]*(?:;[\t\x20-\x7e]*)?$/.test(rest);
}

/** The value of the digits in that part of the text; NaN when there is anything else. */
function digitsIn(text: string, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i += 1) {
    const digit = text.charCodeAt(i) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

export function isHex(code: number): boolean {
  const lower = code | 0x20;
  return (code >= 0x30 && code <= 0x39) || (lower >= 0x61 && lower <= 0x66);
}

function charsOf(text: string): Uint8Array {
  const table = new Uint8Array(128);
  for (const char of text) table[char.charCodeAt(0)] = 1;
  return table;
}
