import {
  ATTRIBUTE_BYTES_MAX,
  ATTRIBUTES_MAX,
  faultIn,
  faultInName,
  faultInValue,
  malformed,
  type Malformed,
} from './attributes.ts';
import type { CloudEvent } from './event.ts';

/** Headers as they stand on the wire: name, value, name, value …; one character a byte, as node:http hands them over. */
export type RawHeaders = readonly string[];

export type Received =
  | { readonly kind: 'event'; readonly event: CloudEvent }
  | { readonly kind: 'other' }
  | Malformed;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

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
    const name = (headers[i] ?? '').toLowerCase();
    const written = headers[i + 1] ?? '';
    if (name.startsWith('ce-')) {
      const fault = readAttribute(name, written, attributes);
      if (fault !== undefined) return fault;
      bytes += name.length + written.length;
    } else if (name === 'content-type') {
      if (contentType !== undefined) return malformed('content-type: given twice');
      contentType = written;
    } else if (travels(name)) {
      (passed ??= new Map()).set(name, written);
    }
  }
  if (attributes.size === 0) return { kind: 'other' };
  const fault = tooLarge(bytes, attributes.size) ?? faultIn(attributes);
  if (fault !== undefined) return { ...fault, reason: `ce-${fault.reason}` };
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
  return name === 'x-request-id' || name.startsWith('knative-') || name.startsWith('x-b3-');
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

export function tooLarge(bytes: number, count: number): Malformed | undefined {
  if (count > ATTRIBUTES_MAX)
    return malformed(`attributes: ${count} of them, at most ${ATTRIBUTES_MAX} are taken`, 431);
  if (bytes > ATTRIBUTE_BYTES_MAX) {
    return malformed(`attributes: ${bytes} bytes together, at most ${ATTRIBUTE_BYTES_MAX} are taken`, 431);
  }
  return undefined;
}

function readAttribute(header: string, written: string, into: Map<string, string>): Malformed | undefined {
  const name = header.slice(3);
  if (name === 'datacontenttype')
    return malformed('ce-datacontenttype: is written as Content-Type (HTTP binding 3.1.1)');
  if (into.has(name)) return malformed(`${header}: given twice`);
  const value = isPlain(written) ? written : decode(written);
  if (value === undefined) return malformed(`${header}: not valid UTF-8`);
  const fault = faultInName(name) ?? faultInValue(name, value);
  if (fault !== undefined) return { ...fault, reason: `ce-${fault.reason}` };
  into.set(name, value);
  return undefined;
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
  const inner = /^"((?:[^"\\]|\\.)*)"$/.exec(written)?.[1];
  const unquoted = inner === undefined ? written : inner.replace(/\\(.)/g, '$1');
  const bytes = unquoted.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  try {
    return UTF8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined; // overlong, cut short or another encoding
  }
}
