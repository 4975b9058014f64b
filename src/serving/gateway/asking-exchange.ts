import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { codeOf, Exchange, notAnswered, type ExchangeOptions } from './exchange.ts';
import { requestHeaders } from './forwarding-headers.ts';
import { objectOf, type Inbound } from './inbound.ts';

/** Whether a request needs what undici does not have. */
export function needsAsking({ asksToContinue, body, headers }: Inbound): boolean {
  return body !== undefined && (asksToContinue || headers.trailer !== undefined);
}

/**
 * To an instance that speaks HTTP/1.1, for a request that asks whether to send its body (`Expect: 100-continue`) or
 * that announces trailers: by a connection of its own.
 */
export class AskingExchange extends Exchange {
  #outgoing: ClientRequest | undefined;

  static send(port: number, options: ExchangeOptions): void {
    new AskingExchange(options).#send(port, options.inbound);
  }

  protected abort(): void {
    this.#outgoing?.destroy();
  }

  #send(port: number, { method, target: path, headers, asksToContinue }: Inbound): void {
    const own = requestHeaders(this.inbound, this.added);
    if (headers['content-length'] === undefined) own.push('transfer-encoding', 'chunked');
    if (headers.trailer !== undefined) own.push('trailer', headers.trailer);
    if (asksToContinue) own.push('expect', '100-continue');
    const outgoing = httpRequest({ host: '127.0.0.1', port, method, path, headers: own, agent: false });
    this.#outgoing = outgoing;
    outgoing.on('response', (response) => this.#answer(response));
    outgoing.on('error', (error) => {
      if (asksToContinue && codeOf(error) === 'ECONNREFUSED') this.failUnsent(error.message); // X4
      else void this.failBroken(error.message);
    });
    if (asksToContinue) {
      outgoing.on(
        'continue',
        this.whenAsked(() => this.#sendBody(outgoing)),
      );
      outgoing.flushHeaders();
    } else this.#sendBody(outgoing);
  }

  #sendBody(outgoing: ClientRequest): void {
    const { body } = this.inbound;
    body?.pipe(outgoing, { end: false });
    body?.once('end', () => {
      const { trailers } = this.inbound;
      if (trailers.length > 0 && this.inbound.headers['content-length'] === undefined)
        outgoing.addTrailers(objectOf(trailers) as Record<string, string>);
      outgoing.end();
    });
  }

  #answer(response: IncomingMessage): void {
    const { statusCode = 502, statusMessage, rawHeaders, headers } = response;
    const isAll = headers['content-length'] === '0';
    this.begin(statusCode, statusMessage, rawHeaders, {
      isAll,
      mayTrail: true,
      announces: headers.trailer !== undefined,
    });
    response.on('data', (chunk: Buffer) => {
      if (!this.write(chunk, () => response.resume())) response.pause();
    });
    response.on('end', () => {
      this.end(response.rawTrailers);
      this.#outgoing?.destroy();
    });
    response.on('close', () => this.fail(notAnswered('cut short'), true));
  }
}
