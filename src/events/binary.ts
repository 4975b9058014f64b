import { isUtf8 } from 'node:buffer';
import {
  faultIn,
  faultInContentType,
  faultInName,
  faultInValue,
  malformed,
  type Malformed,
} from './attributes.ts';
import type { CloudEvent } from './event.ts';
import { isHex } from './syntax.ts';

/** Headers as they stand on the wire: name, value, name, value …; one character a byte, as node:http hands them over. */
export type RawHeaders = readonly string[];

export type Received =
  | { readonly kind: 'event'; readonly event: CloudEvent }
  | { readonly kind: 'other' }
  | Malformed;

/**
 * Reads the binary content mode (HTTP binding 3.1): attributes from `ce-` headers, the body handed on as it is.
 * `other` when no header speaks of a CloudEvent.
 */
export function readBinary(headers: RawHeaders, body: Uint8Array): Received {
  const attributes = new Map<string, string>();
  let contentType: string | undefined;
  let passed: Map<string, string> | undefined;
  let bytes = 0;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const original = headers[i] ?? '';
    if (!mayMatter(original)) continue;
    const name = original.toLowerCase();
    const written = headers[i + 1] ?? '';
    if (name.startsWith('ce-')) {
      const read = readAttribute(name, written, attributes);
      if (typeof read !== 'number') return read;
      bytes += read;
    } else if (name === 'content-type') {
      if (contentType !== undefined) return malformed('content-type: given twice');
      const fault = faultInContentType(name, written);
      if (fault !== undefined) return fault;
      contentType = written;
      bytes += written.length;
    } else if (travels(name)) {
      passed = pass(passed, name, written);
    }
  }
  if (attributes.size === 0) return { kind: 'other' };
  const fault = faultIn(attributes, bytes);
  if (fault !== undefined) return fault.code === 431 ? fault : { ...fault, reason: `ce-${fault.reason}` };
  return { kind: 'event', event: assemble(attributes, contentType, body, passed) };
}

/** Writes the binary content mode; the body goes beside these headers, unchanged. Flat: name, value, name, value …. */
export function writeBinary({ attributes, contentType, headers }: CloudEvent): string[] {
  const written: string[] = contentType === undefined ? [] : ['content-type', contentType];
  for (const [name, value] of attributes) written.push(`ce-${name}`, encode(value));
  if (headers !== undefined) for (const [name, value] of headers) written.push(name, value);
  return written;
}

/** Whether a header travels from the sender to the subscriber and from its answer on (eventing pkg/utils/headers.go). */
export function travels(name: string): boolean {
  return (
    name === 'x-request-id' ||
    name === 'retry-after' ||
    name.startsWith('knative-') ||
    name.startsWith('x-b3-')
  );
}

/** The headers that travel along, by lower-case name; undefined when there are none. */
export function passedHeaders(headers: RawHeaders): ReadonlyMap<string, string> | undefined {
  let passed: Map<string, string> | undefined;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] ?? '').toLowerCase();
    if (travels(name)) passed = pass(passed, name, headers[i + 1] ?? '');
  }
  return passed;
}

export function assemble(
  attributes: ReadonlyMap<string, string>,
  contentType: string | undefined,
  body: Uint8Array,
  headers: ReadonlyMap<string, string> | undefined,
): CloudEvent {
  return headers === undefined
    ? { attributes, contentType, body }
    : { attributes, contentType, body, headers };
}

/** Only names that begin with c, k, r or x are looked at closer; most headers of a request do not. */
function mayMatter(name: string): boolean {
  const first = name.charCodeAt(0) | 0x20;
  return first === 0x63 || first === 0x6b || first === 0x72 || first === 0x78;
}

/** A header that is given several times is one list (RFC 9110, 5.3). */
function pass(passed: Map<string, string> | undefined, name: string, value: string): Map<string, string> {
  const into = passed ?? new Map<string, string>();
  const before = into.get(name);
  return into.set(name, before === undefined ? value : `${before}, ${value}`);
}

/** Keeps an attribute; returns how many bytes its name and value have, or why it is none. */
function readAttribute(header: string, written: string, into: Map<string, string>): number | Malformed {
  const name = header.slice(3);
  if (into.has(name)) return malformed(`${header}: given twice`);
  if (name === 'datacontenttype')
    return malformed('ce-datacontenttype: is written as Content-Type (HTTP binding 3.1.1)');
  const isDone = isPlain(written); // then there is nothing in it that could be wrong
  const value = isDone ? written : decode(written);
  if (value === undefined) return malformed(`${header}: not valid UTF-8`);
  const fault = faultInName(name) ?? (isDone ? undefined : faultInValue(name, value));
  if (fault !== undefined) return { ...fault, reason: `ce-${fault.reason}` };
  into.set(name, value);
  return name.length + (isDone ? value.length : Buffer.byteLength(value));
}

/** Printable ASCII without percent sign, and not quoted: what nearly every value is, and stands for itself. */
function isPlain(written: string): boolean {
  for (let i = 0; i < written.length; i += 1) {
    const code = written.charCodeAt(i);
    if (code === 0x25 || code < 0x20 || code > 0x7e) return false;
  }
  return written.charCodeAt(0) !== 0x22;
}

/** 3.1.3.2: space, double quote, percent and all but printable ASCII; a surrogate pair is one character. */
function encode(value: string): string {
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if (code <= 0x22 ? code !== 0x21 : code === 0x25 || code > 0x7e) {
      return value.replace(/[^\x21\x23\x24\x26-\x7e]/gu, encodeURIComponent);
    }
  }
  return value;
}

/**
 * 3.1.3.2 in reverse: quotes off, then one round of percent-decoding; undefined when the bytes are no UTF-8.
 * More is read than the clause lets anyone write, because senders in Go and Java do not encode: a lone `%` stays, and
 * raw bytes are taken for UTF-8.
 */
function decode(written: string): string | undefined {
  const bytes = Buffer.from(unquote(written), 'latin1');
  let length = 0;
  for (let i = 0; i < bytes.length; i += 1, length += 1) {
    const isEncoded = bytes[i] === 0x25 && isHex(bytes[i + 1] ?? 0) && isHex(bytes[i + 2] ?? 0);
    bytes[length] = isEncoded ? Number.parseInt(bytes.toString('latin1', i + 1, i + 3), 16) : (bytes[i] ?? 0);
    if (isEncoded) i += 2;
  }
  const decoded = bytes.subarray(0, length);
  return isUtf8(decoded) ? decoded.toString() : undefined; // overlong, cut short or another encoding
}

/** RFC 7230, 3.2.6: a value in double quotes, with backslash escapes; anything else is as it stands. */
function unquote(written: string): string {
  if (written.length < 2 || !written.startsWith('"') || !written.endsWith('"')) return written;
  let inner = '';
  for (let i = 1; i < written.length - 1; i += 1) {
    if (written[i] === '"') return written;
    if (written[i] === '\\') {
      i += 1;
      if (i === written.length - 1) return written; // the closing quote was escaped
    }
    inner += written[i];
  }
  return inner;
}
