import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { answerRequests } from './child.ts';

/** The baseline of the durable path: reads the body, sends it on over 64 connections, answers when the sink has. */
const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`, { connections: 64, pipelining: 1 });
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    pool.dispatch(
      { path: '/', method: 'POST', headers: { 'content-type': 'text/plain' }, body: body ?? null },
      {
        onRequestStart() {},
        onResponseStart() {},
        onResponseData() {},
        onResponseEnd() {
          response.statusCode = 202;
          response.setHeader('content-length', '0');
          response.end();
        },
        onResponseError(_controller, error) {
          response.writeHead(502).end(error.message);
        },
      },
    );
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
answerRequests(async () => ({}));
