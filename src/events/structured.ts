import { faultIn, faultInName, faultInValue, malformed, type Malformed } from './attributes.ts';
import { assemble, tooLarge, type Received } from './binary.ts';
import type { CloudEvent } from './event.ts';
import { elementsOf, membersOf, type Member, type Span } from './json-scan.ts';

export const STRUCTURED_TYPE = 'application/cloudevents+json; charset=utf-8';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Reads the JSON event format (JSON format 1.0.2, 3). The bytes of `data` are taken as they stand in the text. */
export function readStructured(body: Uint8Array, headers?: ReadonlyMap<string, string>): Received {
  const text = jsonText(body);
  if (typeof text !== 'string') return text;
  return readObject(text, { start: 0, end: text.length }, headers);
}

/** Reads the JSON batch format (JSON format 4): all of its events, or the fault of the first that has one. */
export function readBatch(
  body: Uint8Array,
): { readonly kind: 'batch'; readonly events: readonly CloudEvent[] } | Malformed {
  const text = jsonText(body);
  if (typeof text !== 'string') return text;
  const elements = elementsOf(text);
  if (elements === undefined) return malformed('batch: not a JSON array, or nested too deep');
  const events: CloudEvent[] = [];
  for (const [index, element] of elements.entries()) {
    const read = readObject(text, element, undefined);
    if (read.kind !== 'event') {
      const why = read.kind === 'malformed' ? read : malformed('not a CloudEvent');
      return { ...why, reason: `event ${index} of the batch: ${why.reason}` };
    }
    events.push(read.event);
  }
  return { kind: 'batch', events };
}

/** Writes the JSON event format; what `data` holds reads back to the same bytes and content type. */
export function writeStructured(event: CloudEvent): Buffer {
  const members = [...event.attributes].map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  const { contentType, body } = event;
  if (contentType !== undefined) members.push(`"datacontenttype":${JSON.stringify(contentType)}`);
  const head = `{${members.join(',')}`;
  if (body.byteLength === 0) return Buffer.from(`${head}}`);
  const text = contentType === undefined ? undefined : textToEmbed(contentType, body);
  if (text === 'json') return Buffer.concat([Buffer.from(`${head},"data":`), body, Buffer.from('}')]);
  if (text !== undefined) return Buffer.from(`${head},"data":${JSON.stringify(text.string)}}`);
  const base64 = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64');
  const isOld = event.attributes.get('specversion') === '0.3'; // 0.3 has no data_base64
  return Buffer.from(
    isOld
      ? `${head},"datacontentencoding":"base64","data":"${base64}"}`
      : `${head},"data_base64":"${base64}"}`,
  );
}

/** Any type whose subtype is `json` or ends in `+json`, parameters aside (JSON format 3.1). */
export function isJsonType(contentType: string): boolean {
  const [essence = ''] = contentType.split(';');
  return /^[^/]+\/(?:json|[^/]+\+json)$/i.test(essence.trim());
}

/** How a body of that type can stand in JSON unharmed; undefined: only as base64. */
function textToEmbed(
  contentType: string,
  body: Uint8Array,
): 'json' | { readonly string: string } | undefined {
  const isJson = isJsonType(contentType);
  if (!isJson && !/^(?:text\/|[^/]+\/(?:xml|[^/;]+\+xml))/i.test(contentType)) return undefined;
  try {
    const text = UTF8.decode(body);
    if (!isJson) return { string: text };
    JSON.parse(text);
    return 'json';
  } catch {
    return undefined; // not UTF-8, or not the JSON that it claims to be
  }
}

function jsonText(body: Uint8Array): string | Malformed {
  try {
    const text = UTF8.decode(body);
    JSON.parse(text); // the scanner trusts the grammar
    return text;
  } catch (error) {
    return malformed(
      error instanceof SyntaxError ? `body: not JSON (${error.message})` : 'body: not valid UTF-8',
    );
  }
}

function readObject(text: string, span: Span, headers: ReadonlyMap<string, string> | undefined): Received {
  const members = membersOf(text, span);
  if (members === undefined) return malformed('body: not a JSON object, or nested deeper than 100 levels');
  const attributes = new Map<string, string>();
  const payload = new Map<string, Span>();
  let bytes = 0;
  for (const { name, value } of members) {
    if (attributes.has(name) || payload.has(name)) return malformed(`${name}: given twice`);
    if (name === 'data' || name === 'data_base64') {
      payload.set(name, value);
      continue;
    }
    const fault = readAttribute(text, { name, value }, attributes);
    if (fault !== undefined) return fault;
    bytes += name.length + value.end - value.start;
  }
  const fault = tooLarge(bytes, attributes.size) ?? faultIn(attributes);
  if (fault !== undefined) return fault;
  const contentType = attributes.get('datacontenttype');
  attributes.delete('datacontenttype');
  return readPayload(text, payload, attributes, contentType, headers);
}

function readAttribute(
  text: string,
  { name, value }: Member,
  into: Map<string, string>,
): Malformed | undefined {
  const parsed: unknown = JSON.parse(text.slice(value.start, value.end));
  if (parsed === null) return undefined; // JSON format 2.2: null is absent
  const isScalar = typeof parsed === 'string' || typeof parsed === 'boolean' || typeof parsed === 'number';
  if (!isScalar) return malformed(`${name}: an attribute is a string, a number or a boolean`);
  // A number keeps the digits it was written with.
  const written = typeof parsed === 'number' ? text.slice(value.start, value.end) : String(parsed);
  const fault = faultInName(name) ?? faultInValue(name, written);
  if (fault !== undefined) return fault;
  into.set(name, written);
  return undefined;
}

function readPayload(
  text: string,
  payload: ReadonlyMap<string, Span>,
  attributes: Map<string, string>,
  contentType: string | undefined,
  headers: ReadonlyMap<string, string> | undefined,
): Received {
  const [data, base64] = [payload.get('data'), payload.get('data_base64')];
  if (data !== undefined && base64 !== undefined) return malformed('data: given together with data_base64');
  const event = (body: Uint8Array, type = contentType): Received => ({
    kind: 'event',
    event: assemble(attributes, type, body, headers),
  });
  if (base64 !== undefined) return fromBase64(text, base64, 'data_base64', event);
  if (data === undefined) return event(new Uint8Array());
  if (attributes.get('datacontentencoding')?.toLowerCase() === 'base64') {
    attributes.delete('datacontentencoding'); // 0.3: says how `data` was written, and it is written so no more
    return fromBase64(text, data, 'data', event);
  }
  const raw = text.slice(data.start, data.end);
  const isJson = contentType !== undefined && isJsonType(contentType);
  if (raw === 'null' && !isJson) return event(new Uint8Array()); // with a JSON type, null is the data
  // 3.1: without a datacontenttype the data is JSON, and whoever leaves this format has to say so.
  if (contentType === undefined) return event(Buffer.from(raw), 'application/json');
  const isString = raw.startsWith('"') && !isJson;
  return event(Buffer.from(isString ? String(JSON.parse(raw)) : raw));
}

function fromBase64(text: string, span: Span, name: string, event: (body: Uint8Array) => Received): Received {
  const written: unknown = JSON.parse(text.slice(span.start, span.end));
  if (written === null) return event(new Uint8Array());
  if (typeof written !== 'string' || !BASE64.test(written)) return malformed(`${name}: not base64`);
  return event(Buffer.from(written, 'base64'));
}
