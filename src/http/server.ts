import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  createServer as createTlsServer,
  Server as TlsServer,
  type ServerOptions as TlsOptions,
} from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext, TLSSocket } from 'node:tls';
import { PlatformError } from '../base/errors.ts';
import { sortByFirstBytes } from './first-bytes.ts';
import { HEADER_BYTES_MAX, HEADERS_MAX } from './header-limit.ts';
import { faultInCall, Http2Front, inShapeOfHttp1, type Http2Call } from './http2-server.ts';
import { answerText } from './respond.ts';

export type Listener = {
  /** For messages: `events`, `gateway`. */
  readonly name: string;
  /** The flag that moves it, named when its port is taken. */
  readonly flag?: string;
  readonly host: string;
  readonly port: number; // 0: any free one
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** Of requests without a body; with one, or to HTTP/2, nothing is upgraded and `onRequest` answers. */
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Which of those go to `onUpgrade`; `onRequest` answers the others. Absent: all. */
  readonly takesUpgrade?: (request: IncomingMessage) => boolean;
  /**
   * Where given, the listener speaks HTTP/2, too: without TLS to clients that know so beforehand. What this does not take
   * (false) goes to `onRequest`, in the shape that HTTP/1.1 has in Node.
   */
  readonly onCall?: (call: Http2Call) => boolean;
  /** `onRequest` itself says `100 Continue` where that is expected; otherwise it is said at once. */
  readonly saysContinue?: boolean;
  readonly tls?: ListenerTls;
  /** A request that has not come in whole by then is answered 408; 0: no limit (the gateway streams). */
  readonly requestTimeoutMs?: number;
  /** Headers that are not complete by then end the connection with 408. */
  readonly headersTimeoutMs?: number;
};

export type ListenerTls = Pick<TlsOptions, 'key' | 'cert' | 'ca' | 'requestCert' | 'rejectUnauthorized'> & {
  /** What is shown to a client that asks for a name; undefined: there is nothing for it. */
  readonly contextFor?: (name: string) => SecureContext | undefined;
};

export interface OpenServer {
  readonly port: number;
  /** `127.0.0.1:8080` */
  readonly address: string;
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /**
   * Stops accepting, ends idle connections, waits for what is in flight and cuts it after `graceMs`; twice is as good
   * as once, and a second call with less grace cuts sooner (H4).
   */
  close(graceMs: number): Promise<void>;
  /** What a client of TLS is shown that asks for no name, from its next connection on. */
  showToNameless(certificate: { readonly cert: Buffer; readonly key: Buffer }): void;
}

const HEADERS_TIMEOUT_MS = 10_000;
const SWEEP_MS = 50;

/** Opens a listener; rejects with PORT_TAKEN, naming address and flag, when somebody else has the port. */
export async function openServer(listener: Listener): Promise<OpenServer> {
  const options = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: listener.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
    requestTimeout: listener.requestTimeoutMs ?? 60_000,
    connectionsCheckingInterval: 1000, // how late both may be noticed
    keepAliveTimeout: 65_000,
    ...(listener.onUpgrade !== undefined && {
      shouldUpgradeCallback: (request: IncomingMessage): boolean =>
        isUpgrade(request) && (listener.takesUpgrade?.(request) ?? true),
    }),
  };
  const { tls } = listener;
  const server =
    tls === undefined
      ? createServer(options)
      : createTlsServer({ ...options, ...handshakeOf(listener, tls) });
  server.maxHeadersCount = HEADERS_MAX + 1; // Node drops what is beyond without a word
  const open = new HttpServer(server, listener);
  await listen(server, listener);
  open.port = (server.address() as AddressInfo).port; // a TCP server that listens has one
  return open;
}

/** HTTP/2 is agreed on where it is spoken; a handshake has as long as the headers of a request. */
function handshakeOf(
  { onCall, headersTimeoutMs }: Listener,
  { contextFor, ...tls }: ListenerTls,
): TlsOptions {
  return {
    ...tls,
    handshakeTimeout: headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
    ...(onCall !== undefined && { ALPNProtocols: ['h2', 'http/1.1'] }),
    ...(contextFor !== undefined && { SNICallback: (name, done) => done(null, contextFor(name)) }),
  };
}

class HttpServer implements OpenServer {
  port = 0;
  readonly #server: Server;
  readonly #listener: Listener;
  readonly #sockets = new Set<Socket>(); // Node's own list forgets those that were upgraded
  readonly #silent = new Set<TLSSocket>(); // whose handshake has been read, and nothing else
  readonly #http2: Http2Front | undefined;
  #closing: Promise<void> | undefined;
  #cutTimer: NodeJS.Timeout | undefined;

  constructor(server: Server, listener: Listener) {
    this.#server = server;
    this.#listener = listener;
    server.prependListener('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    if (listener.tls !== undefined)
      server.prependListener('secureConnection', (socket: TLSSocket) => this.#awaitWord(socket));
    server.on('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#answer(request, response),
    );
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      if (listener.saysContinue !== true) response.writeContinue();
      this.#answer(request, response);
    });
    if (listener.onUpgrade !== undefined) server.on('upgrade', listener.onUpgrade);
    if (listener.onCall !== undefined) this.#http2 = this.#speakHttp2(listener.onCall);
  }

