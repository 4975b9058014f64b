import {
  faultIn,
  faultInContentType,
  faultInName,
  faultInValue,
  malformed,
  type Malformed,
} from './attributes.ts';
import { assemble, travels } from './binary.ts';
import type { CloudEvent } from './event.ts';
import { readStructured } from './read-structured.ts';
import { STRUCTURED_TYPE, writeStructured } from './structured.ts';

/**
 * An AMQP message as far as an event needs it: what AMQP 1.0 calls application properties are the application headers of
 * AMQP 0-9-1. A timestamp is its seconds in an object, as 0-9-1 has no other precision.
 */
export type AmqpMessage = {
  readonly contentType: string | undefined;
  readonly messageId: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Uint8Array;
};

/**
 * What attribute names are written with: the specification's own (AMQP binding 3.1.3.1), or Knative's, whose RabbitmqSource
 * takes every other header for an extension and so cannot read the first. Any of them is read.
 */
export type AttributePrefix = 'cloudEvents:' | 'ce-';

export type FromAmqp =
  | { readonly kind: 'event'; readonly event: CloudEvent }
  | { readonly kind: 'plain' }
  | Malformed;

/** HTTP headers that travel with an event; `x-` keeps them from being taken for attributes. */
const TRAVELLING = 'x-http-';
/** A header table has room for 64 KiB; what comes near goes into the body, by the structured mode. */
const TABLE_BYTES_MAX = 32 * 1024;
const UTF8_MAX = 3; // bytes of a UTF-16 unit
const SHORT_STRING_MAX = 255; // AMQP 0-9-1, 4.2.5.3: names of headers, content type, message id

/** Binary content mode (3.1), or structured (3.2) when names or values do not fit into AMQP 0-9-1. */
export function toAmqp(event: CloudEvent, prefix: AttributePrefix = 'cloudEvents:'): AmqpMessage {
  const headers: Record<string, string> = {};
  let fits = event.contentType === undefined || isShort(event.contentType);
  let bytes = 0;
  for (const [name, value] of event.attributes) {
    headers[prefix + name] = value;
    bytes += name.length + value.length;
    if (name.length > SHORT_STRING_MAX - prefix.length) fits = false;
  }
  if (!fits || bytes * UTF8_MAX > TABLE_BYTES_MAX) return structured(event);
  // Upstream's source reads the content type from a header and nowhere else.
  if (prefix === 'ce-' && event.contentType !== undefined) headers['content-type'] = event.contentType;
  return {
    contentType: event.contentType,
    messageId: messageIdOf(event),
    headers: withTravelling(headers, event),
    body: event.body,
  };
}

/** Reads whichever content mode the content type says (3): `application/cloudevents` structured, anything else binary. */
export function fromAmqp({ contentType, headers, body }: AmqpMessage): FromAmqp {
  const type = contentType?.toLowerCase() ?? '';
  if (type.startsWith('application/cloudevents')) {
    if (/^application\/cloudevents\+json *(?:;|$)/.test(type)) {
      const read = readStructured(body, travellingIn(headers));
      return read.kind === 'other' ? { kind: 'plain' } : read;
    }
    return malformed(`content-type: ${type.slice(0, 64)} is not supported; use application/cloudevents+json`);
  }
  const prefix = prefixIn(headers);
  return prefix === undefined ? { kind: 'plain' } : readBinary(prefix, contentType, headers, body);
}

/** What a message without an event is made into: an event like that of Knative's RabbitmqSource. */
export function wrapAmqp(
  { contentType, messageId, headers, body }: AmqpMessage,
  from: { readonly namespace: string; readonly name: string; readonly queue: string },
  made: { readonly id: string; readonly timestampMs: number | undefined },
): CloudEvent {
  const isUsable = messageId !== undefined && messageId !== '' && faultInValue('id', messageId) === undefined;
  const id = isUsable ? messageId : made.id;
  const queue = encodeURIComponent(from.queue);
  const attributes = new Map([
    ['specversion', '1.0'],
    ['id', id],
    ['source', `/apis/v1/namespaces/${from.namespace}/rabbitmqsources/${from.name}#${queue}`],
    ['type', 'dev.knative.rabbitmq.event'],
    ['subject', id],
  ]);
  if (made.timestampMs !== undefined) attributes.set('time', new Date(made.timestampMs).toISOString());
  const isType = contentType !== undefined && faultInContentType('content-type', contentType) === undefined;
  return assemble(attributes, isType ? contentType : undefined, body, travellingIn(headers));
}

