import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerRequests } from './child.ts';

/** Takes what it is sent, and never answers. */
const server = createServer((request) => void request.resume());
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
answerRequests(async () => ({}));
