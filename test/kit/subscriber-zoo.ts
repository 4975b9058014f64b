import type { Socket } from 'node:net';
import { brokenSubscriber, refusedUrl, type Subscriber } from './subscribers.ts';

/** A way to break: what it is, the reason that each attempt must give within 300 ms, and the subscriber itself. */
export type Breakage = {
  readonly what: string;
  readonly reason: string;
  readonly open: () => Promise<Subscriber>;
};

const CLOSED = 'the connection was closed before a whole answer';
const LATE = 'no answer within 300 ms';

const atAccept = (treat: (socket: Socket) => void) => () => brokenSubscriber(treat);
const atRequest = (treat: (socket: Socket) => void) => () =>
  brokenSubscriber((socket) => socket.on('data', () => treat(socket)));
const writing = (bytes: string) => atRequest((socket) => socket.write(bytes));
const ending = (bytes: string) => atRequest((socket) => socket.end(bytes));

const refused = async (): Promise<Subscriber> => ({
  url: await refusedUrl(),
  requests: [],
  close: () => undefined,
});
const spokenToInTls = async (): Promise<Subscriber> => {
  const plain = await ending('HTTP/1.1 400 Bad Request\r\n\r\n')();
  return { ...plain, url: plain.url.replace('http:', 'https:') };
};

function dribbling(first: string, more: string): () => Promise<Subscriber> {
  return atAccept((socket) => {
    socket.resume().write(first);
    const timer = setInterval(() => socket.write(more), 40);
    socket.on('close', () => clearInterval(timer));
  });
}

/** Subscribers that never give a whole answer (reliability, R13). */
export const ZOO: readonly Breakage[] = [
  { what: 'nobody listens', reason: 'connection refused', open: refused },
  {
    what: 'resets each connection',
    reason: 'connection reset',
    open: atAccept((socket) => socket.resetAndDestroy()),
  },
  { what: 'closes each connection', reason: CLOSED, open: atAccept((socket) => socket.resume().end()) },
  {
    what: 'resets once it has the request',
    reason: 'connection reset',
    open: atRequest((socket) => socket.resetAndDestroy()),
  },
  {
    what: 'closes once it has the request',
    reason: CLOSED,
    open: atRequest((socket) => socket.end()),
  },
  { what: 'hangs', reason: LATE, open: atAccept(() => undefined) },
  { what: 'dribbles its headers', reason: LATE, open: dribbling('HTTP/1.1 200 OK\r\n', 'x: y\r\n') },
  {
    what: 'dribbles its body',
    reason: 'no whole answer (200) within 300 ms',
    open: dribbling('HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n', 'x'),
  },
  {
    what: 'hangs after 103 Early Hints',
    reason: LATE,
    open: writing('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'),
  },
  {
    what: 'says 100 Continue unasked',
    reason: 'answered 100 Continue without being asked for it',
    open: writing('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'),
  },
  {
    what: 'switches protocols unasked',
    reason: 'answered 101 Switching Protocols without being asked for it',
    open: writing('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
  },
  {
    what: 'answers garbage',
    reason: 'Response does not match the HTTP/1.1 protocol (Expected HTTP/, RTSP/ or ICE/)',
    open: ending('garbage\r\n\r\n'),
  },
  {
    what: 'breaks its chunks',
    reason:
      'the answer (200) was cut short: Response does not match the HTTP/1.1 protocol (Invalid character in chunk size)',
    open: writing('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'),
  },
  {
    what: 'cuts its answer short',
    reason: `the answer (200) was cut short: ${CLOSED}`,
    open: ending('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nshort'),
  },
  {
    what: 'cuts its chunks short',
    reason: `the answer (200) was cut short: ${CLOSED}`,
    open: ending('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nsho'),
  },
  {
    what: 'sends headers without end',
    reason: 'the headers of the answer are too large',
    open: atRequest((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      pour(socket, Buffer.from('a: b\r\n'.repeat(10_000)));
    }),
  },
  {
    what: 'speaks no TLS at an https address',
    reason: 'no TLS is spoken there; is it an http address?',
    open: spokenToInTls,
  },
];

/** A subscriber that refuses with 413 before it has read the event, and reads no further. */
export const earlyRefusal = ending('HTTP/1.1 413 Payload Too Large\r\ncontent-length: 7\r\n\r\ntoo big');

/** A subscriber whose answer has no end; `sent` says how much of it went out. */
export async function endlessAnswer(head: string): Promise<Subscriber & { readonly sent: () => number }> {
  let sent = 0;
  const chunk = Buffer.alloc(65_536, 'x');
  const endless = await brokenSubscriber((socket) =>
    socket.once('data', () => {
      socket.write(head);
      pour(socket, chunk, () => (sent += chunk.length));
    }),
  );
  return { ...endless, sent: () => sent };
}

function pour(socket: Socket, chunk: Buffer, told: () => void = () => undefined): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk)) told();
  };
  socket.on('drain', more);
  more();
}
