import { connect, createServer, type Server, type Socket } from 'node:net';

const HOST = '127.0.0.1';

/** A server for a listening socket that was handed over; each side of its connections may end by itself. */
export function takeOver(handle: Server, accept: (socket: Socket) => void): Server {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
  // Without sockets left to accept from, connections are refused, and that is told by who is refused.
  server.on('error', () => undefined);
  return server.listen(handle);
}

/** Joins a connection with one to `host`; what becomes of the one becomes of the other: its end, or its reset. */
export function bridge(outer: Socket, port: number, host = HOST): Socket {
  const inner = connect({ port, host, allowHalfOpen: true, noDelay: true });
  outer.pipe(inner);
  inner.pipe(outer);
  cutTogether(outer, inner);
  cutTogether(inner, outer);
  return inner;
}

/** A reset stays one; a connection that is refused is one for who had been let in already. */
export function cutTogether(one: Socket, other: Socket): void {
  one.on('error', () => other.resetAndDestroy());
  one.on('close', () => {
    if (!one.readableEnded) other.destroy();
  });
}
