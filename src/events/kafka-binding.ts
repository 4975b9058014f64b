import { isUtf8 } from 'node:buffer';
import {
  ATTRIBUTE_BYTES_MAX,
  ATTRIBUTES_MAX,
  faultIn,
  faultInContentType,
  faultInName,
  faultInValue,
  malformed,
  type Malformed,
} from './attributes.ts';
import { assemble, travels } from './binary.ts';
import type { CloudEvent } from './event.ts';
import { faultInEventType, isBatchType, isEventType } from './message.ts';
import { readStructured } from './read-structured.ts';
import { STRUCTURED_TYPE, writeStructured } from './structured.ts';

/** A header may be given several times, and may have no value. */
export type KafkaHeaders = Readonly<Record<string, KafkaHeader | readonly KafkaHeader[] | undefined>>;
export type KafkaHeader = Uint8Array | string | null;

/** What a Kafka record holds, whichever client brought it. */
export type KafkaMessage = {
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | null;
  readonly headers: KafkaHeaders;
};

export type ReadKafka =
  | { readonly kind: 'event'; readonly event: CloudEvent }
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'plain' };

const PREFIX = 'ce_';
/** What stands for bytes that are no UTF-8, or for itself. */
const REPLACEMENT = '\u{fffd}';
const EMPTY = new Uint8Array();

/**
 * Writes an event by the Kafka protocol binding for CloudEvents 1.0. The record's key is the `partitionkey` (3.1 of the
 * partitioning extension), and headers that travel keep their names. A body without bytes is an empty value, not none: a
 * record without a value deletes in a compacted topic.
 */
export function toKafka(event: CloudEvent, mode: 'binary' | 'structured' = 'binary'): KafkaMessage {
  const headers: Record<string, string> = {};
  if (event.headers !== undefined) for (const [name, value] of event.headers) headers[name] = value;
  const key = event.attributes.get('partitionkey') ?? null;
  if (mode === 'structured') {
    headers['content-type'] = STRUCTURED_TYPE; // 3.3.1
    return { key, value: writeStructured(event), headers };
  }
  if (event.contentType !== undefined) headers['content-type'] = event.contentType; // 3.2.1
  for (const [name, value] of event.attributes) headers[PREFIX + name] = value; // 3.2.3: UTF-8, not percent-encoded
  return { key, value: event.body, headers };
}

/** Reads a record in whichever content mode its `content-type` says (3): structured, or binary with `ce_` headers. */
export function fromKafka({ value, headers }: KafkaMessage): ReadKafka {
  const attributes = new Map<string, string>();
  let contentType: string | undefined;
  let passed: Map<string, string> | undefined;
  let bytes = 0;
  for (const header of Object.keys(headers)) {
    if (headers[header] === undefined) continue;
    const isAttribute = header.startsWith(PREFIX);
    if (!isAttribute && header !== 'content-type' && !travels(header)) continue;
    const text = textOf(headers[header]);
    if (text === undefined) {
      if (isAttribute || header === 'content-type') return bad(`${header}: given twice, or not valid UTF-8`);
      continue;
    }
    if (isAttribute) {
      const name = header.slice(PREFIX.length);
      const fault = faultInAttribute(name, text);
      if (fault !== undefined) return bad(`${PREFIX}${fault.reason}`);
      attributes.set(name, text);
      bytes += name.length + Buffer.byteLength(text);
    } else if (header === 'content-type') {
      contentType = text;
    } else {
      (passed ??= new Map()).set(header, text);
    }
  }
  const body = value ?? EMPTY;
  if (contentType !== undefined && isEventType(contentType)) return structured(contentType, body, passed);
  if (attributes.size === 0) return { kind: 'plain' };
  const typeFault = contentType === undefined ? undefined : faultInContentType('content-type', contentType);
  const fault = typeFault ?? faultIn(attributes, bytes + (contentType?.length ?? 0));
  if (fault !== undefined) return bad(fault.reason);
  return { kind: 'event', event: assemble(attributes, contentType, body, passed) };
}

export type KafkaPlace = {
  /** `/apis/v1/namespaces/<ns>/kafkasources/<name>#<topic>` for a source. */
  readonly source: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
};

/** A record that is no CloudEvent, as Knative's KafkaSource makes one of it. */
export function wrapKafka({ key, value, headers }: KafkaMessage, place: KafkaPlace): CloudEvent {
  const { source, partition, offset, timestampMs } = place;
  const attributes = new Map<string, string>([
    ['specversion', '1.0'],
    ['id', `partition:${partition}/offset:${offset}`],
    ['source', source],
    ['type', 'dev.knative.kafka.event'],
    ['subject', `partition:${partition}#${offset}`],
    ['time', new Date(timestampMs).toISOString()],
  ]);
  let left = ATTRIBUTE_BYTES_MAX - source.length - 256; // what is above, and to spare
  const add = (name: string, written: KafkaHeader | undefined): void => {
    if (written === null || written === undefined || attributes.has(name)) return;
    const text = textOf(written);
    const isText = text !== undefined && faultInValue(name, text) === undefined;
    const shown = isText ? text : Buffer.from(written).toString('base64');
    const bytes = name.length + Buffer.byteLength(shown);
    if (bytes > left || attributes.size >= ATTRIBUTES_MAX) return; // more than an event may have
    left -= bytes;
    attributes.set(name, shown);
  };
  add('key', key);
  let contentType: string | undefined;
  for (const [name, written] of Object.entries(headers)) {
    const first = isList(written) ? written[0] : written;
    const text = name.toLowerCase() === 'content-type' ? textOf(first) : undefined;
    if (text !== undefined && faultInContentType(name, text) === undefined) contentType ??= text;
    else add(`kafkaheader${name.toLowerCase().replace(/[^a-z0-9]/g, '')}`, first);
  }
  return { attributes, contentType, body: value ?? EMPTY };
}

function structured(
  contentType: string,
  body: Uint8Array,
  passed: ReadonlyMap<string, string> | undefined,
): ReadKafka {
  const fault = faultInEventType(contentType);
  if (fault !== undefined) return bad(fault.reason);
  if (isBatchType(contentType)) return bad('content-type: this binding has no batched mode (3)');
  const read = readStructured(body, passed);
  if (read.kind === 'malformed') return bad(read.reason);
  return read.kind === 'event' ? read : { kind: 'plain' };
}

function faultInAttribute(name: string, text: string): Malformed | undefined {
  if (name === 'datacontenttype') return malformed('datacontenttype: is written as content-type (3.2.1)');
  return faultInName(name) ?? faultInValue(name, text);
}

/** The one value of a header as text; undefined when there are several, none, or bytes that are no UTF-8. */
function textOf(header: KafkaHeaders[string]): string | undefined {
  if (typeof header === 'string') return header;
  if (header === undefined || header === null || isList(header)) return undefined;
  const bytes = Buffer.isBuffer(header)
    ? header
    : Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  const text = bytes.toString();
  return text.includes(REPLACEMENT) && !isUtf8(bytes) ? undefined : text; // seldom worth a closer look
}

function isList(header: KafkaHeaders[string]): header is readonly KafkaHeader[] {
  return Array.isArray(header);
}

const bad = (reason: string): ReadKafka => ({ kind: 'malformed', reason });
