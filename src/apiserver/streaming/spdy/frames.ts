import { createInflate, type Inflate } from 'node:zlib';
import { PlatformError } from '../../../base/errors.ts';
import { headerDictionary } from './dictionary.ts';

/** What of SPDY/3.1 Kubernetes' clients send, and what is answered; other control frames are passed over. */
export type Frame =
  | { readonly kind: 'stream'; readonly stream: number; readonly isLast: boolean; readonly block: Buffer }
  | { readonly kind: 'headers'; readonly stream: number; readonly isLast: boolean; readonly block: Buffer }
  | { readonly kind: 'data'; readonly stream: number; readonly isLast: boolean; readonly bytes: Buffer }
  | { readonly kind: 'reset'; readonly stream: number }
  | { readonly kind: 'ping'; readonly id: number }
  | { readonly kind: 'goAway' }
  | { readonly kind: 'other' };

const HEAD_BYTES = 8;
/** Clients write what they copy by 32 KiB; whoever sends more at a time is no client of ours. */
const FRAME_BYTES_MAX = 1024 * 1024;
const HEADER_BLOCK_BYTES_MAX = 8 * 1024;
const HEADERS_MAX = 64;
const TYPE = { synStream: 1, synReply: 2, reset: 3, ping: 6, goAway: 7, headers: 8 } as const;
const FIN = 1;

/** Cuts bytes into frames; throws SPDY_FRAME_INVALID. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  *read(chunk: Buffer): Generator<Frame> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEAD_BYTES) {
      const length = this.#rest.readUIntBE(5, 3);
      if (length > FRAME_BYTES_MAX) throw invalid(`a frame of ${length} bytes`);
      if (this.#rest.length < HEAD_BYTES + length) return;
      const frame = frameOf(
        this.#rest.subarray(0, HEAD_BYTES),
        this.#rest.subarray(HEAD_BYTES, HEAD_BYTES + length),
      );
      this.#rest = this.#rest.subarray(HEAD_BYTES + length);
      yield frame;
    }
  }
}

function frameOf(head: Buffer, body: Buffer): Frame {
  const isLast = (head.readUInt8(4) & FIN) !== 0;
  if ((head.readUInt8(0) & 0x80) === 0)
    return { kind: 'data', stream: head.readUInt32BE(0), isLast, bytes: body };
  const type = head.readUInt16BE(2);
  const numbers = { [TYPE.synStream]: 10, [TYPE.reset]: 8, [TYPE.ping]: 4, [TYPE.headers]: 4 };
  if (body.length < (numbers[type as keyof typeof numbers] ?? 0))
    throw invalid(`a frame of type ${type} with ${body.length} bytes`);
  switch (type) {
    case TYPE.synStream:
      return { kind: 'stream', stream: streamIn(body), isLast, block: body.subarray(10) };
    case TYPE.headers:
      return { kind: 'headers', stream: streamIn(body), isLast, block: body.subarray(4) };
    case TYPE.reset:
      return { kind: 'reset', stream: streamIn(body) };
    case TYPE.ping:
      return { kind: 'ping', id: body.readUInt32BE(0) };
    case TYPE.goAway:
      return { kind: 'goAway' };
    default:
      return { kind: 'other' };
  }
}

const streamIn = (body: Buffer): number => body.readUInt32BE(0) & 0x7f_ff_ff_ff;

/** Headers of the streams of one connection, which all share one compression. */
export class HeaderReader {
  readonly #inflate: Inflate = createInflate({ dictionary: headerDictionary() });
  #chunks: Buffer[] = [];
  readonly #fault = Promise.withResolvers<never>();

  constructor() {
    this.#inflate.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    this.#inflate.on('error', ({ message }) =>
      this.#fault.reject(invalid(`headers that cannot be read: ${message}`)),
    );
    this.#fault.promise.catch(() => undefined); // read() sees it
  }

  /** Names are lower case; throws SPDY_FRAME_INVALID. */
  async read(block: Buffer): Promise<ReadonlyMap<string, string>> {
    if (block.length > HEADER_BLOCK_BYTES_MAX) throw invalid(`${block.length} bytes of headers`);
    const read = new Promise<void>((resolve) => {
      this.#inflate.write(block, () => resolve());
    });
    await Promise.race([read, this.#fault.promise]);
    return namesAndValues(Buffer.concat(this.#chunks.splice(0)));
  }

  close(): void {
    this.#inflate.destroy();
  }
}

function namesAndValues(bytes: Buffer): ReadonlyMap<string, string> {
  let at = 0;
  const number = (): number => {
    if (at + 4 > bytes.length) throw invalid('headers that end too soon');
    at += 4;
    return bytes.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > bytes.length) throw invalid('headers that end too soon');
    at += length;
    return bytes.toString('latin1', at - length, at);
  };
  const count = number();
  if (count > HEADERS_MAX) throw invalid(`${count} headers`);
  return new Map(Array.from({ length: count }, () => [text().toLowerCase(), text()]));
}

export function dataFrame(stream: number, bytes: Uint8Array, isLast: boolean): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(stream, 0);
  head.writeUInt8(isLast ? FIN : 0, 4);
  head.writeUIntBE(bytes.length, 5, 3);
  return Buffer.concat([head, bytes]);
}

const ZLIB_HEADER = Buffer.from([0x78, 0x01]);
/** No header, stored as it is, and the empty block with which a writer of zlib ends what is to be read at once. */
const NO_HEADERS = Buffer.from([0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);

/** Takes a stream; nothing that is told with it needs headers. */
export function replyFrame(stream: number, isFirst: boolean): Buffer {
  return controlFrame(TYPE.synReply, [numbers(stream), ...(isFirst ? [ZLIB_HEADER] : []), NO_HEADERS]);
}

const CANCEL = 5;
export const resetFrame = (stream: number): Buffer => controlFrame(TYPE.reset, [numbers(stream, CANCEL)]);
export const pingFrame = (id: number): Buffer => controlFrame(TYPE.ping, [numbers(id)]);
export const goAwayFrame = (lastStream: number): Buffer =>
  controlFrame(TYPE.goAway, [numbers(lastStream, 0)]);

function controlFrame(type: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt16BE(0x80_03, 0);
  head.writeUInt16BE(type, 2);
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32BE(value, 4 * i));
  return bytes;
}

const invalid = (what: string): PlatformError =>
  new PlatformError('SPDY_FRAME_INVALID', `the client sent ${what}`, { retryable: false });
