import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { answerText } from '../../http/respond.ts';
import type { ReadySlot } from '../activator/slot.ts';
import type { RevisionPlan } from '../plan.ts';
import { requestHeaders, responseHeaders } from './forwarding-headers.ts';

export type ProxyEnd = {
  readonly code: number; // what was answered; 499: the client went away before
  /** The instance itself failed: refused, reset, cut short. */
  readonly isSuspect: boolean;
};

/** Codes of undici and of sockets: no request was made of it; the connection to the instance failed. */
const REFUSED_HERE = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED']);
const CONNECTION_FAULTS = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

type Controller = Dispatcher.DispatchController;

/** Sends one request on to an instance and its answer back, streaming both; calls `done` once, at its end. */
export function proxy(
  request: IncomingMessage,
  response: ServerResponse,
  {
    slot,
    plan,
    leftMs,
    done,
  }: {
    readonly slot: ReadySlot;
    readonly plan: RevisionPlan;
    readonly leftMs: number;
    readonly done: (end: ProxyEnd) => void;
  },
): void {
  const exchange = new Exchange(response, plan, leftMs, done);
  const { method = 'GET', url = '/', headers } = request;
  // RFC 9112, 6.3: a request with neither has no body, whatever its method.
  const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
  if (hasBody && plan.idleTimeoutMs > 0) request.on('data', () => exchange.touch());
  slot.running.client.dispatch(
    {
      path: url,
      method: method as Dispatcher.HttpMethod,
      headers: requestHeaders(request),
      body: hasBody ? request : null,
    },
    exchange,
  );
}

/** One exchange with an instance, as undici tells of it. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse;
  readonly #done: (end: ProxyEnd) => void;
  readonly #idleTimeoutMs: number;
  readonly #total: NodeJS.Timeout;
  readonly #start: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #controller: Controller | undefined;
  #code = 0;
  #hasBegun = false; // a byte of the body was written
  #isOver = false;

  constructor(response: ServerResponse, plan: RevisionPlan, leftMs: number, done: (end: ProxyEnd) => void) {
    this.#response = response;
    this.#done = done;
    this.#idleTimeoutMs = plan.idleTimeoutMs;
    this.#total = setTimeout(this.#onTimeout, leftMs);
    if (plan.responseStartTimeoutMs > 0)
      this.#start = setTimeout(this.#onTimeout, plan.responseStartTimeoutMs);
    this.touch();
    response.on('close', this.#onClose);
  }

  /** A byte went either way. */
  touch(): void {
    if (this.#idleTimeoutMs === 0 || this.#isOver) return;
    if (this.#idle === undefined) this.#idle = setTimeout(this.#onTimeout, this.#idleTimeoutMs);
    else this.#idle.refresh();
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error('over'));
  }

  onResponseStart(
    controller: Controller,
    code: number,
    headers: Readonly<Record<string, unknown>>,
    message?: string,
  ): void {
    if (code < 200) return;
    clearTimeout(this.#start);
    this.#code = code;
    this.touch();
    const raw = Array.isArray(controller.rawHeaders) ? controller.rawHeaders : [];
    this.#response.writeHead(code, reasonPhrase(code, message), responseHeaders(raw));
    // Whoever streams may wait long before its first byte: the head goes without it, unless that is here already.
    if (headers['content-length'] === undefined) queueMicrotask(this.#flush);
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.touch();
    this.#hasBegun = true;
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once('drain', () => controller.resume());
  }

  onResponseEnd(controller: Controller): void {
    const { rawTrailers } = controller;
    if (Array.isArray(rawTrailers) && rawTrailers.length > 0) this.#addTrailers(rawTrailers);
    this.#response.end();
    this.#end(this.#code, false);
  }

  onResponseError(_: Controller, error: Error): void {
    if (this.#isOver) return;
    const fault = codeOf(error);
    if (fault !== undefined && REFUSED_HERE.has(fault)) return this.#refuse(error.message);
    // Begun and cut short: the client must not take it for whole, so its connection is cut too.
    if (this.#response.headersSent) this.#response.destroy();
    else answerText(this.#response, 502, `the instance did not answer: ${error.message}`);
    this.#end(502, fault !== undefined && CONNECTION_FAULTS.has(fault));
  }

  readonly #flush = (): void => {
    if (!this.#isOver && !this.#hasBegun) this.#response.flushHeaders();
  };

  readonly #onTimeout = (): void => {
    if (this.#isOver) return;
    if (this.#response.headersSent) this.#response.destroy();
    else answerText(this.#response, 504, 'request timeout', { connection: 'close' });
    this.#end(504, false);
    this.#controller?.abort(new Error('request timeout'));
  };

  /** The client went away before the end. */
  readonly #onClose = (): void => {
    if (this.#isOver) return;
    this.#end(499, false);
    this.#controller?.abort(new Error('the client went away'));
  };

  /** It cannot be written as a request (a target such as `*`): not the instance's fault. */
  #refuse(reason: string): void {
    answerText(this.#response, 400, reason);
    this.#end(400, false);
  }

  #addTrailers(raw: readonly (Buffer | string)[]): void {
    const flat = responseHeaders(raw);
    const pairs: [string, string][] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i] ?? '', flat[i + 1] ?? '']);
    this.#response.addTrailers(pairs);
  }

  #end(code: number, isSuspect: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#total);
    clearTimeout(this.#start);
    clearTimeout(this.#idle);
    this.#done({ code, isSuspect });
  }
}

/** Nearly always the usual one; another only when it can be written as a header can. */
function reasonPhrase(code: number, message: string | undefined): string {
  const usual = STATUS_CODES[code] ?? '';
  return message === undefined || message === usual || !/^[\t\x20-\x7e]*$/.test(message) ? usual : message;
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
