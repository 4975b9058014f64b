import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { onSignal } from '../../../src/telemetry/signals.ts';
import { openSmallServing, WEB, WEB_HOST, type SmallServing } from '../../kit/small-serving.ts';

let small: SmallServing;
let seen: string[] = [];
afterEach(async () => {
  seen = [];
  await small.close();
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  seen.push(`${request.method} ${request.url}`);
  if (request.url === '/drop') request.resume().on('end', () => request.socket.resetAndDestroy());
  else if (request.url === '/drop-at-once') request.socket.resetAndDestroy();
  else request.pipe(response);
}

/** Two instances of which one refuses connections, and is the one that is asked first. */
async function open(): Promise<SmallServing> {
  small = await openSmallServing(answer);
  small.web({ containerConcurrency: 2 }, { minScale: 2 });
  await expect.poll(() => small.counts().ready).toBe(2);
  expect((await small.ask()).code).toBe(200);
  seen = [];
  small.runtime.started[0]?.deafen();
  return small;
}

const sha = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

/** Writes a request as it is, and collects what comes back. */
function raw(head: string): { readonly text: () => string; readonly send: (more: string) => void } {
  const socket = connect(small.internalPort, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  socket.write(head);
  return { text: () => text, send: (more) => void socket.write(more) };
}

describe('a request that an instance refuses a connection for', () => {
  it('goes to another with its body whole, and is told once', async () => {
    const { ask, runtime, counts } = await open();
    const told: string[] = [];
    const stop = onSignal('serving.answered', ({ code, instance }) => told.push(`${code} ${instance}`));
    const body = randomBytes(3_000_000).toString('base64');
    const { code, text } = await ask('/echo', { method: 'POST', body });
    stop();
    expect({ code, sha: sha(text) }).toEqual({ code: 200, sha: sha(body) });
    expect(seen).toEqual(['POST /echo']);
    expect(told).toEqual([`200 ${runtime.started[1]?.id}`]);
    expect(counts()).toMatchObject({ inFlight: 0, waiting: 0 });
  });

  it('goes to another when it asked whether to send its body', async () => {
    await open();
    const { text, send } = raw(
      `POST /asks HTTP/1.1\r\nHost: ${WEB_HOST}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`,
    );
    await expect.poll(text).toContain('100 Continue');
    send('body');
    await expect.poll(text).toMatch(/200 OK[^]*body/);
    expect(seen).toEqual(['POST /asks']);
  });

  it('goes to another as an upgrade, too', async () => {
    small = await openSmallServing(answer);
    small.runtime.onUpgrade = (_, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n');
      socket.pipe(socket);
    };
    small.web({ containerConcurrency: 2 }, { minScale: 2 });
    await expect.poll(() => small.counts().ready).toBe(2);
    small.runtime.started[0]?.deafen();
    const { text, send } = raw(
      `GET /chat HTTP/1.1\r\nHost: ${WEB_HOST}\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n`,
    );
    await expect.poll(text).toContain('101 Switching Protocols');
    send('ping');
    await expect.poll(text).toContain('ping');
  });

  it('ends as a 502 after three others have refused it, and does not go round for ever', async () => {
    small = await openSmallServing(answer);
    const { web, ask, runtime, serving } = small;
    web({ containerConcurrency: 1 }, { minScale: 5 });
    await expect.poll(() => small.counts().ready).toBe(5);
    for (const instance of runtime.started) instance.deafen();
    const { code, text } = await ask();
    expect(code).toBe(502);
    expect(text).toContain('ECONNREFUSED');
    expect(seen).toEqual([]);
    await expect.poll(async () => (await ask()).code, { timeout: 5000 }).toBe(200);
    expect(serving.countsOf(WEB)).toMatchObject({ inFlight: 0, waiting: 0 });
  });
});

describe('a request that an instance may have seen', () => {
  it.each([
    ['GET', '/drop-at-once', undefined],
    ['POST', '/drop-at-once', 'body'],
    ['POST', '/drop', 'body'],
  ] as const)('is a 502 and is never sent again: %s %s', async (method, path, body) => {
    small = await openSmallServing(answer);
    small.web({ containerConcurrency: 2 }, { minScale: 2 });
    await expect.poll(() => small.counts().ready).toBe(2);
    const { code } = await small.ask(path, { method, ...(body !== undefined && { body }) });
    expect(code).toBe(502);
    expect((await small.ask()).code).toBe(200);
    expect(seen).toEqual([`${method} ${path}`, 'GET /']);
  });
});
