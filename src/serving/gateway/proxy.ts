import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { answerText } from '../../http/respond.ts';
import type { Slot } from '../activator/slot.ts';
import type { RevisionPlan } from '../plan.ts';
import { requestHeaders, responseHeaders } from './forwarding-headers.ts';

export type ProxyEnd = {
  readonly code: number;
  /** The instance itself failed: refused, reset, cut short. */
  readonly isSuspect: boolean;
};

const BODILESS = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE']);

/** Sends one request on to an instance and its answer back, streaming both; calls `done` once, at its end. */
export function proxy(
  request: IncomingMessage,
  response: ServerResponse,
  {
    slot,
    plan,
    leftMs,
    done,
  }: { slot: Slot; plan: RevisionPlan; leftMs: number; done: (end: ProxyEnd) => void },
): void {
  const exchange = new Exchange(response, plan, leftMs, done);
  const { method = 'GET', url = '/', headers } = request;
  const hasBody =
    !BODILESS.has(method) ||
    headers['content-length'] !== undefined ||
    headers['transfer-encoding'] !== undefined;
  slot.client?.dispatch(
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
  #controller: Dispatcher.DispatchController | undefined;
  #code = 0;
  #isOver = false;

  constructor(response: ServerResponse, plan: RevisionPlan, leftMs: number, done: (end: ProxyEnd) => void) {
    this.#response = response;
    this.#done = done;
    this.#idleTimeoutMs = plan.idleTimeoutMs;
    this.#total = setTimeout(this.#onTimeout, leftMs);
    if (plan.responseStartTimeoutMs > 0)
      this.#start = setTimeout(this.#onTimeout, plan.responseStartTimeoutMs);
    this.#touch();
    response.on('close', this.#onClose);
    response.on('drain', () => this.#controller?.resume());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error('over'));
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    code: number,
    headers: Record<string, string | string[] | undefined>,
    message?: string,
  ): void {
    if (code < 200) return;
    clearTimeout(this.#start);
    this.#code = code;
    this.#touch();
    this.#response.writeHead(code, message ?? '', responseHeaders(headers));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#touch();
    if (!this.#response.write(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    this.#response.end();
    this.#end(this.#code, false);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.#isOver) return;
    // Begun and cut short: the client must not take it for whole, so its connection is cut too.
    if (this.#response.headersSent) this.#response.destroy();
    else answerText(this.#response, 502, `the instance did not answer: ${error.message}`);
    this.#end(502, true);
  }

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

  #touch(): void {
    if (this.#idleTimeoutMs === 0) return;
    if (this.#idle === undefined) this.#idle = setTimeout(this.#onTimeout, this.#idleTimeoutMs);
    else this.#idle.refresh();
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
