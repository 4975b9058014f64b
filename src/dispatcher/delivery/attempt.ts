import type { Dispatcher } from 'undici';
import { messageOf } from '../../base/errors.ts';
import type { RawHeaders } from '../../events/binary.ts';
import { saysEvent } from '../../events/message.ts';

export type Attempt = {
  readonly url: URL;
  readonly headers: readonly string[]; // name, value, name, value …
  readonly body: Uint8Array;
  readonly timeoutMs: number;
  /** A reply is read up to here; of any other answer only the first bytes are kept. */
  readonly replyBytesMax: number;
};

/** How one POST ended. `code` is 0 when there was no answer. */
export type AttemptResult = {
  readonly outcome: 'delivered' | 'rejected' | 'unreachable' | 'timedOut';
  readonly code: number;
  readonly reason: string | undefined;
  readonly headers: RawHeaders;
  readonly body: Buffer;
};

/** What is kept of an answer that is no reply: enough for `knativeerrordata`. */
const KEPT_BYTES = 1024;
/** An answer of no use is read this far, to keep its connection; one that goes on is cut. */
const DRAINED_BYTES = 1024 * 1024;
const NO_BODY = Buffer.alloc(0);

/** Makes one POST (D1). Never rejects; ends when `signal` aborts, as unreachable. */
export function post(outbound: Dispatcher, attempt: Attempt, signal: AbortSignal): Promise<AttemptResult> {
  return new Promise((resolve) => new PostHandler(outbound, attempt, signal, resolve));
}

class PostHandler implements Dispatcher.DispatchHandler {
  readonly #attempt: Attempt;
  readonly #signal: AbortSignal;
  readonly #resolve: (result: AttemptResult) => void;
  readonly #deadline: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #code = 0;
  #headers: string[] = [];
  #isReply = false;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #isEnded = false;

  constructor(
    outbound: Dispatcher,
    attempt: Attempt,
    signal: AbortSignal,
    resolve: (result: AttemptResult) => void,
  ) {
    this.#attempt = attempt;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#deadline = setTimeout(this.#onDeadline, Math.min(attempt.timeoutMs, 2 ** 31 - 1));
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort, { once: true });
    if (!this.#isEnded) this.#dispatch(outbound);
  }

  #dispatch(outbound: Dispatcher): void {
    const { url, headers, body } = this.#attempt;
    const path = `${url.pathname}${url.search}`;
    try {
      outbound.dispatch({ origin: url.origin, path, method: 'POST', headers: [...headers], body }, this);
    } catch (error) {
      this.#end('unreachable', messageOf(error));
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isEnded) controller.abort(new Error('ended'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    code: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#code = code;
    for (const [name, value] of Object.entries(headers)) {
      if (typeof value === 'string') this.#headers.push(name, value);
      else for (const each of value ?? []) this.#headers.push(name, each);
    }
    this.#isReply = isSuccess(code) && saysEvent(this.#headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const before = this.#bytes;
    this.#bytes += chunk.length;
    if (this.#isReply) {
      this.#chunks.push(chunk);
      if (this.#bytes > this.#attempt.replyBytesMax)
        this.#cut(`the reply is larger than ${this.#attempt.replyBytesMax} bytes`);
      return;
    }
    if (before < KEPT_BYTES) this.#chunks.push(chunk.subarray(0, KEPT_BYTES - before));
    if (this.#bytes > DRAINED_BYTES) this.#cut(`the answer was cut after ${DRAINED_BYTES} bytes`);
  }

  onResponseEnd(): void {
    this.#answered(undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const prefix = this.#code === 0 ? '' : `the answer (${this.#code}) was cut short: `;
    this.#end('unreachable', prefix + reasonOf(error));
  }

  /** The status is known and that is what counts; the rest of the body is not wanted. */
  #cut(reason: string): void {
    this.#answered(reason);
    this.#controller?.abort(new Error(reason));
  }

  #answered(cut: string | undefined): void {
    if (isSuccess(this.#code)) this.#end('delivered', cut);
    else
      this.#end(
        'rejected',
        `answered ${this.#code}${this.#code >= 300 && this.#code < 400 ? '; redirects are not followed' : ''}`,
      );
  }

  readonly #onDeadline = (): void => {
    const got = this.#code === 0 ? 'no answer' : `no whole answer (${this.#code})`;
    this.#end('timedOut', `${got} within ${this.#attempt.timeoutMs} ms`);
    this.#controller?.abort(new Error('deadline'));
  };

  readonly #onAbort = (): void => {
    this.#end('unreachable', 'the platform is stopping');
    this.#controller?.abort(new Error('stopping'));
  };

  #end(outcome: AttemptResult['outcome'], reason: string | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#deadline);
    this.#signal.removeEventListener('abort', this.#onAbort);
    const only = this.#chunks.length === 1 ? this.#chunks[0] : undefined;
    const body = only ?? (this.#chunks.length === 0 ? NO_BODY : Buffer.concat(this.#chunks));
    // Without a whole answer there is none to speak of.
    const code = outcome === 'delivered' || outcome === 'rejected' ? this.#code : 0;
    this.#resolve({ outcome, code, reason, headers: this.#headers, body });
  }
}

const isSuccess = (code: number): boolean => code >= 200 && code < 300;

/** undici wraps what the socket said; the innermost message is the one that helps. */
function reasonOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const known = code === undefined ? undefined : REASONS[code];
  if (known !== undefined) return known;
  const inner = error.cause instanceof Error ? error.cause.message : '';
  return [error.message || code || 'the connection failed', inner].filter((part) => part !== '').join(': ');
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENOTFOUND: 'the host name does not resolve',
  UND_ERR_SOCKET: 'the connection was closed before a whole answer',
  UND_ERR_CONNECT_TIMEOUT: 'no connection within its time',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer is shorter or longer than its content-length',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of the answer are too large',
};
