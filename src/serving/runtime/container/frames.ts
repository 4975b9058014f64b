/** A frame of an engine's log stream: a byte that says which stream, three of nothing, a length, and so many bytes. */
const HEAD_BYTES = 8;
const STDERR = 2;

export type WriteFrame = (stream: 'stdout' | 'stderr', chunk: Buffer) => void;

/** Takes a log stream apart as it comes in (Docker Engine API, ContainerAttach: stream format). */
export class Frames {
  readonly #write: WriteFrame;
  #head = Buffer.alloc(0);
  #left = 0;
  #stream: 'stdout' | 'stderr' = 'stdout';

  constructor(write: WriteFrame) {
    this.#write = write;
  }

  take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.byteLength > 0) rest = this.#left > 0 ? this.#content(rest) : this.#heading(rest);
  }

  #content(chunk: Buffer): Buffer {
    const own = chunk.subarray(0, this.#left);
    this.#left -= own.byteLength;
    this.#write(this.#stream, own);
    return chunk.subarray(own.byteLength);
  }

  #heading(chunk: Buffer): Buffer {
    const missing = HEAD_BYTES - this.#head.byteLength;
    const head = Buffer.concat([this.#head, chunk.subarray(0, missing)]);
    this.#head = head.byteLength < HEAD_BYTES ? head : Buffer.alloc(0);
    if (head.byteLength === HEAD_BYTES) {
      this.#stream = head[0] === STDERR ? 'stderr' : 'stdout';
      this.#left = head.readUInt32BE(4);
    }
    return chunk.subarray(missing);
  }
}
