import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../../../../base/errors.ts';
import { writeBinary } from '../../../../events/binary.ts';
import { BadRequest, callFor } from './context.ts';
import { corsHeaders } from './cors.ts';
import type { LoadedFunction } from './load.ts';
import { answerProbe, probeFor } from './probes.ts';
import { answerOf, TEXT, type Answer } from './returned.ts';
import type { SdkSource } from './share-sdk.ts';

/** Twice the largest event; a function has the whole body in memory. FUNC_BODY_LIMIT, in bytes, says otherwise. */
const BODY_BYTES_MAX = 64 * 1024 * 1024;
/** Said by the server itself, from what it sends. */
const OF_THE_SERVER: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection']);

/** Calls the function for one request, and answers with what it returns; never rejects. */
export async function answer(
  loaded: LoadedFunction,
  source: SdkSource,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const probe = probeFor(loaded, incoming);
  if (probe !== undefined) return answerProbe(probe, incoming, response);
  let result: Answer;
  try {
    const rawBody = await bodyOf(incoming);
    if (rawBody === undefined) return; // the caller has gone
    const { context, input, isEvent } = callFor(incoming, rawBody, source);
    result = answerOf(await loaded.handle(context, input), isEvent, source);
  } catch (error) {
    result = failureOf(error);
  }
  if (!incoming.complete) response.shouldKeepAlive = false; // what was refused unread is not read either
  try {
    send(response, result, corsHeaders(loaded.cors, incoming));
  } catch (error) {
    // A header that HTTP cannot carry, or cors() that throws: the function's own fault, and told as such.
    if (!response.headersSent) send(response, failureOf(error), {});
  }
}

/** The whole body; undefined when the caller goes before its end. */
async function bodyOf(incoming: IncomingMessage): Promise<Buffer | undefined> {
  const limit = Number(process.env['FUNC_BODY_LIMIT'] ?? BODY_BYTES_MAX);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Buffer; // no encoding is set
      length += bytes.length;
      if (length > limit) break;
      chunks.push(bytes);
    }
  } catch {
    return undefined;
  }
  if (length > limit) throw new BadRequest(413, `at most ${limit} bytes are taken (FUNC_BODY_LIMIT)`);
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}

function failureOf(error: unknown): Answer {
  const said: unknown = Reflect.get(Object(error), 'message');
  const message = typeof said === 'string' ? said : String(error);
  if (error instanceof BadRequest) return { code: error.code, headers: TEXT, body: message };
  process.stderr.write(`${error instanceof Error ? error.stack : message}\n`);
  const asked = ['code', 'statusCode'].map((name) => Reflect.get(Object(error), name) as unknown);
  const code = asked.find(
    (each): each is number => Number.isInteger(each) && Number(each) >= 400 && Number(each) <= 599,
  );
  return { code: code ?? 500, headers: TEXT, body: message };
}

function send(
  response: ServerResponse,
  { code, headers, body }: Answer,
  more: Readonly<Record<string, string>>,
): void {
  const isEmpty = code === 204 || code === 304;
  const written = { ...wireHeaders(headers), ...more };
  if (isEmpty) return void response.writeHead(code, written).end();
  response.writeHead(code, { ...written, 'content-length': Buffer.byteLength(body) }).end(body);
}

/** Attributes are percent-encoded (HTTP binding 3.1.3.2), which the SDK leaves out; anything else goes as it is. */
function wireHeaders(headers: Readonly<Record<string, unknown>>): Record<string, string | string[]> {
  const written: Record<string, string | string[]> = {};
  const attributes = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || value === null || OF_THE_SERVER.has(name)) continue;
    if (name.startsWith('ce-')) attributes.set(name.slice(3), headerText(value));
    else written[name] = Array.isArray(value) ? value.map(headerText) : headerText(value);
  }
  const encoded = writeBinary({ attributes, contentType: undefined, body: NOTHING });
  for (let i = 0; i + 1 < encoded.length; i += 2) written[encoded[i] ?? ''] = encoded[i + 1] ?? '';
  return written;
}

const headerText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

const NOTHING = new Uint8Array();

/** What a program that has no more to say about an error prints. */
export function printError(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.stack : messageOf(error)}\n`);
}
