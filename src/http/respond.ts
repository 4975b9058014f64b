import type { IncomingMessage, ServerResponse } from 'node:http';

type Headers = Readonly<Record<string, string>>;

/** Ends `response` with a line of text, unless it has begun already. */
export function answerText(
  response: ServerResponse,
  code: number,
  text: string,
  headers: Headers = {},
): void {
  if (response.headersSent) return void response.destroy();
  const body = lineOf(text);
  response.writeHead(code, textHeaders(body, headers));
  response.end(body);
}

export function answerJson(response: ServerResponse, code: number, value: unknown): void {
  if (response.headersSent) return void response.destroy();
  const body = `${JSON.stringify(value)}\n`;
  response.writeHead(code, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  });
  response.end(body);
}

/** Node reads the rest of a body that nobody wanted; up to this much, that is cheaper than a new connection. */
const UNREAD_MAX = 64 * 1024;
const LINGER_MS = 1000;

/**
 * Answers a request whose body has not been read. When a large one may still come, the connection ends with the answer:
 * what comes is thrown away for a moment, so that a sender in the midst of writing finds the answer and no reset.
 */
export function answerUnread(
  request: IncomingMessage,
  response: ServerResponse,
  code: number,
  text: string,
  headers: Headers = {},
): void {
  if (response.headersSent) return void response.destroy();
  if (request.complete || isSmall(request)) return answerText(response, code, text, headers);
  const body = lineOf(text);
  response.writeHead(code, { ...textHeaders(body, headers), connection: 'close' });
  if (body === '') response.flushHeaders();
  else response.write(body);
  const end = (): void => {
    clearTimeout(timer);
    response.end(); // Node then closes the connection
  };
  const timer = setTimeout(end, LINGER_MS);
  request.once('end', end).once('close', end);
  request.resume();
}

function isSmall({ headers }: IncomingMessage): boolean {
  if (headers['transfer-encoding'] !== undefined) return false;
  return Number(headers['content-length'] ?? 0) <= UNREAD_MAX;
}

const lineOf = (text: string): string => (text === '' ? '' : `${text}\n`);

function textHeaders(body: string, headers: Headers): Headers {
  return {
    ...(body !== '' && { 'content-type': 'text/plain; charset=utf-8' }),
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  };
}
