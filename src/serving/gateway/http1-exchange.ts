import { PassThrough, type Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { codeOf, Exchange, notAnswered, type ExchangeOptions } from './exchange.ts';
import { requestHeaders } from './forwarding-headers.ts';
import type { Inbound } from './inbound.ts';

/** Codes of undici and of sockets: no request was made of it; the connection to the instance failed. */
const REFUSED_HERE = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED']);
const CONNECTION_FAULTS = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

type Controller = Dispatcher.DispatchController;

/** To an instance that speaks HTTP/1.1, by its pool of connections: the way of nearly every request. */
export class Http1Exchange extends Exchange implements Dispatcher.DispatchHandler {
  #controller: Controller | undefined;

  static send(client: Pick<Dispatcher, 'dispatch'>, options: ExchangeOptions): void {
    const { inbound } = options;
    const { method, target: path } = inbound;
    const body = bodyOf(inbound);
    const headers = requestHeaders(inbound, options.added);
    client.dispatch(
      { path, method: method as Dispatcher.HttpMethod, headers, body },
      new Http1Exchange(options),
    );
  }

  protected abort(reason: string): void {
    this.#controller?.abort(new Error(reason));
  }

  /** Nobody has begun to read its body; one of HTTP/2 is read from the start (bodyOf). */
  get #isWhole(): boolean {
    const { body, stream } = this.inbound;
    return body === undefined || !Object.is(body, stream);
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.isOver) controller.abort(new Error('over'));
  }

  onResponseStart(
    controller: Controller,
    code: number,
    headers: Readonly<Record<string, unknown>>,
    message?: string,
  ): void {
    if (code < 200) return;
    const raw = Array.isArray(controller.rawHeaders) ? controller.rawHeaders : [];
    const isAll = headers['content-length'] === '0';
    const announces = headers['trailer'] !== undefined;
    const mayTrail = announces || headers['content-length'] === undefined;
    this.begin(code, message, raw, { isAll, mayTrail, announces });
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (!this.write(chunk, () => controller.resume())) controller.pause();
  }

  onResponseEnd({ rawTrailers }: Controller): void {
    this.end(Array.isArray(rawTrailers) ? rawTrailers : []);
  }

  onResponseError(_: Controller, error: Error): void {
    const fault = codeOf(error);
    // It cannot be written as a request (a target such as `*`): not the instance's fault.
    if (fault !== undefined && REFUSED_HERE.has(fault)) this.fail({ code: 400, text: error.message }, false);
    else if (this.#controller === undefined && this.#isWhole) this.failUnsent(error.message); // X4
    else if (fault !== undefined && CONNECTION_FAULTS.has(fault)) void this.failBroken(error.message);
    else this.fail(notAnswered(error.message), false);
  }
}

/** undici destroys a body that it is done with, and a stream of HTTP/2 with it the answer. */
function bodyOf({ body, stream }: Inbound): Readable | null {
  if (body === undefined) return null;
  return Object.is(body, stream) ? body.pipe(new PassThrough()) : body;
}
