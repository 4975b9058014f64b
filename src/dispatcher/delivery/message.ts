import type { Failure } from '../../channels/channel.ts';
import { writeBinary } from '../../events/binary.ts';
import type { CloudEvent } from '../../events/event.ts';
import { STRUCTURED_TYPE, writeStructured } from '../../events/structured.ts';

export type Message = { readonly headers: string[]; readonly body: Uint8Array };

/** An event as it is POSTed: in the format that the subscription asks for, with the namespace it comes from. */
export function messageFor(event: CloudEvent, format: 'json' | 'binary', namespace: string): Message {
  const headers =
    format === 'binary' ? writeBinary(event) : ['content-type', STRUCTURED_TYPE, ...passed(event)];
  const trace = event.attributes.get('traceparent');
  if (trace !== undefined && isHeaderValue(trace)) headers.push('traceparent', trace);
  headers.push('kn-namespace', namespace, 'user-agent', 'millrace');
  return { headers, body: format === 'binary' ? event.body : writeStructured(event) };
}

/** The original event, with why it could not be delivered (D4; eventing attributes/knative_error.go). */
export function deadLetterOf(event: CloudEvent, { dest, code, data }: Failure): CloudEvent {
  const attributes = new Map(event.attributes);
  attributes.set('knativeerrordest', dest);
  attributes.set('knativeerrorcode', String(code));
  if (data !== '') attributes.set('knativeerrordata', data);
  return { ...event, attributes };
}

function passed({ headers }: CloudEvent): string[] {
  return headers === undefined ? [] : [...headers].flat();
}

/** As a header a value stands unencoded; an extension may hold what no header can. */
function isHeaderValue(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}
