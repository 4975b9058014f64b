import type { Socket } from 'node:net';

/** How every HTTP/2 connection with prior knowledge begins (RFC 9113, 3.4); no method of HTTP/1.1 begins so. */
const PREFACE = Buffer.from('PRI ');

export type FirstBytes = {
  readonly http1: (socket: Socket) => void;
  readonly http2: (socket: Socket) => void;
  /** A connection that has not said which of the two it speaks by then is closed. */
  readonly timeoutMs: number;
};

/** Reads the first bytes of a connection, once, puts them back, and hands it to whoever speaks what they begin. */
export function sortByFirstBytes(socket: Socket, { http1, http2, timeoutMs }: FirstBytes): void {
  let held: Buffer = Buffer.alloc(0); // put back only at the end: whoever waits for bytes would be told of them again
  const give = (take: (socket: Socket) => void): void => {
    socket.off('readable', look).off('timeout', cut).off('end', cut).off('error', ignore);
    socket.setTimeout(0);
    socket.unshift(held);
    take(socket);
  };
  const look = (): void => {
    const bytes: Buffer | null = socket.read() as Buffer | null; // no encoding is set
    if (bytes === null) return;
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    const length = Math.min(held.length, PREFACE.length);
    if (held.compare(PREFACE, 0, length, 0, length) !== 0) give(http1);
    else if (length === PREFACE.length) give(http2);
  };
  const cut = (): void => void socket.destroy();
  // Whoever ends its half before the first bytes asks for nothing.
  socket.setTimeout(timeoutMs).on('timeout', cut).on('end', cut).on('error', ignore).on('readable', look);
}

/** 'close' follows. */
function ignore(): void {}