function structured(event: CloudEvent): AmqpMessage {
  return {
    contentType: STRUCTURED_TYPE,
    messageId: messageIdOf(event),
    headers: withTravelling({}, event),
    body: writeStructured(event),
  };
}

/** The id also where operators look for one. */
function messageIdOf({ attributes }: CloudEvent): string | undefined {
  const id = attributes.get('id');
  return id !== undefined && isShort(id) ? id : undefined;
}

function isShort(value: string): boolean {
  return value.length * UTF8_MAX <= SHORT_STRING_MAX || Buffer.byteLength(value) <= SHORT_STRING_MAX;
}

function withTravelling(into: Record<string, string>, { headers }: CloudEvent): Record<string, string> {
  if (headers !== undefined) for (const [name, value] of headers) into[TRAVELLING + name] = value;
  return into;
}

function travellingIn(headers: AmqpMessage['headers']): ReadonlyMap<string, string> | undefined {
  let found: Map<string, string> | undefined;
  for (const key in headers) {
    if (!key.startsWith(TRAVELLING)) continue;
    const name = key.slice(TRAVELLING.length);
    const value = headers[key];
    if (travels(name) && typeof value === 'string' && /^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      (found ??= new Map()).set(name, value);
  }
  return found;
}

const PREFIXES = ['cloudEvents:', 'cloudEvents_', 'ce-'] as const;

/**
 * Which names hold the attributes (3): those of the specification with either separator, Knative's `ce-`, or the bare
 * names that Knative's broker writes, told by the four that every event has.
 */
function prefixIn(headers: AmqpMessage['headers']): string | undefined {
  for (const prefix of PREFIXES)
    if (headers[`${prefix}specversion`] !== undefined || headers[`${prefix}id`] !== undefined) return prefix;
  const isBare = ['specversion', 'id', 'source', 'type'].every((name) => typeof headers[name] === 'string');
  return isBare ? '' : undefined;
}

function readBinary(
  prefix: string,
  contentType: string | undefined,
  headers: AmqpMessage['headers'],
  body: Uint8Array,
): FromAmqp {
  const attributes = new Map<string, string>();
  let bytes = contentType?.length ?? 0;
  for (const key in headers) {
    if (!isAttribute(key, prefix)) continue;
    const name = key.slice(prefix.length);
    const value = asText(headers[key]);
    if (value === undefined) return malformed(`${key}: is no value of an attribute`);
    const fault = faultInName(name) ?? faultInValue(name, value);
    if (fault !== undefined) return fault;
    attributes.set(name, value);
    bytes += name.length + value.length;
  }
  const type = contentType ?? attributes.get('datacontenttype') ?? bareTypeIn(headers, prefix);
  attributes.delete('datacontenttype');
  const fault =
    faultIn(attributes, bytes) ?? (type === undefined ? undefined : faultInContentType('content-type', type));
  if (fault !== undefined) return fault;
  return { kind: 'event', event: assemble(attributes, type, body, travellingIn(headers)) };
}

/** Without a prefix every header is one that RabbitMQ, tracing and the content type do not use, as upstream reads it. */
function isAttribute(key: string, prefix: string): boolean {
  if (prefix !== '') return key.startsWith(prefix);
  return !key.startsWith('x-') && key !== 'content-type' && key !== 'traceparent' && key !== 'tracestate';
}

/** Knative writes the content type as a header too. */
function bareTypeIn(headers: AmqpMessage['headers'], prefix: string): string | undefined {
  const type = prefix === 'ce-' || prefix === '' ? headers['content-type'] : undefined;
  return typeof type === 'string' && type !== '' ? type : undefined;
}

/** The canonical string form of a native value (3.1.3.2). */
function asText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || typeof value === 'bigint' || Number.isInteger(value))
    return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value !== 'object' || value === null || !('value' in value)) return undefined;
  const { value: seconds } = value;
  const isTime = typeof seconds === 'number' && Math.abs(seconds) < 8.64e12;
  return isTime ? new Date(seconds * 1000).toISOString() : undefined;
}
