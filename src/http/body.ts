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

export type BodyLimits = { readonly maxBytes: number; readonly budget: ByteBudget };

export type BodyRead =
  /** The caller gives `held` bytes back to the budget once it is done with the body. */
  | { readonly kind: 'body'; readonly body: Buffer; readonly held: number }
  | { readonly kind: 'refused'; readonly code: 413 | 415 | 503; readonly reason: string }
  /** The sender went away; there is nobody to answer. */
  | { readonly kind: 'gone' };

const EMPTY = Buffer.alloc(0);

/** Reads a whole body, or says why it does not; reads no further than the limit (H1). Never rejects. */
export function readBody(request: IncomingMessage, { maxBytes, budget }: BodyLimits): Promise<BodyRead> {
  const { headers } = request;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return refuse(415, `content-encoding: ${encoding} is not taken; send the body as it is`);
  }
  const declared = headers['content-length'] === undefined ? undefined : Number(headers['content-length']);
  if (declared !== undefined && declared > maxBytes) return refuse(413, tooLarge(maxBytes));
  if (declared === 0) return Promise.resolve({ kind: 'body', body: EMPTY, held: 0 });
  if (declared !== undefined && !budget.take(declared)) return refuse(503, BUSY);
  return new Promise((resolve) => collect(request, { maxBytes, budget, declared }, resolve));
}

function collect(
  request: IncomingMessage,
  { maxBytes, budget, declared }: BodyLimits & { readonly declared: number | undefined },
  resolve: (read: BodyRead) => void,
): void {
  const chunks: Buffer[] = [];
  let held = declared ?? 0;
  let bytes = 0;
  let isOver = false;
  const end = (read: BodyRead): void => {
    if (isOver) return; // 'close' comes after 'end' too, and the budget is given back once
    isOver = true;
    if (read.kind !== 'body') {
      request.removeAllListeners('data');
      budget.give(held);
    }
    resolve(read);
  };
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) return end({ kind: 'refused', code: 413, reason: tooLarge(maxBytes) });
    if (declared === undefined) {
      if (!budget.take(chunk.length)) return end({ kind: 'refused', code: 503, reason: BUSY });
      held += chunk.length;
    }
    chunks.push(chunk);
  });
  request.on('end', () => {
    const only = chunks.length === 1 ? chunks[0] : undefined;
    end({ kind: 'body', body: only ?? Buffer.concat(chunks, bytes), held });
  });
  request.on('error', () => end({ kind: 'gone' }));
  request.on('close', () => end({ kind: 'gone' }));
}

const BUSY = 'too many bytes are being received at the moment';
const tooLarge = (maxBytes: number): string => `larger than ${maxBytes} bytes`;

function refuse(code: 413 | 415 | 503, reason: string): Promise<BodyRead> {
  return Promise.resolve({ kind: 'refused', code, reason });
}
