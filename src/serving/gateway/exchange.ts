import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../../base/errors.ts';
import type { AddedHeaders } from '../plan.ts';
import type { Ended } from '../runtime/runtime.ts';
import { responseHeaders } from './forwarding-headers.ts';
import type { Head, Inbound } from './inbound.ts';
import { endsInWords } from './out-of-time.ts';
import type { ExchangePlan } from './pool.ts';
import type { Refusal } from './refusal.ts';

export type ExchangeEnd = {
  readonly code: number; // what was answered; 499: the client went away before
  /** The instance itself failed: refused, reset, cut short. */
  readonly isSuspect: boolean;
  /** Of the answer's body; absent: it was another protocol's. */
  readonly bytes?: number;
};

export type ExchangeOptions = {
  readonly inbound: Inbound;
  /** Headers that the route gives it. */
  readonly added: AddedHeaders | undefined;
  readonly plan: ExchangePlan;
  /** What is left of the time for the whole request. */
  readonly leftMs: number;
  /** Of the instance: why it breaks a connection. */
  readonly ended: Promise<Ended>;
  /** Called instead of `done` when the instance got no byte of the request (X4); undefined: it has no other way. */
  readonly elsewhere: (() => void) | undefined;
  /** Called when the instance has begun to answer; undefined: nobody asks. */
  readonly begun: (() => void) | undefined;
  readonly done: (end: ExchangeEnd) => void;
};

/** An instance that says nothing to `Expect: 100-continue` gets the body after so long (RFC 9110, 10.1.1). */
const CONTINUE_MS = 1000;
const OUT_OF_TIME = 'request timeout';
/** The end of a process is seen so much later than that of its connections. */
const ENDED_WITHIN_MS = 50;

/**
 * One request on its way to an instance and its answer back, whichever protocols the two sides speak; `done` is called
 * once, at its end.
 *   X1  whoever reads slowly holds the other side back.
 *   X2  an answer that was cut short is cut for the client too; one that ran out of time after its first byte ends in words
 *       that say so, or is cut (out-of-time.ts).
 *   X3  when it is over neither side is asked for anything more: the instance is told by `abort`.
 *   X4  a request goes to another instance only when this one got no byte of it, and its body is still whole.
 */
export abstract class Exchange {
  protected readonly inbound: Inbound;
  protected readonly added: AddedHeaders | undefined;
  readonly #done: (end: ExchangeEnd) => void;
  readonly #ended: Promise<Ended>;
  readonly #elsewhere: (() => void) | undefined;
  readonly #begun: (() => void) | undefined;
  readonly #idleTimeoutMs: number;
  readonly #total: NodeJS.Timeout;
  readonly #start: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #continue: NodeJS.Timeout | undefined;
  #code = 0;
  #endsInWords = false;
  #bytes = 0;
  #isOver = false;