  /** Until its first word it has asked for nothing; HTTP/2 has a way of its own to end such a connection. */
  #awaitWord(socket: TLSSocket): void {
    if (socket.alpnProtocol === 'h2') return;
    const forget = (): unknown => this.#silent.delete(socket);
    this.#silent.add(socket);
    socket.once('data', forget).once('close', forget);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.#closing !== undefined) response.shouldKeepAlive = false;
    const fault = faultIn(request);
    if (fault === undefined) this.#listener.onRequest(request, response);
    else answerText(response, fault.code, fault.reason, { connection: 'close' });
  }

  /** Node's own listener for connections gets those that begin as HTTP/1.1 does; in TLS, those that have not agreed on HTTP/2. */
  #speakHttp2(onCall: NonNullable<Listener['onCall']>): Http2Front {
    const timeoutMs = this.#listener.headersTimeoutMs ?? HEADERS_TIMEOUT_MS;
    const front = new Http2Front((call) => this.#answerCall(call, onCall), timeoutMs);
    const event = this.#listener.tls === undefined ? 'connection' : 'secureConnection';
    const toNode = this.#server.listeners(event).at(-1);
    if (toNode === undefined) throw new Error('node:http does not listen for connections');
    this.#server.off(event, toNode as (socket: Socket) => void);
    const toHttp2 = front.take.bind(front);
    const toHttp1 = toNode.bind(this.#server);
    this.#server.on(event, (socket: Socket | TLSSocket) => {
      if (!('alpnProtocol' in socket))
        sortByFirstBytes(socket, { http1: toHttp1, http2: toHttp2, timeoutMs });
      else if (socket.alpnProtocol === 'h2') toHttp2(socket);
      else toHttp1(socket);
    });
    return front;
  }

  #answerCall(call: Http2Call, onCall: NonNullable<Listener['onCall']>): void {
    const fault = faultInCall(call);
    if (fault === undefined && onCall(call)) return;
    const { request, response } = inShapeOfHttp1(call);
    // They have what every handler here uses of those of HTTP/1.1; headers of the connection are dropped by them.
    const asHttp1 = response as unknown as ServerResponse;
    if (fault === undefined) this.#listener.onRequest(request as unknown as IncomingMessage, asHttp1);
    else answerText(asHttp1, fault.code, fault.reason);
  }

  showToNameless(certificate: { readonly cert: Buffer; readonly key: Buffer }): void {
    if (this.#server instanceof TlsServer) this.#server.setSecureContext({ ...certificate });
  }

  get address(): string {
    const { host } = this.#listener;
    return `${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  get url(): string {
    return `${this.#listener.tls === undefined ? 'http' : 'https'}://${this.address}`;
  }

  close(graceMs: number): Promise<void> {
    const cutAtOnce = (): void => this.#sockets.forEach((socket) => socket.destroy());
    if (this.#closing === undefined || graceMs === 0) {
      clearTimeout(this.#cutTimer);
      this.#cutTimer = setTimeout(cutAtOnce, graceMs);
    }
    return (this.#closing ??= this.#drain());
  }

  async #drain(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#http2?.close();
    // Node counts a connection that has never sent a byte as busy: a browser's spare one would hold the stop up.
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
    for (const socket of this.#silent) socket.destroy();
    // A connection whose last answer ends during the drain becomes idle, and Node would keep it for its next request.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), SWEEP_MS);
    await closed;
    clearInterval(sweep);
    clearTimeout(this.#cutTimer);
  }
}

/** An upgrade to HTTP/2 is never needed, and one with a body could not keep it (RFC 9110, 7.8: a server may ignore it). */
function isUpgrade({ headers }: IncomingMessage): boolean {
  const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
  return !hasBody && !/^\s*h2c?\s*$/i.test(headers.upgrade ?? '');
}

type RequestFault = { readonly code: 400 | 431; readonly reason: string };

/** What Node lets through and a careful server does not (RFC 9112, 3.2). */
function faultIn({ rawHeaders, url = '', method }: IncomingMessage): RequestFault | undefined {
  if (rawHeaders.length > 2 * HEADERS_MAX) return { code: 431, reason: `more than ${HEADERS_MAX} headers` }; // H2
  if (url.charCodeAt(0) !== 0x2f && !(url === '*' && method === 'OPTIONS'))
    return { code: 400, reason: 'the request target must be a path' };
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    if (name.length !== 17 || name.toLowerCase() !== 'transfer-encoding') continue;
    const encoding = rawHeaders[i + 1] ?? '';
    if (encoding.toLowerCase() !== 'chunked')
      return { code: 400, reason: `transfer-encoding: ${encoding} is not taken` };
  }
  return hosts > 1 ? { code: 400, reason: 'host: given twice' } : undefined;
}

function listen(server: Server, { name, flag, host, port }: Listener): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === 'EADDRINUSE';
      const where = `${host}:${port}`;
      const message = isTaken
        ? `the ${name} listener cannot have ${where}: another program listens there${flag === undefined ? '' : ` (${flag} moves it)`}`
        : `the ${name} listener cannot open ${where}: ${cause.message}`;
      reject(
        new PlatformError(isTaken ? 'PORT_TAKEN' : 'LISTEN_FAILED', message, { retryable: false, cause }),
      );
    });
    server.listen({ host, port, backlog: 4096 }, resolve);
  });
}
