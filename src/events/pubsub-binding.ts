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

/** A Pub/Sub message as far as an event needs it; `attributes` are strings of UTF-8. */
export type PubsubMessage = {
  readonly attributes: Readonly<Record<string, string>>;
  readonly data: Uint8Array;
};

/** What the broker adds to a message when it takes it. */
export type TakenMessage = PubsubMessage & {
  readonly messageId: string;
  readonly publishedMs: number;
  readonly orderingKey: string;
};

/** `plain`: nothing in it speaks of a CloudEvent. */
export type ReadPubsub =
  | { readonly kind: 'event'; readonly event: CloudEvent }
  | { readonly kind: 'plain' }
  | Malformed;

/** A value is at most so long, a message has at most so many; cloud.google.com/pubsub/quotas, resource limits. */
const VALUE_BYTES_MAX = 1024;
/** 100 less what a channel notes beside the event when it keeps it for a retry or as a dead letter. */
const ATTRIBUTES_MAX = 84;
const PREFIX = 'ce-';
const CONTENT_TYPE = 'Content-Type'; // as the Go SDK writes it; names are read in any case
const EVENT_TYPE = 'application/cloudevents';

/**
 * Writes an event by the Pub/Sub protocol binding (google-cloudevents docs/spec/pubsub.md): the binary content mode, or
 * the structured one where the attributes do not fit the limits of a message (3.1). Headers that travel along become
 * attributes of their own name; one that is longer than a value may be is left out.
 */
export function toPubsub(event: CloudEvent): PubsubMessage {
  const attributes: Record<string, string> = {};
  let count = 1;
  for (const [name, value] of event.headers ?? []) {
    if (!fits(value) || count >= ATTRIBUTES_MAX / 2) continue;
    attributes[name] = value;
    count += 1;
  }
  const isTooMany = count + event.attributes.size > ATTRIBUTES_MAX;
  const isBinary = !isTooMany && fits(event.contentType ?? '') && event.attributes.values().every(fits);
  if (!isBinary) {
    attributes[CONTENT_TYPE] = STRUCTURED_TYPE;
    return { attributes, data: writeStructured(event) };
  }
  if (event.contentType !== undefined) attributes[CONTENT_TYPE] = event.contentType; // 3.1.1
  for (const [name, value] of event.attributes) attributes[PREFIX + name] = value; // 3.1.3
  return { attributes, data: event.body };
}

/** Reads a message in whichever content mode it says (3): by its content type structured, else binary. */
export function fromPubsub({ attributes, data }: PubsubMessage): ReadPubsub {
  const contentType = attributes[CONTENT_TYPE] ?? attributes['content-type'] ?? contentTypeIn(attributes);
  if (contentType?.slice(0, EVENT_TYPE.length).toLowerCase() !== EVENT_TYPE)
    return readBinary(attributes, contentType, data);
  const [essence = ''] = contentType.split(';', 1);
  if (essence.trim().toLowerCase() !== `${EVENT_TYPE}+json`)
    return malformed(`content-type: ${essence} is not supported; use ${EVENT_TYPE}+json or binary mode`, 415);
  const read = readStructured(data, headersIn(attributes));
  return read.kind === 'other' ? { kind: 'plain' } : read;
}

/**
 * Any other message as an event, in the way of CloudPubSubSource (knative-gcp pkg/pubsub/adapter/converters). A key that
 * orders it becomes the `partitionkey`, so that it is ordered here as well.
 */
export function wrapPubsub(
  { attributes, data, messageId, publishedMs, orderingKey }: TakenMessage,
  where: { readonly topic: string; readonly subscription: string }, // full resource names
): CloudEvent {
  const time = new Date(publishedMs).toISOString();
  const message = {
    messageId,
    data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
    ...(Object.keys(attributes).length > 0 && { attributes }),
    publishTime: time,
    ...(orderingKey !== '' && { orderingKey }),
  };
  const written = new Map([
    ['specversion', '1.0'],
    ['id', messageId],
    ['source', `//pubsub.googleapis.com/${where.topic}`],
    ['type', 'google.cloud.pubsub.topic.v1.messagePublished'],
    ['time', time],
    [
      'dataschema',
      'https://raw.githubusercontent.com/googleapis/google-cloudevents/master/proto/google/events/cloud/pubsub/v1/data.proto',
    ],
  ]);
  if (isPartitionKey(orderingKey)) written.set('partitionkey', orderingKey);
  const body = Buffer.from(JSON.stringify({ subscription: where.subscription, message }));
  return { attributes: written, contentType: 'application/json', body };
}

/** Whether a key that orders messages may order events as well: attributes hold no control characters. */
export function isPartitionKey(orderingKey: string): boolean {
  return orderingKey !== '' && faultInValue('partitionkey', orderingKey) === undefined;
}

function readBinary(
  written: PubsubMessage['attributes'],
  contentType: string | undefined,
  data: Uint8Array,
): ReadPubsub {
  const attributes = new Map<string, string>();
  let type = contentType;
  let bytes = Buffer.byteLength(contentType ?? '');
  for (const key in written) {
    const lower = key.toLowerCase();
    if (!lower.startsWith(PREFIX)) continue;
    const name = lower.slice(PREFIX.length);
    const value = written[key] ?? '';
    bytes += name.length + Buffer.byteLength(value);
    if (name === 'datacontenttype') type ??= value; // as the examples of the binding have it
    else if (attributes.has(name)) return malformed(`ce-${name}: given twice`);
    else {
      const fault = faultInName(name) ?? faultInValue(name, value);
      if (fault !== undefined) return { ...fault, reason: `ce-${fault.reason}` };
      attributes.set(name, value);
    }
  }
  if (attributes.size === 0) return { kind: 'plain' };
  const fault =
    faultIn(attributes, bytes) ?? (type === undefined ? undefined : faultInContentType('content-type', type));
  if (fault !== undefined) return fault;
  return { kind: 'event', event: assemble(attributes, type, data, headersIn(written)) };
}

function contentTypeIn(attributes: PubsubMessage['attributes']): string | undefined {
  const name = Object.keys(attributes).find((each) => each.toLowerCase() === 'content-type');
  return name === undefined ? undefined : attributes[name];
}

function headersIn(attributes: PubsubMessage['attributes']): ReadonlyMap<string, string> | undefined {
  let headers: Map<string, string> | undefined;
  for (const key in attributes) {
    const name = key.toLowerCase();
    if (travels(name)) (headers ??= new Map()).set(name, attributes[key] ?? '');
  }
  return headers;
}

/** At most four bytes a character, so that a short value needs no counting. */
function fits(value: string): boolean {
  return value.length * 3 <= VALUE_BYTES_MAX || Buffer.byteLength(value) <= VALUE_BYTES_MAX;
}
