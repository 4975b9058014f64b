import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { PlatformError } from '../base/errors.ts';
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
};

export interface OpenServer {
  readonly port: number;
  /** `127.0.0.1:8080` */
  readonly address: string;
  /** Stops accepting, waits for what is in flight, cuts it after `graceMs`; twice is as good as once (H4). */
  close(graceMs: number): Promise<void>;
}

/** Node keeps this many header pairs and drops the rest without a word. */
const HEADERS_MAX = 1000;

/** Opens a listener; rejects with PORT_TAKEN, naming address and flag, when somebody else has the port. */
export async function openServer(listener: Listener): Promise<OpenServer> {
  const server = listener.tls === undefined ? createServer() : createTlsServer(listener.tls);
  server.headersTimeout = 10_000;
  server.requestTimeout = listener.requestTimeoutMs ?? 60_000;
  server.keepAliveTimeout = 65_000;
  server.maxHeadersCount = HEADERS_MAX + 1;
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.rawHeaders.length > 2 * HEADERS_MAX) {
      answerText(response, 431, `more than ${HEADERS_MAX} headers`); // H2
    } else {
      listener.onRequest(request, response);
    }
  });
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    response.writeContinue();
    server.emit('request', request, response);
  });
  if (listener.onUpgrade !== undefined) server.on('upgrade', listener.onUpgrade);
  await listen(server, listener);
  const { port } = server.address() as AddressInfo; // a TCP server that listens has one
  let closing: Promise<void> | undefined;
  return {
    port,
    address: `${listener.host}:${port}`,
    close: (graceMs) => (closing ??= drain(server, graceMs)),
  };
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

function drain(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
