import type { IncomingMessage } from 'node:http';

/** Hop by hop (RFC 9110, 7.6.1), and what is written anew below. */
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
const DROPPED_FROM_ANSWERS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/**
 * The headers that an instance gets, as a flat list of names and values: those of the request as they were written, and
 * who asked by which name (knative specs, runtime-contract.md).
 */
export function requestHeaders({ headers, rawHeaders, socket }: IncomingMessage): string[] {
  const named = headers.connection === undefined ? undefined : namesIn(headers.connection);
  const out: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = [rawHeaders[i], rawHeaders[i + 1]];
    const lower = name.toLowerCase();
    if (!DROPPED.has(lower) && named?.has(lower) !== true) out.push(name, value);
  }
  const peer = socket.remoteAddress ?? 'unknown';
  const host = headers.host ?? '';
  const before = headers['x-forwarded-for'];
  out.push('x-forwarded-for', before === undefined ? peer : `${String(before)}, ${peer}`);
  out.push('x-forwarded-proto', String(headers['x-forwarded-proto'] ?? 'http'));
  out.push('x-forwarded-host', String(headers['x-forwarded-host'] ?? host));
  const by = peer.includes(':') ? `"[${peer}]"` : peer;
  out.push('forwarded', headers.forwarded ?? `for=${by};host=${host};proto=http`);
  return out;
}

/** The headers of an answer without those of its connection; bytes above 0x7f stay what they were. */
export function responseHeaders(raw: readonly (Buffer | string)[]): string[] {
  const out: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = textOf(raw[i]);
    if (!DROPPED_FROM_ANSWERS.has(name.toLowerCase())) out.push(name, textOf(raw[i + 1]));
  }
  return out;
}

function textOf(raw: Buffer | string | undefined): string {
  return typeof raw === 'string' ? raw : (raw?.toString('latin1') ?? '');
}

/** What Connection lists is for this connection only, but for the attributes of an event, which never are. */
function namesIn(connection: string): ReadonlySet<string> {
  const names = connection.split(',').map((name) => name.trim().toLowerCase());
  return new Set(names.filter((name) => !name.startsWith('ce-') && name !== 'host'));
}
