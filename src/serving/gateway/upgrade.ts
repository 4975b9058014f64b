import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ReadySlot } from '../activator/slot.ts';
import { requestHeaders, responseHeaders } from './forwarding-headers.ts';
import type { ProxyEnd } from './proxy.ts';

export type Upgrade = {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What the client has sent already after its head. */
  readonly head: Buffer;
  readonly slot: ReadySlot;
  readonly timeoutMs: number; // of the whole connection, as upstream has it
  readonly idleTimeoutMs: number; // 0: none
};

/** Hands a connection that asks for another protocol (WebSocket) through to an instance; calls `done` once, at its end. */
export function passUpgrade(upgrade: Upgrade, done: (end: ProxyEnd) => void): void {
  const { request, socket, slot, timeoutMs } = upgrade;
  const outgoing = httpRequest({
    host: '127.0.0.1',
    port: slot.running.instance.port,
    method: request.method ?? 'GET',
    path: request.url ?? '/',
    headers: [
      ...requestHeaders(request),
      'connection',
      'Upgrade',
      'upgrade',
      String(request.headers.upgrade),
    ],
    agent: false,
  });
  const timer = setTimeout(() => end({ code: 504, isSuspect: false }), timeoutMs);
  let isOver = false;
  const end = (how: ProxyEnd): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    outgoing.destroy();
    if (!socket.writableEnded) socket.destroy();
    done(how);
  };
  socket.once('close', () => end({ code: 499, isSuspect: false }));
  outgoing.once('upgrade', (response, upstream, upstreamHead) => {
    join({ upgrade, response, upstream, upstreamHead }, () => end({ code: 101, isSuspect: false }));
  });
  outgoing.once('response', (response) => {
    decline(socket, response, () => end({ code: response.statusCode ?? 502, isSuspect: false }));
  });
  outgoing.once('error', () => {
    if (isOver) return;
    socket.end('HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    end({ code: 502, isSuspect: true });
  });
  outgoing.end();
}

function join(
  {
    upgrade: { socket, head, idleTimeoutMs },
    response,
    upstream,
    upstreamHead,
  }: {
    readonly upgrade: Upgrade;
    readonly response: IncomingMessage;
    readonly upstream: Duplex & { setTimeout?: (ms: number, onTimeout: () => void) => unknown };
    readonly upstreamHead: Buffer;
  },
  end: () => void,
): void {
  socket.write(headOf(response, response.rawHeaders));
  if (upstreamHead.length > 0) socket.write(upstreamHead);
  if (head.length > 0) upstream.write(head);
  if (idleTimeoutMs > 0) upstream.setTimeout?.(idleTimeoutMs, end);
  upstream.on('error', end);
  upstream.once('close', end);
  socket.once('close', () => upstream.destroy());
  socket.pipe(upstream);
  upstream.pipe(socket);
}

/** An ordinary answer instead: it is the last on this connection, since both sides may disagree on what follows. */
function decline(socket: Duplex, response: IncomingMessage, end: () => void): void {
  socket.write(headOf(response, [...responseHeaders(response.rawHeaders), 'connection', 'close']));
  response.pipe(socket);
  response.once('close', end);
}

function headOf({ statusCode, statusMessage }: IncomingMessage, raw: readonly string[]): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let i = 0; i + 1 < raw.length; i += 2) lines.push(`${raw[i]}: ${raw[i + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
