import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ByteBudget, readBody, type BodyRead } from '../../src/http/body.ts';

const MAX = 1000;
const budget = new ByteBudget(2 * MAX);
let reads: BodyRead[] = [];
const server = createServer((request, response) => {
  void readBody(request, { maxBytes: MAX, budget }).then((read) => {
    reads.push(read);
    if (read.kind === 'body') budget.give(read.held);
    response.writeHead(read.kind === 'refused' ? read.code : 200, { connection: 'close' }).end();
  });
});
let url = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
beforeEach(() => {
  reads = [];
});
afterAll(() => void server.close());

const post = async (body: string, headers: Record<string, string> = {}): Promise<number> =>
  (await fetch(url, { method: 'POST', body, headers })).status;

describe('a bounded body', () => {
  it('holds what has come in, and gives back exactly that, whole, refused or cut', async () => {
    expect(await post('x'.repeat(MAX))).toBe(200);
    expect(await post('x'.repeat(MAX + 1))).toBe(413);
    const cut = httpRequest(url, { method: 'POST', headers: { 'content-length': '500' } });
    cut.on('error', () => undefined);
    cut.write('half');
    await expect.poll(() => budget.held).toBe(4); // not the 500 that were announced
    cut.destroy();
    await expect.poll(() => reads.map(({ kind }) => kind)).toEqual(['body', 'refused', 'gone']);
    await expect.poll(() => budget.held).toBe(0);
  });

  it('counts a body without a declared length as it comes, and refuses it at the bound', async () => {
    const chunks = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let i = 0; i < 3; i += 1) controller.enqueue(new Uint8Array(MAX / 2));
        controller.close();
      },
    });
    const answer = await fetch(url, { method: 'POST', body: chunks, duplex: 'half' } as RequestInit);
    expect(answer.status).toBe(413);
    await expect.poll(() => budget.held).toBe(0);
  });

  it('is refused with 503 while too many bytes are being received', async () => {
    expect(budget.take(2 * MAX - 10)).toBe(true);
    expect(await post('x'.repeat(11))).toBe(503);
    expect(await post('x'.repeat(10))).toBe(200);
    budget.give(2 * MAX - 10);
    expect(budget.held).toBe(0);
  });

  it('is not taken when it is encoded: bytes in are bytes out', async () => {
    expect(await post('x', { 'content-encoding': 'gzip' })).toBe(415);
  });
});
