import type { Dispatcher } from 'undici';
import { messageOf } from '../../base/errors.ts';
import type { RawHeaders } from '../../events/binary.ts';
import { saysEvent } from '../../events/message.ts';
import { failureReason } from './failure-reason.ts';
import type { ReplyRoom } from './reply-room.ts';
import type { Target } from './target.ts';

export type Attempt = {
  readonly target: Target;
  readonly headers: string[]; // name, value, name, value …
  readonly body: Uint8Array;
  readonly timeoutMs: number;
  /** A reply is read up to here; of any other answer only the first bytes are kept. */
  readonly replyBytesMax: number;
  readonly room: ReplyRoom;
};

/** How one POST ended. `code` is 0 when there was no whole answer. */
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
const TIMER_MAX_MS = 2 ** 31 - 1;
/** So many characters of an answer are told as the reason. */
const SAID_MAX = 200;
const NO_BODY = Buffer.alloc(0);

/** Makes one POST (D1). Never rejects; ends when `signal` aborts, as unreachable. */
export function post(outbound: Dispatcher, attempt: Attempt, signal: AbortSignal): Promise<AttemptResult> {
  return new Promise((resolve) => new PostHandler(attempt, signal, resolve).start(outbound));
}

class PostHandler implements Dispatcher.DispatchHandler {
  readonly #attempt: Attempt;
  readonly #signal: AbortSignal;
  readonly #resolve: (result: AttemptResult) => void;
  readonly #chunks: Buffer[] = [];
  #deadline: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #code = 0;
  #headers: RawHeaders = [];
  #isReply = false;
  #bytes = 0;
  #isEnded = false;

  constructor(attempt: Attempt, signal: AbortSignal, resolve: (result: AttemptResult) => void) {
    this.#attempt = attempt;
    this.#signal = signal;
    this.#resolve = resolve;
  }

  start(outbound: Dispatcher): void {
    if (this.#signal.aborted) return this.#onAbort();
    const { target, headers, body, timeoutMs } = this.#attempt;
    this.#deadline = setTimeout(this.#onDeadline, Math.min(timeoutMs, TIMER_MAX_MS));
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
    const { origin, path } = target;
    try {
      outbound.dispatch({ origin, path, method: 'POST', headers, body }, this);
    } catch (error) {
      this.#end('unreachable', messageOf(error));
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isEnded) controller.abort(new Error('the attempt has ended'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    code: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (code < 200) return; // 102, 103: the answer is still to come
    this.#code = code;
    this.#headers = rawHeaders(headers);
    this.#isReply = isSuccess(code) && saysEvent(this.#headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isEnded) return;
    const before = this.#bytes;
    this.#bytes += chunk.length;
    if (!this.#isReply) {
      if (before < KEPT_BYTES) this.#chunks.push(chunk.subarray(0, KEPT_BYTES - before));
      if (this.#bytes > DRAINED_BYTES) this.#cut(`the answer was cut after ${DRAINED_BYTES} bytes`);
      return;
    }
    const { room, replyBytesMax } = this.#attempt;
    this.#chunks.push(chunk);
    room.took(controller, chunk.length);
    if (this.#bytes > replyBytesMax) this.#cut(`the reply is larger than ${replyBytesMax} bytes`);
  }

  onResponseEnd(): void {
    this.#answered(undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const prefix = this.#code === 0 ? '' : `the answer (${this.#code}) was cut short: `;
    this.#end('unreachable', prefix + failureReason(error));
  }

  /** The status is known and that is what counts; the rest of the body is not wanted. */
  #cut(reason: string): void {
    this.#answered(reason);
    this.#controller?.abort(new Error(reason));
  }

  #answered(cut: string | undefined): void {
    if (isSuccess(this.#code)) return this.#end('delivered', cut);
    const isRedirect = this.#code >= 300 && this.#code < 400;
    const why = isRedirect ? '; redirects are not followed' : this.#said();
    this.#end('rejected', `answered ${this.#code}${why}`);
  }

  /** The first line of an answer that is for people to read. */
  #said(): string {
    const at = this.#headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'content-type');
    if (at < 0 || this.#headers[at + 1]?.startsWith('text/plain') !== true) return '';
    const [line = ''] = Buffer.concat(this.#chunks).toString().trim().split('\n');
    return line === '' ? '' : `: ${line.slice(0, SAID_MAX)}`;
  }

  readonly #onDeadline = (): void => {
    const got = this.#code === 0 ? 'no answer' : `no whole answer (${this.#code})`;
    this.#end('timedOut', `${got} within ${this.#attempt.timeoutMs} ms`);
    this.#controller?.abort(new Error('the deadline of the attempt has passed'));
  };

  readonly #onAbort = (): void => {
    this.#end('unreachable', 'stopped before there was an answer');
    this.#controller?.abort(new Error('the dispatcher is stopping'));
  };

  #end(outcome: AttemptResult['outcome'], reason: string | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#deadline);
    this.#signal.removeEventListener('abort', this.#onAbort);
    if (this.#isReply && this.#controller !== undefined)
      this.#attempt.room.left(this.#controller, this.#bytes);
    const only = this.#chunks.length === 1 ? this.#chunks[0] : undefined;
    const body = only ?? (this.#chunks.length === 0 ? NO_BODY : Buffer.concat(this.#chunks));
    // Without a whole answer there is none to speak of.
    const code = outcome === 'delivered' || outcome === 'rejected' ? this.#code : 0;
    this.#resolve({ outcome, code, reason, headers: this.#headers, body });
  }
}

const isSuccess = (code: number): boolean => code >= 200 && code < 300;

function rawHeaders(headers: Record<string, string | string[] | undefined>): RawHeaders {
  const raw: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === 'string') raw.push(name, value);
    else for (const each of value ?? []) raw.push(name, each);
  }
  return raw;
}
