import { isUtf8 } from 'node:buffer';
import {
  ATTRIBUTE_BYTES_MAX,
  faultIn,
  faultInContentType,
  faultInName,
  faultInValue,
  malformed,
  tooMany,
  type Malformed,
} from './attributes.ts';
import { fromBase64 } from './base64.ts';
import { assemble, type Received } from './binary.ts';
import { membersOf, stringAt, type Member, type Span } from './json-scan.ts';
import { isJsonType } from './structured.ts';

type Attributes = { readonly values: Map<string, string>; readonly contentType: string | undefined };
type Payload = { readonly data: Span | undefined; readonly base64: Span | undefined };

/** What is a string in the type system; an extension may be a number or a boolean too (JSON format 2.2). */
const STRINGS: ReadonlySet<string> = new Set(
  'id source type specversion subject time dataschema schemaurl datacontenttype datacontentencoding'.split(
    ' ',
  ),
);
/** A character may take six bytes when it is escaped. */
const WRITTEN_MAX = 6 * ATTRIBUTE_BYTES_MAX;

/**
 * Reads the JSON event format (JSON format 1.0.2, 3). The bytes of `data` are taken as they stand in the text, without
 * the space around them.
 */
export function readStructured(body: Uint8Array, headers?: ReadonlyMap<string, string>): Received {
  if (!isUtf8(body)) return malformed('body: not valid UTF-8');
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return readObject(bytes, { start: 0, end: bytes.length }, headers);
}

/** Reads the event at that span of UTF-8 bytes; its body is a view of them. */
export function readObject(bytes: Buffer, span: Span, headers?: ReadonlyMap<string, string>): Received {
  const members = membersOf(bytes, span);
  if ('fault' in members) return malformed(`body: ${members.fault}`);
  const attributes = readAttributes(bytes, members);
  if ('kind' in attributes) return attributes;
  const { values, contentType } = attributes;
  const payload: Payload = { data: spanOf(members, 'data'), base64: spanOf(members, 'data_base64') };
  const read = readPayload(bytes, payload, values, contentType);
  if (!('body' in read)) return read;
  return { kind: 'event', event: assemble(values, read.contentType, read.body, headers) };
}

function spanOf(members: readonly Member[], name: string): Span | undefined {
  return members.find((member) => member.name === name)?.value;
}

function readAttributes(bytes: Buffer, members: readonly Member[]): Attributes | Malformed {
  const many = tooMany(members.length - 2, 0); // two may be the payload
  if (many !== undefined) return many;
  const values = new Map<string, string>();
  const seen = new Set<string>();
  let size = 0;
  for (const { name, value } of members) {
    if (seen.has(name)) return malformed(`${name}: given twice`);
    seen.add(name);
    if (name === 'data' || name === 'data_base64') continue;
    const written = readAttribute(bytes, name, value);
    if (typeof written === 'object') return written;
    if (written === undefined) continue;
    values.set(name, written);
    size += name.length + Buffer.byteLength(written);
  }
  const fault = faultIn(values, size);
  if (fault !== undefined) return fault;
  const contentType = values.get('datacontenttype');
  values.delete('datacontenttype');
  return { values, contentType };
}

/** An attribute's value as a string; undefined when it is null, which is absent (JSON format 2.2). */
function readAttribute(bytes: Buffer, name: string, span: Span): string | undefined | Malformed {
  if (span.end - span.start > WRITTEN_MAX) {
    return malformed(`${name}: at most ${ATTRIBUTE_BYTES_MAX} bytes of attributes are taken`, 431);
  }
  const nameFault = faultInName(name);
  if (nameFault !== undefined) return nameFault;
  const first = bytes[span.start];
  if (first === 0x6e) return undefined;
  if (first === 0x7b || first === 0x5b)
    return malformed(`${name}: an attribute is a string, a number or a boolean`);
  if (first !== 0x22) {
    if (STRINGS.has(name)) return malformed(`${name}: must be a string`);
    return bytes.toString('latin1', span.start, span.end); // a number keeps the digits it was written with
  }
  const value = stringAt(bytes, span);
  const fault = name === 'datacontenttype' ? faultInContentType(name, value) : faultInValue(name, value);
  return fault ?? value;
}

type ReadPayload = { readonly body: Uint8Array; readonly contentType: string | undefined };

const EMPTY = new Uint8Array();

function readPayload(
  bytes: Buffer,
  { data, base64 }: Payload,
  values: Map<string, string>,
  contentType: string | undefined,
): ReadPayload | Malformed {
  if (data !== undefined && base64 !== undefined) return malformed('data: given together with data_base64');
  if (base64 !== undefined) return decoded(bytes, base64, 'data_base64', contentType);
  if (data === undefined) return { body: EMPTY, contentType };
  if (saysBase64(values)) {
    values.delete('datacontentencoding'); // it says how `data` was written, and it is written so no more
    return decoded(bytes, data, 'data', contentType);
  }
  const isJson = contentType !== undefined && isJsonType(contentType);
  const first = bytes[data.start];
  if (first === 0x6e && !isJson) return { body: EMPTY, contentType }; // with a JSON type, null is the data
  if (first === 0x22 && contentType !== undefined && !isJson) {
    const text = stringAt(bytes, data);
    if (!text.isWellFormed()) return malformed('data: not valid Unicode');
    return { body: Buffer.from(text), contentType };
  }
  // 3.1: without a datacontenttype the data is JSON, and whoever leaves this format has to say so.
  return { body: bytes.subarray(data.start, data.end), contentType: contentType ?? 'application/json' };
}

/** CloudEvents 0.3, 3.1 datacontentencoding; in 1.0 that name is an extension like any other. */
function saysBase64(values: ReadonlyMap<string, string>): boolean {
  return values.get('specversion') === '0.3' && values.get('datacontentencoding')?.toLowerCase() === 'base64';
}

function decoded(
  bytes: Buffer,
  span: Span,
  name: string,
  contentType: string | undefined,
): ReadPayload | Malformed {
  if (bytes[span.start] === 0x6e) return { body: EMPTY, contentType };
  if (bytes[span.start] !== 0x22) return malformed(`${name}: not a base64 string`);
  const body = fromBase64(stringAt(bytes, span));
  return body === undefined ? malformed(`${name}: not base64`) : { body, contentType };
}
