import { STATUS_CODES, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { answerUnread } from '../../http/respond.ts';
import { saysBody, type Head, type Inbound } from './inbound.ts';
import type { Origin } from './origin.ts';
import type { Refusal } from './refusal.ts';

/** A client that still sends when it has its answer is heard out for so long, so that it finds the answer and no reset. */
const LINGER_MS = 1000;

/** A request that came by HTTP/1.1. */
export class Http1Inbound implements Inbound {
  readonly stream: ServerResponse;
  readonly origin: Origin;
  readonly body: Readable | undefined;
  readonly #request: IncomingMessage;
  #isHeadHeld = false;

  constructor(request: IncomingMessage, response: ServerResponse, origin: Origin) {
    this.origin = origin;
    this.#request = request;
    this.stream = response;
    this.body = saysBody(request.headers) ? keptOpen(request) : undefined;
  }

  get method(): string {
    return this.#request.method ?? 'GET';
  }

  get target(): string {
    return this.#request.url ?? '/';
  }

  get host(): string {
    return this.#request.headers.host ?? '';
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  get rawHeaders(): readonly string[] {
    return this.#request.rawHeaders;
  }

  get trailers(): readonly string[] {
    return this.#request.rawTrailers;
  }

  get asksToContinue(): boolean {
    return this.#request.headers.expect !== undefined; // Node refuses any other expectation (417)
  }

  get hasBegun(): boolean {
    return this.stream.headersSent;
  }

  proceed(): void {
    this.stream.writeContinue();
  }

  begin({ code, message, headers, isAll, announces }: Head): void {
    const passed = announces ? this.#readyToTrail(headers, isAll) : headers;
    this.stream.writeHead(code, reasonPhrase(code, message), passed);
    // Whoever streams may wait long before its first byte: the head goes without it, unless that is here already.
    if (isAll) return;
    this.#isHeadHeld = true;
    queueMicrotask(this.#flush);
  }

  /** RFC 9112, 7.1.2: only chunks have trailers, so that a length goes where some are announced; or they, where none can be. */
  #readyToTrail(headers: readonly string[], isAll: boolean): string[] {
    const { method, httpVersionMinor } = this.#request;
    const canTrail = !isAll && method !== 'HEAD' && httpVersionMinor > 0;
    return without(headers, canTrail ? 'content-length' : 'trailer');
  }

  /** What trails is written only where the answer has no length of its own. */
  end(trailers: readonly string[]): void {
    this.#isHeadHeld = false;
    if (trailers.length > 0) this.stream.addTrailers(pairsOf(trailers));
    this.stream.end();
    if (this.body !== undefined && !this.#request.complete) hearOut(this.#request);
  }

  cut(): void {
    this.stream.destroy();
  }

  refuse({ code, text, headers }: Refusal): void {
    if (this.stream.headersSent) this.cut();
    else answerUnread(this.#request, this.stream, code, text, headers);
  }

  readonly #flush = (): void => {
    if (this.#isHeadHeld && !this.stream.destroyed) this.stream.flushHeaders();
  };
}

/** Whoever reads a body may destroy it when it is done; the answer goes by the same connection, and must outlive that. */
function keptOpen(request: IncomingMessage): IncomingMessage {
  request.destroy = resumed;
  return request;
}

function resumed(this: IncomingMessage): IncomingMessage {
  return this.resume();
}

function hearOut(request: IncomingMessage): void {
  const { socket } = request; // which Node takes from it when the answer is done
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  request.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
  request.resume();
}

/** Nearly always the usual one; another only when it can be written as a header can. */
function reasonPhrase(code: number, message: string | undefined): string {
  const usual = STATUS_CODES[code] ?? '';
  return message === undefined || message === usual || !/^[\t\x20-\x7e]*$/.test(message) ? usual : message;
}

function without(headers: readonly string[], dropped: string): string[] {
  return headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== dropped);
}

function pairsOf(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i] ?? '', flat[i + 1] ?? '']);
  return pairs;
}
