import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerRequests } from './child.ts';

/** Takes events and counts them; `until: N` is answered when that many have come since the last time. */
let count = 0;
let wanted: { n: number; resolve: () => void } | undefined;

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    count += 1;
    response.writeHead(204).end();
    if (wanted !== undefined && count >= wanted.n) wanted.resolve();
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));

answerRequests(async ({ until }) => {
  const n = Number(until);
  if (count < n) await new Promise<void>((resolve) => (wanted = { n, resolve }));
  wanted = undefined;
  const seen = count;
  count = 0;
  return { seen };
});
