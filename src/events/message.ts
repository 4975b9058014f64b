import { malformed, type Malformed } from './attributes.ts';
import { readBatch, type Batch } from './batch.ts';
import { passedHeaders, readBinary, type RawHeaders, type Received } from './binary.ts';
import { readStructured } from './read-structured.ts';

export type ReceivedMessage = Received | Batch;

/**
 * Reads an HTTP message in whichever content mode its Content-Type says (HTTP binding 3): `application/cloudevents`
 * structured, `application/cloudevents-batch` batched, anything else binary.
 */
export function readMessage(headers: RawHeaders, body: Uint8Array): ReceivedMessage {
  const contentType = headerOf(headers, 'content-type');
  if (contentType === undefined || !isEventType(contentType)) return readBinary(headers, body);
  const fault = faultInType(headers, contentType);
  if (fault !== undefined) return fault;
  return isBatchType(contentType) ? readBatch(body) : readStructured(body, passedHeaders(headers));
}

/** Whether an answer's headers say that it carries an event: then it is a reply (design decision 10). */
export function saysEvent(headers: RawHeaders): boolean {
  const contentType = headerOf(headers, 'content-type');
  if (contentType !== undefined && isEventType(contentType)) return true;
  return headerOf(headers, 'ce-specversion') !== undefined || headerOf(headers, 'ce-id') !== undefined;
}

/** Whether a Content-Type announces the batched content mode. */
export function isBatchType(contentType: string): boolean {
  return contentType.length >= 29 && contentType.slice(0, 29).toLowerCase() === `${EVENT_TYPE}-batch`;
}

/** The first header of that name (lower case). */
export function headerOf(headers: RawHeaders, name: string): string | undefined {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const written = headers[i] ?? '';
    if (written.length === name.length && written.toLowerCase() === name) return headers[i + 1];
  }
  return undefined;
}

const EVENT_TYPE = 'application/cloudevents';

/** Whether a content type announces the structured or the batched content mode. */
export function isEventType(contentType: string): boolean {
  return contentType.length >= 23 && contentType.slice(0, 23).toLowerCase() === EVENT_TYPE;
}

/** 3: JSON is the one event format that is read, and it is UTF-8 (JSON format 1; RFC 8259, 8.1). */
function faultInType(headers: RawHeaders, contentType: string): Malformed | undefined {
  const fault = faultInEventType(contentType);
  if (fault !== undefined) return fault;
  return isGivenTwice(headers, 'content-type') ? malformed('content-type: given twice') : undefined;
}

/** Why nothing of this content type is read, whichever protocol brought it; undefined when it is. */
export function faultInEventType(contentType: string): Malformed | undefined {
  const [written = '', ...parameters] = contentType.toLowerCase().split(';');
  const essence = written.trim();
  if (essence !== `${EVENT_TYPE}+json` && essence !== `${EVENT_TYPE}-batch+json`) {
    return malformed(`content-type: ${essence} is not supported; use ${EVENT_TYPE}+json or binary mode`, 415);
  }
  const charset = parameters
    .map((parameter) => parameter.trim())
    .find((parameter) => parameter.startsWith('charset='));
  if (charset !== undefined && !/^charset="?(?:utf-8|utf8|us-ascii)"?$/.test(charset))
    return malformed(`content-type: ${charset} is not supported; JSON is UTF-8`, 415);
  return undefined;
}

function isGivenTwice(headers: RawHeaders, name: string): boolean {
  let count = 0;
  for (let i = 0; i < headers.length; i += 2) if ((headers[i] ?? '').toLowerCase() === name) count += 1;
  return count > 1;
}
