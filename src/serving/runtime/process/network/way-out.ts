import {
  createServer as createHttpServer,
  request,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { HostRoute } from '../runner-protocol.ts';
import { bridge, takeOver } from './bridge.ts';

type Place = { readonly host: string; readonly port: number };

/** What connects inside goes to this place outside. */
export function forwarding({ host, port }: Place): (server: Server) => Server {
  return (server) => takeOver(server, (socket) => void bridge(socket, port, host));
}

/**
 * What connects inside is an HTTP proxy (RFC 9110 §7.6, CONNECT and absolute-form), which reaches whatever the platform
 * reaches, and the names that its own listeners answer for.
 */
export function proxying(routes: readonly HostRoute[]): (server: Server) => Server {
  const proxy = createHttpServer((incoming, response) => passOn(incoming, response, routes));
  proxy.on('connect', (incoming: IncomingMessage, socket: Duplex, head: Buffer) =>
    tunnel(incoming, socket, head, routes),
  );
  return (server) => takeOver(server, (socket) => void proxy.emit('connection', socket));
}

/** The variables by which programs find a proxy, and what they are to reach without. */
export function proxyEnv(port: number): Readonly<Record<string, string>> {
  const proxy = `http://127.0.0.1:${port}`;
  const direct = 'localhost,127.0.0.1,::1';
  return {
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    NO_PROXY: direct,
    no_proxy: direct,
    NODE_USE_ENV_PROXY: '1',
  };
}

function placeOf(host: string, port: number, routes: readonly HostRoute[]): Place {
  const route = routes.find(
    ({ suffix, ports }) => host.endsWith(suffix) && (ports === undefined || ports.includes(port)),
  );
  return route === undefined
    ? { host: host.replace(/^\[|\]$/g, ''), port }
    : { host: route.host, port: route.port };
}

/** Not to be passed on (RFC 9110 §7.6.1). */
const OF_THE_HOP = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'proxy-authorization',
  'te',
  'upgrade',
]);

function passOn(incoming: IncomingMessage, response: ServerResponse, routes: readonly HostRoute[]): void {
  const { url = '', method, headers } = incoming;
  if (!URL.canParse(url) || !url.startsWith('http://')) {
    response.writeHead(400).end('this is a proxy: it takes absolute http URLs, and CONNECT\n');
    return;
  }
  const { hostname, port, pathname, search, host } = new URL(url);
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_THE_HOP.has(name)));
  const outgoing = request({
    ...placeOf(hostname, Number(port || 80), routes),
    method,
    path: pathname + search,
    headers: { ...kept, host },
    agent: false,
  });
  outgoing.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  outgoing.on('error', ({ message }) => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502).end(`${host}: ${message}\n`);
  });
  response.on('close', () => outgoing.destroy());
  incoming.pipe(outgoing);
}

function tunnel(
  { url = '' }: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  routes: readonly HostRoute[],
): void {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(url) ?? [];
  const place = placeOf(host, Number(port), routes);
  const outer = socket as Socket; // of a server that only has been given sockets of TCP
  if (port === '') return void outer.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  const inner = bridge(outer, place.port, place.host);
  inner.write(head);
  inner.once('connect', () => outer.write('HTTP/1.1 200 Connection established\r\n\r\n'));
}
