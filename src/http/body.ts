import type { IncomingMessage } from 'node:http';

/** Bytes that may be held at a time, over all requests: what is being received or committed (promise P6). */
export class ByteBudget {
  readonly max: number;
  #held = 0;

  constructor(max: number) {
    this.max = max;
  }

  get held(): number {
    return this.#held;
  }

  take(bytes: number): boolean {
    if (this.#held + bytes > this.max) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

export type BodyLimits = {
  readonly maxBytes: number;
  readonly budget: ByteBudget;
  /** A body that is not there by then is refused; 60 s unless given. */
  readonly timeoutMs?: number;
};

export type BodyRefused = {
  readonly kind: 'refused';
  readonly code: 408 | 413 | 415 | 503;
  readonly reason: string;
};

export type BodyRead =
  /** The caller gives `held` bytes back to the budget once it is done with the body. */
  | { readonly kind: 'body'; readonly body: Buffer; readonly held: number }
  | BodyRefused
  /** The sender went away; there is nobody to answer. */
  | { readonly kind: 'gone' };

const EMPTY = Buffer.alloc(0);
const TIMEOUT_MS = 60_000;
const BUSY = 'too many bytes are being received at the moment';

/** Reads a whole body, or says why it does not; reads no further than the limit (H1). Never rejects. */
export function readBody(request: IncomingMessage, limits: BodyLimits): Promise<BodyRead> {
  return new Promise((resolve) => receiveBody(request, limits, resolve));
}

/** readBody() for the hot path: calls `done` once, at once when no body is to be read. */
export function receiveBody(
  request: IncomingMessage,
  limits: BodyLimits,
  done: (read: BodyRead) => void,
): void {
  const { headers } = request;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    const reason = `content-encoding: ${encoding} is not taken; send the body as it is`;
    return done({ kind: 'refused', code: 415, reason });
  }
  const length = headers['content-length'];
  const declared = length === undefined ? undefined : Number(length); // digits only: Node refuses anything else
  if (declared !== undefined && declared > limits.maxBytes) return done(tooLarge(limits.maxBytes));
  if (declared === 0 || (declared === undefined && headers['transfer-encoding'] === undefined))
    return done({ kind: 'body', body: EMPTY, held: 0 });
  process.nextTick(receiveSmall, request, limits, declared, done);
}

/** Most bodies come with their headers, in one read of the socket, and need no listeners and no timer. */
const SMALL_MAX = 32 * 1024;

function receiveSmall(
  request: IncomingMessage,
  limits: BodyLimits,
  declared: number | undefined,
  done: (read: BodyRead) => void,
): void {
  const isThere = request.readableLength === declared && declared <= SMALL_MAX;
  if (!isThere || !limits.budget.take(declared))
    return new Collector(request, limits, declared, done).start();
  const body = request.read() as Buffer; // all that is buffered, which is all there is
  request.resume(); // so that the request ends, for Node's account of the connection
  done({ kind: 'body', body, held: declared });
}

/**
 * Collects one body. What has come in is held in the budget, not what was announced: senders that announce much and
 * send nothing would refuse everybody else.
 */
class Collector {
  readonly #request: IncomingMessage;
  readonly #limits: BodyLimits;
  readonly #declared: number | undefined;
  readonly #done: (read: BodyRead) => void;
  readonly #chunks: Buffer[] = [];
  #whole: Buffer | undefined;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(
    request: IncomingMessage,
    limits: BodyLimits,
    declared: number | undefined,
    done: (read: BodyRead) => void,
  ) {
    this.#request = request;
    this.#limits = limits;
    this.#declared = declared;
    this.#done = done;
  }

  start(): void {
    const { timeoutMs = TIMEOUT_MS } = this.#limits;
    this.#timer = setTimeout(() => {
      this.#refuse({ kind: 'refused', code: 408, reason: `the body did not come within ${timeoutMs} ms` });
    }, timeoutMs);
    const gone = (): void => this.#refuse({ kind: 'gone' }); // 'close' comes after 'end' too
    this.#request.on('data', this.#onData).on('end', this.#onEnd).on('error', gone).on('close', gone);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isOver) return; // what was refused is read on and thrown away
    const { maxBytes, budget } = this.#limits;
    if (this.#bytes + chunk.length > maxBytes) return this.#refuse(tooLarge(maxBytes));
    if (!budget.take(chunk.length)) return this.#refuse({ kind: 'refused', code: 503, reason: BUSY });
    this.#keep(chunk);
    this.#bytes += chunk.length;
  };

  /** With a declared length there is one buffer, so that a large body is not there twice when it is put together. */
  #keep(chunk: Buffer): void {
    if (this.#declared === undefined || chunk.length === this.#declared) {
      this.#chunks.push(chunk);
      return;
    }
    this.#whole ??= Buffer.allocUnsafeSlow(this.#declared);
    chunk.copy(this.#whole, this.#bytes);
  }

  readonly #onEnd = (): void => {
    if (!this.#finish()) return;
    const only = this.#chunks.length === 1 ? this.#chunks[0] : undefined;
    const body = this.#whole ?? only ?? Buffer.concat(this.#chunks, this.#bytes);
    this.#done({ kind: 'body', body, held: this.#bytes });
  };

  #refuse(read: BodyRead): void {
    if (!this.#finish()) return;
    this.#limits.budget.give(this.#bytes);
    this.#chunks.length = 0;
    this.#whole = undefined;
    this.#done(read);
  }

  #finish(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearTimeout(this.#timer);
    return true;
  }
}

function tooLarge(maxBytes: number): BodyRefused {
  return { kind: 'refused', code: 413, reason: `larger than ${maxBytes} bytes` };
}
