import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf, PlatformError } from '../../base/errors.ts';

export type DoorOptions = {
  readonly port: number; // 0: any free one
  /** Asked for each request; undefined while there is nothing behind it yet. */
  readonly gateway: () => Behind | undefined;
  readonly onAnswer: (answered: Answered) => void;
};

/** Where the gateway is, and by which name it knows the service. */
export type Behind = {
  readonly address: { readonly host: string; readonly port: number };
  readonly serviceHost: string;
};

export type Answered = {
  readonly method: string;
  readonly path: string;
  readonly code: number;
  readonly tookMs: number;
};

/** A service at an address of its own, on loopback: for browsers and programs that resolve no `*.localhost`. */
export class Door {
  readonly #options: DoorOptions;
  readonly #server: Server;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#server = createServer((incoming, response) => this.#forward(incoming, response));
    this.#server.requestTimeout = 0; // the gateway has the deadlines
    this.#server.on('upgrade', (incoming, socket, head) => this.#tunnel(incoming, socket, head));
  }

  /** Resolves with its URL; rejects with a PlatformError when the port is taken. */
  open(): Promise<string> {
    const { port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause) =>
        reject(
          new PlatformError('PORT_TAKEN', `--port ${port}: ${messageOf(cause)}`, { retryable: false, cause }),
        ),
      );
      this.#server.listen(port, '127.0.0.1', () => {
        const bound = this.#server.address() as AddressInfo; // a TCP server that listens has one
        resolve(`http://127.0.0.1:${bound.port}/`);
      });
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #forward(incoming: IncomingMessage, response: ServerResponse): void {
    const behind = this.#options.gateway();
    if (behind === undefined) return void response.writeHead(503, PLAIN).end('it has not been ready yet\n');
    const { onAnswer } = this.#options;
    const startMs = performance.now();
    const { method = 'GET', url = '/' } = incoming;
    const headers = headersFor(incoming, behind);
    const outgoing = request({ ...behind.address, method, path: url, headers }, (answer) => {
      const code = answer.statusCode ?? 502;
      response.writeHead(code, answer.statusMessage, answer.rawHeaders);
      answer.pipe(response);
      answer.once('end', () => onAnswer({ method, path: url, code, tookMs: performance.now() - startMs }));
      answer.once('error', () => response.destroy());
    });
    outgoing.once('error', (error) => {
      if (response.headersSent) return void response.destroy();
      response.writeHead(502, PLAIN).end(`${messageOf(error)}\n`);
    });
    response.once('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  }

  /** WebSocket and the like: bytes both ways. */
  #tunnel(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    const behind = this.#options.gateway();
    if (behind === undefined) return void socket.destroy();
    const upstream = connect(behind.address, () => {
      const lines = headerLines(incoming, behind);
      upstream.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
    for (const [one, other] of [
      [upstream, socket],
      [socket, upstream],
    ] as const) {
      one.once('error', () => other.destroy());
      one.once('close', () => other.destroy());
    }
  }
}

const PLAIN = { 'content-type': 'text/plain; charset=utf-8' };

function headersFor({ headers }: IncomingMessage, { serviceHost }: Behind): IncomingMessage['headers'] {
  return { ...headers, host: serviceHost };
}

function headerLines({ rawHeaders }: IncomingMessage, { serviceHost }: Behind): readonly string[] {
  const names = rawHeaders.filter((_, i) => i % 2 === 0);
  return names.map((name, i) => {
    const value = name.toLowerCase() === 'host' ? serviceHost : (rawHeaders[i * 2 + 1] ?? '');
    return `${name}: ${value}`;
  });
}
