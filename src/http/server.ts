import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PlatformError } from '../base/errors.ts';
import { HEADER_BYTES_MAX } from './header-limit.ts';
import { answerText } from './respond.ts';

export type Listener = {
  /** For messages: `events`, `gateway`. */
  readonly name: string;
  /** The flag that moves it, named when its port is taken. */
  readonly flag?: string;
  readonly host: string;
  readonly port: number; // 0: any free one
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  readonly tls?: Pick<TlsOptions, 'key' | 'cert' | 'ca' | 'requestCert' | 'rejectUnauthorized'>;
  /** A request that has not come in whole by then is answered 408; 0: no limit (the gateway streams). */
  readonly requestTimeoutMs?: number;
  /** Headers that are not complete by then end the connection with 408. */
  readonly headersTimeoutMs?: number;
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
}

/** Node keeps this many header pairs and drops the rest without a word. */
const HEADERS_MAX = 1000;
const SWEEP_MS = 50;

/** Opens a listener; rejects with PORT_TAKEN, naming address and flag, when somebody else has the port. */
export async function openServer(listener: Listener): Promise<OpenServer> {
  const options = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: listener.headersTimeoutMs ?? 10_000,
    requestTimeout: listener.requestTimeoutMs ?? 60_000,
    connectionsCheckingInterval: 1000, // how late both may be noticed
    keepAliveTimeout: 65_000,
  };
  const server =
    listener.tls === undefined ? createServer(options) : createTlsServer({ ...options, ...listener.tls });
  server.maxHeadersCount = HEADERS_MAX + 1;
  const open = new HttpServer(server, listener);
  await listen(server, listener);
  open.port = (server.address() as AddressInfo).port; // a TCP server that listens has one
  return open;
}

class HttpServer implements OpenServer {
  port = 0;
  readonly #server: Server;
  readonly #listener: Listener;
  readonly #sockets = new Set<Socket>(); // Node's own list forgets those that were upgraded
  #closing: Promise<void> | undefined;
  #cutTimer: NodeJS.Timeout | undefined;

  constructor(server: Server, listener: Listener) {
    this.#server = server;
    this.#listener = listener;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (this.#closing !== undefined) response.shouldKeepAlive = false;
      const fault = faultIn(request);
      if (fault === undefined) listener.onRequest(request, response);
      else answerText(response, fault.code, fault.reason, { connection: 'close' });
    });
    if (listener.onUpgrade !== undefined) server.on('upgrade', listener.onUpgrade);
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
    // Node counts a connection that has never sent a byte as busy: a browser's spare one would hold the stop up.
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
    // A connection whose last answer ends during the drain becomes idle, and Node would keep it for its next request.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), SWEEP_MS);
    await closed;
    clearInterval(sweep);
    clearTimeout(this.#cutTimer);
  }
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
