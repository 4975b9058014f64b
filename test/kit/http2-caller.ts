import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';

export type Called = {
  readonly code: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly rstCode: number;
};

/** A client of HTTP/2 that knows beforehand that it is spoken: one connection. */
export class Http2Caller {
  readonly session: ClientHttp2Session;
  readonly #host: string;
  goneAway = false;

  constructor(port: number, host: string) {
    this.#host = host;
    this.session = connect(`http://127.0.0.1:${port}`);
    this.session.on('error', () => undefined);
    this.session.on('goaway', () => (this.goneAway = true));
  }

  open(path: string, headers: OutgoingHttpHeaders = {}, isAll = false): ClientHttp2Stream {
    const own = { ':path': path, ':authority': this.#host, ...headers };
    const stream = this.session.request(own, { endStream: isAll, waitForTrailers: false });
    stream.on('error', () => undefined);
    return stream;
  }

  /** Resolves once the stream is closed, however. */
  ask(path: string, headers: OutgoingHttpHeaders = {}, body?: string | Buffer): Promise<Called> {
    const method = body === undefined ? 'GET' : 'POST';
    const stream = this.open(path, { ':method': method, ...headers }, body === undefined);
    const called = calledBy(stream);
    if (body !== undefined) stream.end(body);
    return called;
  }

  close(): void {
    this.session.destroy();
  }
}

export function calledBy(stream: ClientHttp2Stream): Promise<Called> {
  return new Promise((resolve) => {
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    stream.on('response', (all) => (headers = all));
    stream.on('trailers', (all) => (trailers = all));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('close', () => {
      const code = Number(headers[':status'] ?? 0);
      resolve({
        code,
        headers,
        trailers,
        text: Buffer.concat(chunks).toString(),
        rstCode: stream.rstCode ?? 0,
      });
    });
  });
}
