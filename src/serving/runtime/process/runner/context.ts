import type { IncomingMessage } from 'node:http';
import { parse as parseQuery } from 'node:querystring';
import { messageOf } from '../../../../base/errors.ts';
import type { CloudEvent } from '../../../../events/event.ts';
import { readMessage, saysEvent } from '../../../../events/message.ts';
import { log } from './log.ts';
import { responseTo } from './response-event.ts';
import type { Sdk, SdkSource } from './share-sdk.ts';

/** What was sent cannot be read; answered with `code` and the message. */
export class BadRequest extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** The first argument of a function; query parameters are properties of it too, never over one of these names. */
export type Context = Record<string, unknown>;

export type Call = { readonly context: Context; readonly input: unknown; readonly isEvent: boolean };

/** What a function is called with, made from a request and its whole body. Throws BadRequest on what cannot be read. */
export function callFor(incoming: IncomingMessage, rawBody: Buffer, source: SdkSource): Call {
  const [path, search] = splitOnce(incoming.url ?? '/', '?');
  const query = { ...parseQuery(search) };
  const { headers, method, httpVersion, httpVersionMajor, httpVersionMinor } = incoming;
  const contentType = headers['content-type'];
  const isEvent = saysEvent(incoming.rawHeaders);
  const input = isEvent ? eventIn(incoming, rawBody, source.sdk) : bodyValue(rawBody, contentType, 'body');
  const context: Context = {
    log,
    query,
    body: isEvent ? Reflect.get(Object(input), 'data') : input,
    rawBody,
    headers,
    method,
    httpVersion,
    httpVersionMajor,
    httpVersionMinor,
    contentType,
    path,
    cloudevent: isEvent ? input : undefined,
    cloudEventResponse: (data: unknown) => responseTo(data, source.sdk),
  };
  for (const [name, value] of Object.entries(query)) if (!(name in context)) context[name] = value;
  return { context, input, isEvent };
}

/** The platform's own codec reads, so that what is refused, and why, is the same everywhere; the SDK's class is only filled. */
function eventIn({ rawHeaders }: IncomingMessage, rawBody: Buffer, { Event }: Sdk): unknown {
  const read = readMessage(rawHeaders, rawBody);
  switch (read.kind) {
    case 'event':
      return sdkEvent(read.event, Event);
    case 'batch':
      throw new BadRequest(415, 'a batch of events is not taken; send them one by one');
    case 'malformed':
      throw new BadRequest(read.code, `this is no CloudEvent: ${read.reason}`);
    case 'other':
      throw new BadRequest(400, 'this is no CloudEvent: specversion: required, and missing or empty');
  }
}

function sdkEvent({ attributes, contentType, body }: CloudEvent, Event: Sdk['Event']): unknown {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const data = bodyValue(bytes, contentType, 'data');
  const fields = {
    ...Object.fromEntries(attributes),
    ...(contentType !== undefined && { datacontenttype: contentType }),
    ...(data !== undefined && { data }),
  };
  try {
    return new Event(fields as ConstructorParameters<Sdk['Event']>[0]);
  } catch (error) {
    throw new BadRequest(400, `the CloudEvents SDK refuses this event: ${messageOf(error)}`);
  }
}

/** JSON to a value, a form to an object, text to a string, anything else to bytes, nothing to undefined. */
function bodyValue(rawBody: Buffer, contentType: string | undefined, what: string): unknown {
  if (rawBody.length === 0) return undefined;
  const essence = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (/^[^/]+\/(?:json|[^/]+\+json)$/.test(essence)) return parseJson(rawBody, what);
  // `maxKeys` 0: the body is bounded already, and a field that is left out unseen would be worse than a slow one.
  if (essence === 'application/x-www-form-urlencoded')
    return { ...parseQuery(rawBody.toString(), '&', '=', { maxKeys: 0 }) };
  return essence === 'text/plain' ? rawBody.toString() : rawBody;
}

function parseJson(rawBody: Buffer, what: string): unknown {
  try {
    return JSON.parse(rawBody.toString()) as unknown;
  } catch (error) {
    throw new BadRequest(400, `the ${what} is not JSON: ${messageOf(error)}`);
  }
}

function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)];
}
