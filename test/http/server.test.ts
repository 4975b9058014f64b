import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { answerText, answerUnread } from '../../src/http/respond.ts';
import { openServer, type Listener, type OpenServer } from '../../src/http/server.ts';
import { RawSocket } from '../kit/raw-socket.ts';

const opened: { close: (graceMs: number) => unknown }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(({ close }) => close(0)));
});

async function serve(options: Partial<Listener> = {}): Promise<OpenServer> {
  const onRequest = (_: IncomingMessage, response: ServerResponse): void =>
    answerText(response, 200, 'hello');
  const server = await openServer({ name: 'test', host: '127.0.0.1', port: 0, onRequest, ...options });
  opened.push({ close: (graceMs) => server.close(graceMs) });
  return server;
}

function socketTo({ port }: OpenServer): RawSocket {
  const raw = new RawSocket(port);
  opened.push({ close: () => raw.close() });
  return raw;
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

describe('a listener', () => {
  it('says where it listens', async () => {
    const server = await serve();
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    expect((await fetch(server.url)).status).toBe(200);
  });

  it('names the address and the flag when its port is taken', async () => {
    const { port } = await serve();
    await expect(serve({ name: 'gateway', flag: '--gateway', port })).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: `the gateway listener cannot have 127.0.0.1:${port}: another program listens there (--gateway moves it)`,
    });
  });

  it('says what it cannot open', async () => {
    await expect(serve({ host: '203.0.113.1' })).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
  });

  it('takes 190 KiB of headers, as 64 KiB of percent-encoded attributes are', async () => {
    const header = `ce-x: ${'%E2%82%AC'.repeat(21_000)}`;
    const raw = socketTo(await serve()).send(`GET / HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`);
    await expect.poll(() => raw.statuses).toEqual([200]);
  });

  it.each([
    ['more headers than Node keeps (H2)', `Host: x\r\n${'a: 1\r\n'.repeat(2500)}`, '/', 431],
    ['1 001 headers (H2)', `Host: x\r\n${'a: 1\r\n'.repeat(1000)}`, '/', 431],
    ['1 000 headers', `Host: x\r\n${'a: 1\r\n'.repeat(999)}`, '/', 200],
    ['300 KiB of headers', `Host: x\r\na: ${'x'.repeat(300 * 1024)}\r\n`, '/', 431],
    ['two Hosts', 'Host: x\r\nhost: y\r\n', '/', 400],
    ['no Host', 'A: b\r\n', '/', 400],
    ['an absolute target', 'Host: x\r\n', 'http://other/', 400],
    ['a space before the colon', 'Host: x\r\nA : b\r\n', '/', 400],
    ['a folded header', 'Host: x\r\nA: b\r\n c\r\n', '/', 400],
    ['a length and chunks', 'Host: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n', '/', 400],
    ['an unknown transfer encoding', 'Host: x\r\nTransfer-Encoding: xchunked\r\n', '/', 400],
    ['two lengths', 'Host: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n', '/', 400],
    ['a signed length', 'Host: x\r\nContent-Length: +1\r\n', '/', 400],
    ['a NUL', 'Host: x\r\nA: b\0c\r\n', '/', 400],
  ])('is given %s, and answers %4$s', async (_, headers, target, status) => {
    const raw = socketTo(await serve()).send(`GET ${target} HTTP/1.1\r\n${headers}\r\n`);
    await expect.poll(() => raw.statuses).toEqual([status]);
  });

  it('ends a connection whose headers do not come', async () => {
    const raw = socketTo(await serve({ headersTimeoutMs: 100 })).send('GET / HTTP/1.1\r\nHo');
    await expect.poll(() => raw.isClosed, { timeout: 5000 }).toBe(true);
    expect(raw.statuses).toEqual([408]);
  });
});

describe('a listener that closes (H4)', () => {
  it('lets what is in flight end, and tells the sender that the connection ends with it', async () => {
    const held: ServerResponse[] = [];
    const server = await serve({ onRequest: (_, response) => void held.push(response) });
    const raw = socketTo(server).send(GET);
    await expect.poll(() => held.length).toBe(1);
    const closing = server.close(10_000);
    for (const response of held) answerText(response, 200, 'late');
    await closing;
    expect(raw.statuses).toEqual([200]);
  });

  it('ends idle connections at once, used ones and those that were never used', async () => {
    const server = await serve();
    const [used, unused] = [socketTo(server).send(GET), socketTo(server)];
    await expect.poll(() => used.statuses).toEqual([200]);
    await expect.poll(() => unused.socket.readyState).toBe('open');
    await server.close(10_000);
    await expect.poll(() => [used.isClosed, unused.isClosed]).toEqual([true, true]);
  });

  it('accepts nothing new', async () => {
    const held: ServerResponse[] = [];
    const server = await serve({ onRequest: (_, response) => void held.push(response) });
    socketTo(server).send(GET);
    await expect.poll(() => held.length).toBe(1);
    const closing = server.close(10_000);
    const late = socketTo(server);
    await expect.poll(() => late.isClosed).toBe(true);
    held[0]?.end();
    await closing;
  });

  it('cuts what is still in flight after the grace time, upgraded connections included', async () => {
    const upgraded: unknown[] = [];
    const server = await serve({
      onRequest: () => undefined,
      onUpgrade: (_, socket) => void upgraded.push(socket.write('HTTP/1.1 101 Switching\r\n\r\n')),
    });
    const hanging = socketTo(server).send(GET);
    const tunnel = socketTo(server).send(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: u\r\n\r\n',
    );
    await expect.poll(() => upgraded.length).toBe(1);
    await server.close(50);
    await expect.poll(() => [hanging.isClosed, tunnel.isClosed]).toEqual([true, true]);
  });

  it('may be told twice, and the second time to hurry', async () => {
    const server = await serve({ onRequest: () => undefined });
    const raw = socketTo(server).send(GET);
    await expect.poll(() => raw.socket.bytesWritten).toBeGreaterThan(0);
    const slow = server.close(60_000);
    await Promise.all([slow, server.close(0)]);
    await server.close(0);
    const refused = await new Promise((resolve) => {
      connect(server.port, '127.0.0.1').on('error', ({ message }) => resolve(message));
    });
    expect(refused).toContain('ECONNREFUSED');
  });
});

describe('an answer to a body that nobody reads', () => {
  it('reaches a sender that is still writing', async () => {
    const server = await serve({ onRequest: (request, response) => refuseUnread(request, response) });
    const raw = socketTo(server).send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n');
    for (let i = 0; i < 20; i += 1) raw.send(Buffer.alloc(1_000_000));
    await expect.poll(() => raw.statuses).toEqual([413]);
    await expect.poll(() => raw.isClosed, { timeout: 5000 }).toBe(true);
    expect(raw.received).toMatch(/connection: close/i);
    expect(raw.received).toContain('too much');
  });

  it('keeps the connection when the body is small', async () => {
    const server = await serve({ onRequest: (request, response) => refuseUnread(request, response) });
    const post = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody';
    const raw = socketTo(server).send(post);
    await expect.poll(() => raw.statuses).toEqual([413]);
    raw.send(post);
    await expect.poll(() => raw.statuses).toEqual([413, 413]);
  });
});

function refuseUnread(request: IncomingMessage, response: ServerResponse): void {
  answerUnread(request, response, 413, 'too much');
}
