import { once } from 'node:events';
import { Duplex } from 'node:stream';
import {
  dataFrame,
  FrameReader,
  goAwayFrame,
  HeaderReader,
  pingFrame,
  replyFrame,
  resetFrame,
  type Frame,
} from './frames.ts';

/** One stream of a SPDY connection: what it was opened with, and its bytes both ways. */
export class SpdyStream extends Duplex {
  readonly headers: ReadonlyMap<string, string>;
  readonly #id: number;
  readonly #send: (frame: Buffer) => Promise<void>;
  #isRead = Promise.withResolvers<void>();

  constructor(id: number, headers: ReadonlyMap<string, string>, send: (frame: Buffer) => Promise<void>) {
    super();
    this.#id = id;
    this.headers = headers;
    this.#send = send;
    this.on('error', () => undefined); // whoever pipes it sees it end
  }

  /** Hands in what came; resolves once there is room for more, or nobody wants more. */
  async arrive(bytes: Buffer, isLast: boolean): Promise<void> {
    if (this.destroyed || this.readableEnded) return;
    this.#isRead = Promise.withResolvers();
    const hasRoom = bytes.length === 0 || this.push(bytes);
    if (isLast) this.push(null);
    else if (!hasRoom) await this.#isRead.promise;
  }

  override _read(): void {
    this.#isRead.resolve();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(dataFrame(this.#id, chunk, false)).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#send(dataFrame(this.#id, Buffer.alloc(0), true)).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#isRead.resolve();
    if (!this.writableFinished) void this.#send(resetFrame(this.#id)).catch(() => undefined);
    done(error);
  }
}

/** Clients open two streams for each connection that they forward, and give them back. */
const STREAMS_MAX = 512;

/**
 * The server's end of SPDY/3.1, as far as Kubernetes' clients go: they open streams, say in their headers what each is
 * for, and know no flow control, so that a stream whose reader is slow holds up the others of its connection (S1: nothing
 * is kept beyond that reader's buffer and one frame).
 */
export class SpdyConnection {
  readonly #transport: Duplex;
  readonly #onStream: (stream: SpdyStream) => void;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #headers = new HeaderReader();
  #lastStream = 0;

  constructor(transport: Duplex, onStream: (stream: SpdyStream) => void) {
    this.#transport = transport;
    this.#onStream = onStream;
    transport.on('error', () => undefined); // serve() sees it end
  }

  /** Resolves when the connection is over, whoever ended it; never rejects. */
  async serve(): Promise<void> {
    const frames = new FrameReader();
    try {
      for await (const chunk of this.#transport)
        for (const frame of frames.read(chunk as Buffer)) if (await this.#isLast(frame)) return;
    } catch {
      // cut off, or no SPDY: nobody is left to be told
    } finally {
      for (const stream of this.#streams.values()) stream.destroy();
      this.#headers.close();
      this.#transport.destroy();
    }
  }

  /** Tells that it is over, and ends it once that has gone out. */
  close(): void {
    if (this.#transport.destroyed) return;
    this.#transport.end(goAwayFrame(this.#lastStream));
  }

  async #isLast(frame: Frame): Promise<boolean> {
    switch (frame.kind) {
      case 'stream':
        await this.#open(frame);
        return false;
      case 'data':
        await this.#streams.get(frame.stream)?.arrive(frame.bytes, frame.isLast);
        return false;
      case 'headers':
        await this.#headers.read(frame.block); // of no meaning here, but of the compression
        if (frame.isLast) await this.#streams.get(frame.stream)?.arrive(Buffer.alloc(0), true);
        return false;
      case 'reset':
        this.#streams.get(frame.stream)?.destroy();
        return false;
      case 'ping':
        if (frame.id % 2 === 1) await this.#send(pingFrame(frame.id));
        return false;
      case 'goAway':
        return true;
      case 'other':
        return false;
      default:
        return frame satisfies never;
    }
  }

  async #open({ stream: id, block, isLast }: Extract<Frame, { kind: 'stream' }>): Promise<void> {
    const headers = await this.#headers.read(block);
    if (this.#streams.size >= STREAMS_MAX || id <= this.#lastStream) return this.#send(resetFrame(id));
    const isFirst = this.#lastStream === 0;
    this.#lastStream = id;
    const stream = new SpdyStream(id, headers, (frame) => this.#send(frame));
    this.#streams.set(id, stream);
    stream.once('close', () => this.#streams.delete(id));
    await this.#send(replyFrame(id, isFirst));
    if (isLast) await stream.arrive(Buffer.alloc(0), true);
    this.#onStream(stream);
  }

  async #send(frame: Buffer): Promise<void> {
    if (this.#transport.destroyed || !this.#transport.writable) return;
    if (this.#transport.write(frame)) return;
    const over = new AbortController();
    const { signal } = over;
    const ends = ['drain', 'close'].map((name) => once(this.#transport, name, { signal }));
    await Promise.race(ends).finally(() => over.abort());
  }
}
