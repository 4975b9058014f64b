import type { IncomingMessage, ServerResponse } from 'node:http';
import { SdkHttp, SdkEvent } from '../../../../events/sdk.ts';
import { BadRequest, callFor, type Call } from './context.ts';
import type { LoadedFunction } from './load.ts';

type Answer = {
  readonly code: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer | string;
};

const TEXT = { 'content-type': 'text/plain; charset=utf-8' };
const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

/** Calls the function for one request, and answers with what it returns (contract: the table of what is answered). */
export async function answer(
  loaded: LoadedFunction,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const probe = probeFor(loaded, incoming);
  if (probe !== undefined) return answerProbe(probe.hook, incoming, response);
  let result: Answer;
  try {
    const call = callFor(incoming, await bodyOf(incoming));
    result = answerOf(await loaded.handle(call.context, call.input), call);
  } catch (error) {
    result = failureOf(error);
  }
  send(response, result, loaded);
}

function probeFor(
  loaded: LoadedFunction,
  { method, url }: IncomingMessage,
): { hook: LoadedFunction['liveness'] } | undefined {
  if (method !== 'GET') return undefined;
  const path = url?.split('?')[0];
  if (path === (loaded.liveness?.path ?? '/health/liveness')) return { hook: loaded.liveness };
  return path === (loaded.readiness?.path ?? '/health/readiness') ? { hook: loaded.readiness } : undefined;
}

async function answerProbe(
  hook: LoadedFunction['liveness'],
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const said = hook === undefined ? 'OK' : await hook(incoming, response);
    if (!response.writableEnded)
      response.end(typeof said === 'string' ? said : said === undefined ? 'OK' : JSON.stringify(said));
  } catch (error) {
    if (!response.headersSent) response.writeHead(500, TEXT);
    response.end(error instanceof Error ? error.message : String(error));
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks);
}

function answerOf(value: unknown, { isEvent }: Call): Answer {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) {
    return { code: 204, headers: {}, body: '' };
  }
  if (typeof value === 'string') return { code: 200, headers: TEXT, body: value };
  if (value instanceof Uint8Array)
    return { code: 200, headers: { 'content-type': 'application/octet-stream' }, body: bytes(value) };
  if (isSdkEvent(value))
    return isEvent ? eventAnswer(value) : { code: 200, headers: JSON_TYPE, body: JSON.stringify(value) };
  if (typeof value !== 'object') return { code: 200, headers: JSON_TYPE, body: JSON.stringify(value) };
  return objectAnswer(value as Record<string, unknown>);
}

function objectAnswer(value: Record<string, unknown>): Answer {
  const code = isStatus(value['statusCode']) ? value['statusCode'] : 200;
  const headers = (
    typeof value['headers'] === 'object' && value['headers'] !== null ? value['headers'] : {}
  ) as Record<string, unknown>;
  if (!('body' in value)) return { code, headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify(value) };
  const { body } = value;
  if (body === undefined || body === null) return { code, headers, body: '' };
  if (typeof body === 'string') return { code, headers: withType(headers, TEXT), body };
  if (body instanceof Uint8Array) {
    return {
      code,
      headers: withType(headers, { 'content-type': 'application/octet-stream' }),
      body: bytes(body),
    };
  }
  return { code, headers: withType(headers, JSON_TYPE), body: JSON.stringify(body) };
}

/** By class, or by the name of the class: a bundle may bring another copy of the SDK. */
function isSdkEvent(value: unknown): value is InstanceType<typeof SdkEvent> {
  return (
    value instanceof SdkEvent ||
    (typeof value === 'object' && value !== null && value.constructor?.name === 'CloudEvent')
  );
}

function eventAnswer(event: InstanceType<typeof SdkEvent>): Answer {
  const { headers, body } = SdkHttp.binary(event);
  const text = body === undefined || body === null ? '' : body;
  return {
    code: 200,
    headers,
    body: text instanceof Uint8Array ? bytes(text) : typeof text === 'string' ? text : JSON.stringify(text),
  };
}

/** HTTP binding 3.1.3.2, which the SDK leaves out, for attributes that a header cannot hold as they are. */
function encoded(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  const written: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const isAttribute = name.toLowerCase().startsWith('ce-') && typeof value === 'string';
    written[name] = isAttribute
      ? value.replace(/[^\x21\x23\x24\x26-\x7e]/gu, encodeURIComponent)
      : (value as string);
  }
  return written;
}

function failureOf(error: unknown): Answer {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof BadRequest) return { code: error.code, headers: TEXT, body: message };
  process.stderr.write(`${error instanceof Error ? error.stack : message}\n`);
  const asked = [read(error, 'code'), read(error, 'statusCode')].find(
    (code) => isStatus(code) && code >= 400,
  );
  return { code: isStatus(asked) ? asked : 500, headers: TEXT, body: message };
}

function send(response: ServerResponse, { code, headers, body }: Answer, { cors }: LoadedFunction): void {
  try {
    const allowed = cors === undefined ? {} : { 'access-control-allow-origin': String(cors()) };
    const length = { 'content-length': String(Buffer.byteLength(body)) };
    const isEmpty = code === 204 || code === 304;
    response.writeHead(code, { ...encoded(headers), ...allowed, ...(!isEmpty && length) });
    response.end(isEmpty ? undefined : body);
  } catch (error) {
    // A header or status that HTTP does not know: the function's own fault, and told as such.
    response.removeHeader('content-length');
    response.writeHead(500, TEXT).end(error instanceof Error ? error.message : String(error));
  }
}

function withType(headers: Record<string, unknown>, type: Record<string, string>): Record<string, unknown> {
  return Object.keys(headers).some((name) => name.toLowerCase() === 'content-type')
    ? headers
    : { ...type, ...headers };
}

const isStatus = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 100 && value <= 599;
const bytes = (value: Uint8Array): Buffer => Buffer.from(value.buffer, value.byteOffset, value.byteLength);
const read = (from: unknown, name: string): unknown =>
  typeof from === 'object' && from !== null ? Reflect.get(from, name) : undefined;
