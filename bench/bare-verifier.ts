import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerRequests } from './child.ts';

/**
 * The baseline of the webhook door: reads a delivery of GitHub, checks its signature, parses the payload as whoever wants
 * to know what it says, answers, and keeps nothing.
 */
const secret = process.argv[2] ?? '';
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
    const expected = createHmac('sha256', secret).update(body).digest();
    const written = String(request.headers['x-hub-signature-256']).slice('sha256='.length);
    const given = Buffer.from(written, 'hex');
    const isSigned = given.length === expected.length && timingSafeEqual(given, expected);
    const payload: unknown = isSigned ? JSON.parse(body.toString()) : undefined;
    response.writeHead(typeof payload === 'object' ? 202 : 401, { 'content-length': '0' }).end();
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
answerRequests(async () => ({}));
