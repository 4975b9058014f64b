import type { CloudEvent } from './event.ts';

export type Head = Omit<CloudEvent, 'body'>;

/** The first byte of every head; a head that starts otherwise was written by another version. */
const FORMAT = 1;
/** No attribute value or header can hold it: control characters are refused where events come in. */
const SEPARATOR = '\0';

/**
 * Everything of an event but its body, as bytes to store:
 * `1 contentType? NUL count NUL name NUL value … NUL header NUL value …`, where an absent content type is `-` and a
 * present one begins with `+`.
 */
export function encodeHead({ attributes, contentType, headers }: Head): Buffer {
  let text = contentType === undefined ? '-' : `+${contentType}`;
  text += SEPARATOR + String(attributes.size);
  for (const [name, value] of attributes) text += SEPARATOR + name + SEPARATOR + value;
  if (headers !== undefined)
    for (const [name, value] of headers) text += SEPARATOR + name + SEPARATOR + value;
  return Buffer.from(String.fromCharCode(FORMAT) + text);
}

/** Reads what encodeHead wrote; throws on anything else, which means that the store is damaged. */
export function decodeHead(bytes: Uint8Array): Head {
  if (bytes[0] !== FORMAT) throw new Error(`the head of an event has format ${bytes[0]}, not ${FORMAT}`);
  const parts = Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 1)
    .toString()
    .split(SEPARATOR);
  const type = parts[0] ?? '-';
  const attributesEnd = 2 + 2 * Number(parts[1]);
  if (!(attributesEnd <= parts.length)) throw new Error('the head of an event is cut short');
  const attributes = pairs(parts, 2, attributesEnd);
  const contentType = type.startsWith('+') ? type.slice(1) : undefined;
  if (parts.length <= attributesEnd) return { attributes, contentType };
  return { attributes, contentType, headers: pairs(parts, attributesEnd, parts.length) };
}

function pairs(parts: readonly string[], start: number, end: number): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = start; i + 1 < end; i += 2) map.set(parts[i] ?? '', parts[i + 1] ?? '');
  return map;
}
