import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool, type Dispatcher } from 'undici';
import { answerRequests } from './child.ts';

/** The baseline of the gateway: the barest streaming proxy to one instance. */
const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`, { pipelining: 1 });

class Answer implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse;
  constructor(response: ServerResponse) {
    this.#response = response;
  }
  onRequestStart(): void {}
  onResponseStart(_: unknown, code: number, headers: Record<string, string | string[] | undefined>): void {
    this.#response.writeHead(code, headers as Record<string, string>);
  }
  onResponseData(_: unknown, chunk: Buffer): void {
    this.#response.write(chunk);
  }
  onResponseEnd(): void {
    this.#response.end();
  }
  onResponseError(_: unknown, error: Error): void {
    this.#response.writeHead(502).end(error.message);
  }
}

const server = createServer((request, response) => {
  const { url = '/', method = 'GET', headers } = request;
  const { connection: _, ...passed } = headers;
  pool.dispatch(
    { path: url, method: method as Dispatcher.HttpMethod, headers: passed, body: request },
    new Answer(response),
  );
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
answerRequests(async () => ({}));