  constructor({ inbound, added, plan, leftMs, ended, elsewhere, begun, done }: ExchangeOptions) {
    this.inbound = inbound;
    this.added = added;
    this.#done = done;
    this.#ended = ended;
    this.#elsewhere = elsewhere;
    this.#begun = begun;
    this.#idleTimeoutMs = plan.idleTimeoutMs;
    this.#total = setTimeout(this.#onTimeout, leftMs);
    if (plan.responseStartTimeoutMs > 0)
      this.#start = setTimeout(this.#onTimeout, plan.responseStartTimeoutMs);
    if (plan.idleTimeoutMs > 0) {
      this.touch();
      inbound.body?.on('data', this.touch).pause(); // it flows when it has a reader
    }
    inbound.stream.on('close', this.#onClose);
    // Before the 'end' that node:http2 tells of a body that was broken off, too: it must not look whole.
    inbound.body?.on('aborted', this.#onClose);
  }

  protected get isOver(): boolean {
    return this.#isOver;
  }

  protected get hasHead(): boolean {
    return this.#code !== 0;
  }

  /** Ends what is under way with the instance. */
  protected abstract abort(reason: string): void;

  /** A byte went either way. */
  protected readonly touch = (): void => {
    if (this.#idleTimeoutMs === 0 || this.#isOver) return;
    if (this.#idle === undefined) this.#idle = setTimeout(this.#onTimeout, this.#idleTimeoutMs);
    else this.#idle.refresh();
  };

  protected begin(
    code: number,
    message: string | undefined,
    rawHeaders: readonly (Buffer | string)[],
    shape: Pick<Head, 'isAll' | 'mayTrail' | 'announces'>,
  ): void {
    if (this.#isOver) return;
    clearTimeout(this.#start);
    clearTimeout(this.#continue);
    const headers = responseHeaders(rawHeaders);
    try {
      this.inbound.begin({ code, message, headers, ...shape });
    } catch (error) {
      // It is no head that the client's protocol has: bytes that no header may have, for one.
      this.fail({ code: 502, text: `the instance's answer cannot be passed on: ${messageOf(error)}` }, false);
      return this.abort('its answer cannot be passed on');
    }
    this.#code = code;
    this.#endsInWords = endsInWords(this.inbound.headers, headers);
    this.#begun?.();
    this.touch();
  }

  /** False: `resume` is called when the client takes more (X1). */
  protected write(chunk: Buffer, resume: () => void): boolean {
    if (this.#isOver) return true;
    this.touch();
    this.#bytes += chunk.length;
    if (this.inbound.stream.write(chunk)) return true;
    this.inbound.stream.once('drain', resume);
    return false;
  }

  protected end(rawTrailers: readonly (Buffer | string)[]): void {
    if (this.#isOver) return;
    this.#over(this.#code, false);
    this.inbound.end(rawTrailers.length === 0 ? [] : responseHeaders(rawTrailers));
  }

  protected fail(refusal: Refusal, isSuspect: boolean): void {
    if (this.#isOver) return;
    this.#over(refusal.code, isSuspect);
    this.inbound.refuse(refusal); // X2
  }

  /** The instance broke off. When it has ended, that is the reason; what it printed is for its log, not for clients. */
  protected async failBroken(reason: string): Promise<void> {
    if (this.hasHead) return this.fail(notAnswered(reason), true);
    const ended = await Promise.race([this.#ended, pause(ENDED_WITHIN_MS, undefined)]);
    this.fail(notAnswered(ended === undefined ? reason : endOf(ended)), true);
  }

  /** No byte of it was sent, and its body is still whole (X4). */
  protected failUnsent(reason: string): void {
    if (this.#elsewhere === undefined) return this.fail(notAnswered(reason), true);
    if (this.leave()) this.#elsewhere();
  }

  /** Another exchange takes over, unless this one is over; `done` is not called. */
  protected leave(): boolean {
    if (this.#isOver) return false;
    this.#stop();
    this.inbound.stream.off('close', this.#onClose);
    this.inbound.body?.off('aborted', this.#onClose);
    return true;
  }

  /** Sends the body when the instance asks for it, or does not say that it will. */
  protected whenAsked(sendBody: () => void): () => void {
    let isSent = false;
    const proceed = (): void => {
      clearTimeout(this.#continue);
      if (isSent || this.#isOver || this.hasHead) return;
      isSent = true;
      this.inbound.proceed();
      sendBody();
    };
    this.#continue = setTimeout(proceed, CONTINUE_MS);
    return proceed;
  }

  readonly #onTimeout = (): void => {
    if (this.#isOver) return;
    if (this.hasHead && this.#endsInWords) {
      this.#over(504, false);
      this.inbound.stream.write(OUT_OF_TIME);
      this.inbound.end([]);
    } else this.fail({ code: 504, text: OUT_OF_TIME, headers: { connection: 'close' } }, false);
    this.abort(OUT_OF_TIME);
  };

  /** The client went away before the end. */
  readonly #onClose = (): void => {
    if (this.#isOver) return;
    this.#over(499, false);
    this.abort('the client went away');
  };

  #over(code: number, isSuspect: boolean): void {
    this.#stop();
    this.#done({ code, isSuspect, bytes: this.#bytes });
  }

  #stop(): void {
    this.#isOver = true;
    clearTimeout(this.#total);
    clearTimeout(this.#start);
    clearTimeout(this.#idle);
    clearTimeout(this.#continue);
  }
}

function endOf({ exitCode, signal }: Ended): string {
  return signal === undefined ? `it exited with code ${exitCode ?? 0}` : `it was ended by ${signal}`;
}

export function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

export function notAnswered(reason: string): Refusal {
  return { code: 502, text: `the instance did not answer: ${reason}` };
}
