import { malformed, type Malformed } from './attributes.ts';
import { readBinary, travels, type RawHeaders, type Received } from './binary.ts';
import type { CloudEvent } from './event.ts';
import { readBatch, readStructured } from './structured.ts';

export type ReceivedMessage = Received | { readonly kind: 'batch'; readonly events: readonly CloudEvent[] };

/**
 * Reads an HTTP message in whichever content mode its Content-Type says (HTTP binding 3): `application/cloudevents`
 * structured, `application/cloudevents-batch` batched, anything else binary.
 */
export function readMessage(headers: RawHeaders, body: Uint8Array): ReceivedMessage {
  const contentType = headerOf(headers, 'content-type');
  if (contentType === undefined || !isEventType(contentType)) return readBinary(headers, body);
  const [essence = ''] = contentType.toLowerCase().split(';');
  switch (essence.trim()) {
    case 'application/cloudevents+json':
      return readStructured(body, passedHeaders(headers));
    case 'application/cloudevents-batch+json':
      return readBatch(body);
    default:
      return unsupported(essence.trim());
  }
}

/** Whether an answer's headers say that it carries an event: then it is a reply (design decision 10). */
export function saysEvent(headers: RawHeaders): boolean {
  const contentType = headerOf(headers, 'content-type');
  if (contentType !== undefined && isEventType(contentType)) return true;
  return headerOf(headers, 'ce-specversion') !== undefined || headerOf(headers, 'ce-id') !== undefined;
}

/** The first header of that name (lower case). */
export function headerOf(headers: RawHeaders, name: string): string | undefined {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const written = headers[i] ?? '';
    if (written.length === name.length && written.toLowerCase() === name) return headers[i + 1];
  }
  return undefined;
}

function isEventType(contentType: string): boolean {
  return contentType.length >= 23 && contentType.slice(0, 23).toLowerCase() === 'application/cloudevents';
}

function unsupported(essence: string): Malformed {
  return malformed(
    `content-type: ${essence} is not supported; use application/cloudevents+json or binary mode`,
    415,
  );
}

function passedHeaders(headers: RawHeaders): ReadonlyMap<string, string> | undefined {
  let passed: Map<string, string> | undefined;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] ?? '').toLowerCase();
    if (travels(name)) (passed ??= new Map()).set(name, headers[i + 1] ?? '');
  }
  return passed;
}
