import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import type { Http2Call } from '../../http/http2-server.ts';
import { objectOf, type Head, type Inbound } from './inbound.ts';
import type { Origin } from './origin.ts';
import type { Refusal } from './refusal.ts';

const { NGHTTP2_NO_ERROR } = constants;

/** A request that came by HTTP/2: one stream of its connection. */
export class Http2Inbound implements Inbound {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly origin: Origin;
  readonly body: Readable | undefined;
  trailers: readonly string[] = [];
  #trailing: readonly string[] = [];

  constructor({ stream, headers, rawHeaders }: Http2Call, origin: Origin) {
    this.stream = stream;
    this.headers = headers;
    this.rawHeaders = rawHeaders;
    this.origin = origin;
    this.body = stream.endAfterHeaders ? undefined : stream;
    if (headers.trailer !== undefined)
      stream.on('trailers', (_headers, _flags, raw) => (this.trailers = raw));
  }

  get method(): string {
    return this.headers[':method'] ?? 'GET';
  }

  get target(): string {
    return this.headers[':path'] ?? '/';
  }

  get host(): string {
    return this.headers[':authority'] ?? this.headers.host ?? '';
  }

  get asksToContinue(): boolean {
    return this.body !== undefined && /^100-continue$/i.test(this.headers.expect ?? '');
  }

  get hasBegun(): boolean {
    return this.stream.headersSent;
  }

  proceed(): void {
    if (!this.stream.destroyed && !this.stream.headersSent) this.stream.additionalHeaders({ ':status': 100 });
  }

  begin({ code, headers, isAll, mayTrail }: Head): void {
    if (this.stream.destroyed || this.stream.closed) return;
    const waitForTrailers = mayTrail && !isAll;
    this.stream.respond([':status', String(code), ...headers], { endStream: isAll, waitForTrailers });
    if (waitForTrailers)
      this.stream.once('wantTrailers', () => this.stream.sendTrailers(objectOf(this.#trailing)));
  }

  end(trailers: readonly string[]): void {
    this.#trailing = trailers;
    if (this.body === undefined || this.stream.readableEnded) return void this.stream.end();
    // What the client still sends has no reader: RFC 9113, 8.1.
    this.stream.end(() => this.stream.close(NGHTTP2_NO_ERROR));
    this.stream.resume();
  }

  /** With an error, a reset: close() would end the answer first, as if it were whole. */
  cut(): void {
    this.stream.destroy(new Error('cut short'));
  }

  refuse({ code, text, headers = {} }: Refusal): void {
    if (this.stream.destroyed || this.stream.closed) return;
    if (this.stream.headersSent) return this.cut();
    const { connection: _, ...own } = headers;
    const body = Buffer.from(text === '' ? '' : `${text}\n`);
    const type = 'text/plain; charset=utf-8';
    this.stream.respond({ ':status': code, 'content-type': type, 'content-length': body.length, ...own });
    this.stream.write(body);
    this.end([]);
  }
}
