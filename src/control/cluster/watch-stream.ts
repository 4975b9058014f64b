import type { IncomingMessage } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import type { Resource } from '../../apis/resource.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { refusal, unreachable, type Connection } from './connection.ts';

export type WatchLine =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: Resource }
  | { readonly type: 'BOOKMARK'; readonly object: Resource };

/** An object has at most 1.5 MiB. */
const LINE_CHARS_MAX = 16 * 1024 * 1024;
/** Servers say how far they are about once a minute; one that says nothing for longer is taken for gone. */
const SILENCE_MAX_MS = 150_000;

export type WatchRequest = {
  readonly path: string;
  readonly signal: AbortSignal;
  readonly onOpen: () => void;
  readonly silenceMaxMs?: number;
};

/**
 * The lines of one watch, until the server ends it. Throws what the server says in an ERROR line, and CLUSTER_UNREACHABLE
 * when it is cut, falls silent, or says what is no line of a watch.
 */
export async function* watchLines(
  connection: Connection,
  { path, signal, onOpen, silenceMaxMs = SILENCE_MAX_MS }: WatchRequest,
): AsyncGenerator<WatchLine> {
  const silence = new AbortController();
  /** Only while something is waited for: who asks may take its time between two lines. */
  const within = async <Value>(waiting: Promise<Value>): Promise<Value> => {
    const timer = setTimeout(() => silence.abort(), silenceMaxMs);
    return waiting.finally(() => clearTimeout(timer));
  };
  let response: IncomingMessage | undefined;
  try {
    response = await within(connection.open({ path, signal: AbortSignal.any([signal, silence.signal]) }));
    onOpen();
    for await (const line of linesOf(response, connection.server, within))
      yield lineOf(connection.server, line);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof PlatformError) throw error;
    const why = silence.signal.aborted ? 'the watch fell silent' : `the watch was cut: ${messageOf(error)}`;
    throw unreachable(connection.server, why, error);
  } finally {
    response?.destroy();
  }
}

/** Whether it has what every object has; the rest is the server's word. */
export function isResource(value: unknown): value is Resource {
  const metadata: unknown = Reflect.get(Object(value), 'metadata');
  return typeof metadata === 'object' && metadata !== null;
}

async function* linesOf(
  response: AsyncIterable<Buffer>,
  server: string,
  within: <Value>(waiting: Promise<Value>) => Promise<Value>,
): AsyncGenerator<string> {
  const chunks = response[Symbol.asyncIterator]();
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for (;;) {
    const { value: chunk, done } = await within(chunks.next());
    if (done === true) break;
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_CHARS_MAX)
      throw unreachable(server, `a line of a watch has more than ${LINE_CHARS_MAX} characters`);
    for (const line of lines) if (line.trim() !== '') yield line;
  }
  if (rest.trim() !== '') throw unreachable(server, 'the watch ended within a line');
}

function lineOf(server: string, text: string): WatchLine {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (error) {
    throw unreachable(server, 'a line of a watch is no JSON', error);
  }
  const { type, object } = Object(read) as { type?: unknown; object?: unknown };
  if (typeof object !== 'object' || object === null)
    throw unreachable(server, 'a line of a watch has no object');
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK':
      if (isResource(object)) return { type, object };
      throw unreachable(server, 'a line of a watch has an object without metadata');
    case 'ERROR':
      throw refusal(server, Number(Reflect.get(object, 'code')) || 500, JSON.stringify(object));
    default:
      throw unreachable(server, 'a line of a watch has no known type');
  }
}
