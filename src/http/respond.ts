import type { ServerResponse } from 'node:http';

/** Ends `response` with a line of text, unless it has begun already. */
export function answerText(
  response: ServerResponse,
  code: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent) return void response.destroy();
  const body = text === '' ? '' : `${text}\n`;
  response.writeHead(code, {
    ...(body !== '' && { 'content-type': 'text/plain; charset=utf-8' }),
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  });
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
