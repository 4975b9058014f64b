import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Slot } from '../activator/slot.ts';
import { requestHeaders } from './forwarding-headers.ts';

/** Hands a connection that asks for another protocol (WebSocket) through to an instance; calls `done` at its end. */
export function passUpgrade(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  slot: Slot,
  done: () => void,
): void {
  const { method = 'GET', url = '/', headers } = incoming;
  const outgoing = httpRequest({
    host: '127.0.0.1',
    port: slot.instance?.port,
    method,
    path: url,
    headers: { ...requestHeaders(incoming), connection: 'Upgrade', upgrade: String(headers.upgrade) },
    agent: false,
  });
  let isDone = false;
  const end = (): void => {
    if (isDone) return;
    isDone = true;
    socket.destroy();
    done();
  };
  outgoing.on('upgrade', (response, upstream, upstreamHead) => {
    socket.write(headOf(response));
    if (upstreamHead.length > 0) socket.write(upstreamHead);
    if (head.length > 0) upstream.write(head);
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      from.pipe(to);
      from.on('error', end);
      from.on('close', () => {
        to.destroy();
        end();
      });
    }
  });
  outgoing.on('response', (response) => {
    socket.write(headOf(response)); // it declined
    response.pipe(socket);
    response.on('close', end);
  });
  outgoing.on('error', () => {
    socket.end('HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    end();
  });
  socket.on('error', end);
  outgoing.end();
}

function headOf({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
