import type { IncomingMessage } from 'node:http';
import { SdkEvent, SdkHttp } from '../../../../events/sdk.ts';

export class BadRequest extends Error {
  readonly code: 400 | 415;

  constructor(code: 400 | 415, message: string) {
    super(message);
    this.code = code;
  }
}

/** The first argument of a function; query parameters are properties of it too, never over one of these names. */
export type Context = Record<string, unknown>;

export type Call = { readonly context: Context; readonly input: unknown; readonly isEvent: boolean };

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** What a function is called with, made from a request and its whole body. Throws BadRequest on what cannot be read. */
export function callFor(incoming: IncomingMessage, rawBody: Buffer): Call {
  const url = new URL(incoming.url ?? '/', 'http://function');
  const contentType = incoming.headers['content-type'];
  const isEvent = isEventMessage(incoming);
  const input = isEvent ? eventIn(incoming, rawBody) : bodyValue(rawBody, contentType);
  const context: Context = {
    log,
    query: Object.fromEntries(url.searchParams),
    body: isEvent ? dataOf(input) : input,
    rawBody,
    headers: incoming.headers,
    method: incoming.method,
    httpVersion: incoming.httpVersion,
    httpVersionMajor: incoming.httpVersionMajor,
    httpVersionMinor: incoming.httpVersionMinor,
    contentType,
    path: url.pathname,
    cloudEventResponse: (data: unknown) => new ResponseBuilder(data),
    ...(isEvent && { cloudevent: input }),
  };
  for (const [name, value] of url.searchParams) if (!(name in context)) context[name] = value;
  return { context, input, isEvent };
}

const log = Object.fromEntries(
  LOG_LEVELS.map((level) => [
    level,
    (...parts: unknown[]) => {
      const stream = level === 'error' || level === 'fatal' ? process.stderr : process.stdout;
      const text = parts.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(' ');
      stream.write(`${JSON.stringify({ level, time: Date.now(), msg: text })}\n`);
    },
  ]),
);

function isEventMessage({ headers }: IncomingMessage): boolean {
  const type = headers['content-type']?.toLowerCase() ?? '';
  if (type.startsWith('application/cloudevents-batch'))
    throw new BadRequest(415, 'a batch of events is not taken');
  return (
    type.startsWith('application/cloudevents') ||
    headers['ce-specversion'] !== undefined ||
    headers['ce-id'] !== undefined
  );
}

/** The SDK reads leniently; what it must not let through is refused first, and its own refusals are told as they are. */
function eventIn(incoming: IncomingMessage, rawBody: Buffer): unknown {
  const { headers } = incoming;
  const isStructured = headers['content-type']?.toLowerCase().startsWith('application/cloudevents') ?? false;
  const version = isStructured ? undefined : headers['ce-specversion'];
  if (!isStructured && version !== '1.0' && version !== '0.3') {
    throw new BadRequest(
      400,
      `ce-specversion: ${version === undefined ? 'missing' : `${String(version)} is not supported`}`,
    );
  }
  if (isStructured) return structuredEvent(rawBody);
  const attributes = binaryAttributes(headers);
  for (const name of ['id', 'source', 'type']) {
    if (!attributes[name]) throw new BadRequest(400, `ce-${name}: required, and missing or empty`);
  }
  const contentType = headers['content-type'];
  const data = rawBody.length === 0 ? undefined : bodyValue(rawBody, contentType, 'event');
  return new SdkEvent({
    ...attributes,
    ...(contentType !== undefined && { datacontenttype: contentType }),
    ...(data !== undefined && { data }),
  } as ConstructorParameters<typeof SdkEvent>[0]);
}

function binaryAttributes(headers: IncomingMessage['headers']): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('ce-')) attributes[name.slice(3)] = decoded(String(value));
  }
  return attributes;
}

/** HTTP binding 3.1.3.2, in reverse; the platform has checked the bytes before they came here. */
function decoded(written: string): string {
  if (!written.includes('%')) return written;
  try {
    return decodeURIComponent(written.replace(/%(?![0-9a-f]{2})/gi, '%25'));
  } catch {
    return written;
  }
}

function structuredEvent(rawBody: Buffer): unknown {
  const parsed = parseJson(rawBody);
  const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  if (!isObject) throw new BadRequest(400, 'the event is no JSON object');
  const { data_base64: base64, ...members } = parsed as Record<string, unknown>;
  for (const name of ['specversion', 'id', 'source', 'type']) {
    if (!members[name]) throw new BadRequest(400, `${name}: required, and missing or empty`);
  }
  const data = typeof base64 === 'string' ? { data: Buffer.from(base64, 'base64') } : {};
  return new SdkEvent({ ...members, ...data } as ConstructorParameters<typeof SdkEvent>[0]);
}

/** JSON to a value, a form to an object, text to a string, anything else to bytes, nothing to undefined. */
function bodyValue(rawBody: Buffer, contentType: string | undefined, what = 'body'): unknown {
  if (rawBody.length === 0) return undefined;
  const essence = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (/^[^/]+\/(?:json|[^/]+\+json)$/.test(essence)) return parseJson(rawBody, what);
  if (essence === 'application/x-www-form-urlencoded')
    return Object.fromEntries(new URLSearchParams(rawBody.toString()));
  return essence === 'text/plain' ? rawBody.toString() : rawBody;
}

function parseJson(rawBody: Buffer, what = 'body'): unknown {
  try {
    return JSON.parse(rawBody.toString()) as unknown;
  } catch (error) {
    throw new BadRequest(
      400,
      `the ${what} is not JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function dataOf(event: unknown): unknown {
  return typeof event === 'object' && event !== null ? Reflect.get(event, 'data') : undefined;
}

/** `context.cloudEventResponse(data).id(…).source(…).type(…).version(…).response()`. */
class ResponseBuilder {
  readonly #fields: Record<string, unknown>;

  constructor(data: unknown) {
    this.#fields = { data, type: 'dev.knative.function.response', source: '/', specversion: '1.0' };
  }

  id(id: string): this {
    return this.#set('id', id);
  }
  source(source: string): this {
    return this.#set('source', source);
  }
  type(type: string): this {
    return this.#set('type', type);
  }
  version(version: string): this {
    return this.#set('specversion', version);
  }

  response(): { headers: unknown; body: unknown } {
    const { headers, body } = SdkHttp.binary(
      new SdkEvent(this.#fields as ConstructorParameters<typeof SdkEvent>[0]),
    );
    return { headers, body };
  }

  #set(name: string, value: unknown): this {
    this.#fields[name] = value;
    return this;
  }
}
