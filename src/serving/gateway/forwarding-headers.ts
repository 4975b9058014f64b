import type { IncomingMessage } from 'node:http';

/** Hop by hop (RFC 9110, 7.6.1), and what only means something to us. */
const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
]);

/** The headers that an instance gets: those of the request, and who asked by which name (runtime contract). */
export function requestHeaders(request: IncomingMessage): Record<string, string | string[]> {
  const { headers } = request;
  const named = headers.connection === undefined ? undefined : namesIn(headers.connection);
  const out: Record<string, string | string[]> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !DROPPED.has(name) && named?.has(name) !== true) out[name] = value;
  }
  const peer = request.socket.remoteAddress ?? 'unknown';
  const host = headers.host ?? '';
  const before = headers['x-forwarded-for'];
  out['x-forwarded-for'] = before === undefined ? peer : `${String(before)}, ${peer}`;
  out['x-forwarded-proto'] = String(headers['x-forwarded-proto'] ?? 'http');
  out['x-forwarded-host'] = String(headers['x-forwarded-host'] ?? host);
  out['forwarded'] =
    headers.forwarded ?? `for=${peer.includes(':') ? `"[${peer}]"` : peer};host=${host};proto=http`;
  return out;
}

/** The headers of an answer without those of its connection. */
export function responseHeaders(
  headers: Record<string, string | string[] | undefined>,
): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && name !== 'connection' && name !== 'keep-alive' && name !== 'transfer-encoding')
      out[name] = value;
  }
  return out;
}

/** What Connection lists is for this connection only, but for the attributes of an event, which never are. */
function namesIn(connection: string): ReadonlySet<string> {
  const names = connection.split(',').map((name) => name.trim().toLowerCase());
  return new Set(names.filter((name) => !name.startsWith('ce-')));
}
