import { constants, type ClientHttp2Stream, type Http2Session, type IncomingHttpHeaders } from 'node:http2';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { Http2Client } from '../../http/http2-client.ts';
import { Exchange, notAnswered, type ExchangeOptions } from './exchange.ts';
import { callHeaders } from './forwarding-headers.ts';
import { objectOf } from './inbound.ts';

const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;
/** The connection failed, rather than one request on it. */
const CONNECTION_FAULTS = new Set(['HTTP2_UNREACHABLE', 'HTTP2_NOT_SPOKEN']);

export type Http2ExchangeOptions = ExchangeOptions & {
  /** Takes over when the instance turns out not to speak HTTP/2; it is told so instead where this is not given. */
  readonly otherwise?: () => void;
};

/** To an instance that speaks HTTP/2: one stream of a connection that its requests share. */
export class Http2Exchange extends Exchange {
  readonly #client: Http2Client;
  #stream: ClientHttp2Stream | undefined;
  #hasRetried = false;
  readonly #otherwise: (() => void) | undefined;

  static send(client: Http2Client, options: Http2ExchangeOptions): void {
    new Http2Exchange(client, options).#send();
  }

  private constructor(client: Http2Client, options: Http2ExchangeOptions) {
    super(options);
    this.#client = client;
    this.#otherwise = options.otherwise;
  }

  /** close() would end the request first, as if it were whole; destroy() resets it. */
  protected abort(reason: string): void {
    const stream = this.#stream;
    if (stream === undefined || stream.writableFinished) stream?.close(NGHTTP2_CANCEL);
    else stream.destroy(new Error(reason));
  }

  #send(): void {
    const { inbound } = this;
    const headers = callHeaders(inbound, this.added);
    if (inbound.asksToContinue) headers.push('expect', '100-continue');
    try {
      const stream = this.#begin(headers);
      if (stream === undefined) void this.#sendLater(headers);
      else this.#follow(stream);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** No connection has room for it: when one has. */
  async #sendLater(headers: readonly string[]): Promise<void> {
    try {
      let stream: ClientHttp2Stream | undefined;
      while (stream === undefined) {
        await this.#client.connect();
        if (this.isOver) return;
        stream = this.#begin(headers);
      }
      this.#follow(stream);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** They cost every request a frame, so they have to be announced; gRPC has none. */
  get #announcesTrailers(): boolean {
    return this.inbound.body !== undefined && this.inbound.headers.trailer !== undefined;
  }

  #begin(headers: readonly string[]): ClientHttp2Stream | undefined {
    const endStream = this.inbound.body === undefined;
    return this.#client.tryRequest(headers, { endStream, waitForTrailers: this.#announcesTrailers });
  }

  #refuse(error: unknown): void {
    const isSpoken = !(error instanceof PlatformError && error.code === 'HTTP2_NOT_SPOKEN');
    if (!isSpoken && this.#otherwise !== undefined && this.leave()) return this.#otherwise();
    if (!(error instanceof PlatformError)) return this.fail({ code: 400, text: messageOf(error) }, false); // it cannot be written as a request
    if (error.code === 'HTTP2_FULL') return this.fail({ code: 503, text: error.message }, false);
    if (error.code === 'HTTP2_UNREACHABLE' && !this.#hasRetried) return this.failUnsent(error.message); // X4
    this.fail(notAnswered(error.message), CONNECTION_FAULTS.has(error.code));
  }

  #follow(stream: ClientHttp2Stream): void {
    this.#stream = stream;
    let trailers: readonly string[] = [];
    let [owed, read]: [number | undefined, number] = [undefined, 0]; // what `content-length` says, and came
    stream.on('response', (headers, flags, raw) => {
      const isAll = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
      if (!isAll && this.inbound.method !== 'HEAD') owed = lengthIn(headers);
      const announces = headers.trailer !== undefined;
      const shape = { isAll, mayTrail: announces || mayTrail(headers), announces };
      this.begin(headers[':status'] ?? 502, undefined, raw, shape);
    });
    stream.on('data', (chunk: Buffer) => {
      read += chunk.length;
      if (!this.write(chunk, () => stream.resume())) stream.pause();
    });
    stream.on('trailers', (_headers, _flags, raw) => (trailers = raw));
    stream.on('end', () => {
      if (!this.hasHead) return; // reset before its answer: 'close' tells
      if (owed !== undefined && owed !== read) return stream.close(NGHTTP2_CANCEL);
      this.end(trailers);
      if (!stream.writableEnded) stream.close(NGHTTP2_NO_ERROR); // it wants no more of the request
    });
    stream.on('error', () => undefined);
    const { session } = stream;
    stream.on('close', () => this.#closed(stream, session));
    if (this.inbound.body === undefined) return;
    if (this.inbound.asksToContinue)
      stream.on(
        'continue',
        this.whenAsked(() => this.#sendBody(stream)),
      );
    else this.#sendBody(stream);
  }

  #sendBody(stream: ClientHttp2Stream): void {
    if (this.#announcesTrailers)
      stream.once('wantTrailers', () => stream.sendTrailers(objectOf(this.inbound.trailers)));
    this.inbound.body?.pipe(stream);
  }

  /** Before its end: reset by the instance, or the connection is gone. */
  #closed({ rstCode }: ClientHttp2Stream, session: Http2Session | undefined): void {
    if (this.isOver) return;
    const isRefused = rstCode === NGHTTP2_REFUSED_STREAM && !this.hasHead;
    if (isRefused && this.inbound.body === undefined && !this.#hasRetried) {
      this.#hasRetried = true; // it was not processed: RFC 9113, 8.7
      return this.#send();
    }
    if (session?.destroyed !== false) return void this.failBroken('the connection was lost');
    this.fail(notAnswered(`the stream was reset with code ${rstCode}`), false);
  }
}

function lengthIn(headers: IncomingHttpHeaders): number | undefined {
  const said = headers['content-length'];
  return said === undefined ? undefined : Number(said);
}

/** An answer that says its length has trailers only where it announces them, or is one of gRPC. */
function mayTrail(headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type'] ?? '';
  return headers['content-length'] === undefined || type.startsWith('application/grpc');
}
