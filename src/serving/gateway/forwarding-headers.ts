import { randomUUID } from 'node:crypto';
import type { AddedHeaders } from '../plan.ts';
import type { Request } from './inbound.ts';
import { schemeOf } from './redirect.ts';

/** Hop by hop (RFC 9110, 7.6.1), what is written anew below, and what only the platform itself says. */
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
  'http2-settings',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
  'k-proxy-request',
  'knative-serving-namespace',
  'knative-serving-revision',
  'knative-serving-default-route',
]);
const DROPPED_FROM_ANSWERS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
const COLON = 0x3a;
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/; // RFC 9110, 5.6.2

/**
 * The headers that an instance gets by HTTP/1.1, names and values in turn: those of the request as they were written, and
 * who asked by which name (knative specs, runtime-contract.md).
 */
export function requestHeaders(request: Request, added: AddedHeaders | undefined): string[] {
  const { headers, rawHeaders } = request;
  const named = headers.connection === undefined ? undefined : namesIn(headers.connection);
  const out: string[] = [];
  let cookies = '';
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = [rawHeaders[i], rawHeaders[i + 1]];
    const lower = name.toLowerCase();
    if (DROPPED.has(lower) || named?.has(lower) === true || lower.charCodeAt(0) === COLON) continue;
    if (lower !== 'cookie') out.push(name, value);
    else cookies = cookies === '' ? value : `${cookies}; ${value}`; // RFC 9113, 8.2.3
  }
  if (cookies !== '') out.push('cookie', cookies);
  if (headers.host === undefined) out.push('host', request.host);
  if (added !== undefined) out.push(...added);
  pushOrigin(out, request);
  return out;
}

/** The same by HTTP/2: RFC 9113, 8.2 and 8.3. */
export function callHeaders(request: Request, added: AddedHeaders | undefined): string[] {
  const { headers, rawHeaders, method, host, target } = request;
  const named = headers.connection === undefined ? undefined : namesIn(headers.connection);
  const out = [':method', method, ':scheme', 'http', ':authority', host, ':path', target];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = [rawHeaders[i], rawHeaders[i + 1]];
    const lower = name.toLowerCase();
    if (DROPPED.has(lower) || named?.has(lower) === true || lower.charCodeAt(0) === COLON) continue;
    if (lower !== 'host') out.push(lower, value);
  }
  if (takesTrailers(headers)) out.push('te', 'trailers');
  if (headers.trailer !== undefined) out.push('trailer', headers.trailer);
  if (added !== undefined) out.push(...added.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text)));
  pushOrigin(out, request);
  return out;
}

/** The headers of an answer without those of its connection; bytes above 0x7f stay what they were. */
export function responseHeaders(raw: readonly (Buffer | string)[]): string[] {
  const out: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = textOf(raw[i]);
    if (name.charCodeAt(0) !== COLON && !DROPPED_FROM_ANSWERS.has(name.toLowerCase()))
      out.push(name, textOf(raw[i + 1]));
  }
  return out;
}

/**
 * What a peer says of where a request comes from counts when it is trusted, and is replaced when not. `Forwarded` is made
 * of X-Forwarded-* where it is absent (serving pkg/queue/forwarded_shim.go); a trace begins here.
 */
function pushOrigin(out: string[], { headers, host, origin }: Request): void {
  const { peer, isTrusted } = origin;
  const before = isTrusted ? headers['x-forwarded-for'] : undefined;
  const nodes = before === undefined ? peer : `${String(before)}, ${peer}`;
  const proto = schemeOf(origin, headers);
  const named = isTrusted ? String(headers['x-forwarded-host'] ?? host) : host;
  out.push('x-forwarded-for', nodes, 'x-forwarded-proto', proto, 'x-forwarded-host', named);
  const said = isTrusted ? headers.forwarded : undefined;
  out.push('forwarded', said ?? forwardedOf(before === undefined ? [peer] : nodes, named, proto));
  if (headers['traceparent'] === undefined) out.push('traceparent', newTrace());
}

function forwardedOf(nodes: string | readonly [string], host: string, proto: string): string {
  const [first = '', ...others] = typeof nodes === 'string' ? nodes.split(',') : nodes;
  const element = `for=${nodeOf(first)};host=${valueOf(host)};proto=${proto}`;
  return others.length === 0 ? element : [element, ...others.map((node) => `for=${nodeOf(node)}`)].join(', ');
}

function nodeOf(address: string): string {
  const node = address.trim();
  return node.includes(':') ? `"[${node}]"` : node;
}

/** RFC 7239, 4: what is no token, as a host with its port is none, stands in quotes. */
function valueOf(host: string): string {
  return TOKEN.test(host) ? host : `"${host.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** The context of a new trace, which nobody records (W3C trace context); its one span may share digits with it. */
function newTrace(): string {
  const id = randomUUID();
  const [head, middle, tail] = [id.slice(0, 8), id.slice(9, 13) + id.slice(14, 18), id.slice(24)];
  return `00-${head}${middle}${id.slice(19, 23)}${tail}-${head}${middle}-00`;
}

function takesTrailers({ te }: Request['headers']): boolean {
  return te !== undefined && /(^|,)\s*trailers\s*(,|;|$)/i.test(String(te));
}

function textOf(raw: Buffer | string | undefined): string {
  return typeof raw === 'string' ? raw : (raw?.toString('latin1') ?? '');
}

/** What Connection lists is for this connection only, but for the attributes of an event, which never are. */
function namesIn(connection: string): ReadonlySet<string> {
  const names = connection.split(',').map((name) => name.trim().toLowerCase());
  return new Set(names.filter((name) => !name.startsWith('ce-') && name !== 'host'));
}
