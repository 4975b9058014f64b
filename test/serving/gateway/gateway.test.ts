import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { onSignal, type Signals } from '../../../src/telemetry/signals.ts';
import { openSmallServing, WEB, WEB_HOST, type SmallServing } from '../../kit/small-serving.ts';

let small: SmallServing;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await small.close();
});

type Asked = Readonly<Record<string, string>>;
type Handler = (request: IncomingMessage, response: ServerResponse) => void;
const HANDLERS: Readonly<Record<string, Handler>> = {
  '/': (_, response) => response.end('ok'),
  '/echo': (request, response) => void request.pipe(response),
  '/headers': ({ headers, rawHeaders, method }, response) =>
    response.end(JSON.stringify({ headers, rawHeaders, method })),
  '/hang': () => undefined,
  '/reset': ({ socket }) => socket.resetAndDestroy(),
  '/garbage': ({ socket }) => socket.end('this is no HTTP\r\n\r\n'),
  '/cut': (_, response) => void response.write('half', () => response.socket?.resetAndDestroy()),
  '/dribble': (_, response) => {
    const timer = setInterval(() => response.write('.'), 20);
    response.on('close', () => clearInterval(timer));
  },
  '/stream': (_, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
  '/trailers': (_, response) => {
    response.writeHead(200, { trailer: 'x-sum' });
    response.write('body');
    response.addTrailers({ 'x-sum': '4' });
    response.end();
  },
  '/odd': (_, response) =>
    response
      .writeHead(200, 'Odd But Fine', [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['X-Name', Buffer.from('é').toString('latin1')],
      ])
      .end(),
};

async function open(): Promise<SmallServing> {
  small = await openSmallServing((request, response) => HANDLERS[request.url ?? '']?.(request, response));
  return small;
}

/** Writes bytes as they are and collects what comes back. */
function raw(
  port: number,
  text: string,
): { readonly socket: Socket; readonly text: () => string; closed: () => boolean } {
  const socket = connect({ port, host: '127.0.0.1' });
  sockets.push(socket);
  let [got, isClosed] = ['', false];
  socket.on('data', (chunk) => (got += chunk.toString('latin1')));
  socket.on('close', () => (isClosed = true));
  socket.on('error', () => undefined);
  socket.write(text, 'latin1');
  return { socket, text: () => got, closed: () => isClosed };
}

describe('hosts', () => {
  it('names inside the cluster are 404 on the public listener and never reach its fallback', async () => {
    const { web, ask, publicPort: port, runtime, strays } = await open();
    web();
    for (const host of [
      WEB_HOST,
      'web.demo',
      'web.demo.svc',
      'nobody.demo.svc.cluster.local',
      'WEB.Demo.:8080',
    ])
      expect((await ask('/', { host, port })).code).toBe(404);
    expect(strays).toEqual([]);
    expect(runtime.starts).toBe(0);
    expect((await ask('/', { host: 'Web.Demo.LOCALHOST.:8080', port })).code).toBe(200);
  });

  it('a host that is no service is left to the fallback of its listener', async () => {
    const { web, ask, publicPort: port, strays } = await open();
    web();
    expect(await ask('/', { host: 'hooks.example', port })).toMatchObject({ code: 404 });
    expect(await ask('/', { host: 'nobody.demo' })).toMatchObject({ code: 404 });
    expect(strays).toEqual(['hooks.example', 'nobody.demo']);
  });

  it('a public name is told to go to the public listener, and is no service on the internal one', async () => {
    const { web, ask, serving } = await open();
    web();
    expect(serving.listenerFor('web.demo.localhost')).toBe('public');
    expect(serving.listenerFor(WEB_HOST)).toBe('internal');
    expect(serving.listenerFor('else.where')).toBeUndefined();
    expect((await ask('/', { host: 'web.demo.localhost' })).text).toBe('not a service\n');
  });

  it.each([
    ['activator', 200, 'activator'],
    ['queue', 503, 'no instance is ready'],
    ['else', 400, 'unexpected probe header value: "else"'],
  ])('the probe %s is answered %d without waking anything', async (probe, code, text) => {
    const { web, ask, runtime } = await open();
    web();
    expect(await ask('/', { headers: { 'k-network-probe': probe } })).toMatchObject({ code, text });
    expect(runtime.starts).toBe(0);
  });
});

describe('what passes through', () => {
  it('headers as they were written, but for those of the connection, and who asked', async () => {
    const { web, internalPort } = await open();
    web();
    const head = `GET /headers HTTP/1.1\r\nHost: ${WEB_HOST}\r\nX-Twice: 1\r\nX-Twice: 2\r\nX-Name: \xe9\r\nX-Gone: 1\r\n`;
    const { text } = raw(
      internalPort,
      `${head}X-Forwarded-For: 10.0.0.1\r\nTE: trailers\r\nConnection: close, X-Gone\r\n\r\n`,
    );
    await expect.poll(text).toContain('rawHeaders');
    expect(text()).not.toMatch(/x-gone|"te"/i);
    expect(text()).toContain('"X-Twice","1","X-Twice","2"');
    expect(text()).toContain('"x-forwarded-for":"10.0.0.1, 127.0.0.1"');
    expect(text()).toContain('"x-forwarded-proto":"http"');
    expect(text()).toContain(`"forwarded":"for=10.0.0.1;host=${WEB_HOST};proto=http, for=127.0.0.1"`);
    expect(text()).toContain('"x-name":"\xc3\xa9"'); // the one byte, in the JSON's UTF-8
  });

  it('a request without a body has none at the instance, whatever its method', async () => {
    const { web, internalPort } = await open();
    web();
    const { text } = raw(
      internalPort,
      `POST /headers HTTP/1.1\r\nHost: ${WEB_HOST}\r\nConnection: close\r\n\r\n`,
    );
    await expect.poll(text).toContain('"method":"POST"');
    expect(text()).not.toContain('transfer-encoding":"chunked","x-');
    expect(text()).toContain('"content-length":"0"');
  });

  it('answers with repeated headers, bytes above ASCII and reason phrases of their own', async () => {
    const { web, internalPort } = await open();
    web();
    const { text } = raw(internalPort, `GET /odd HTTP/1.1\r\nHost: ${WEB_HOST}\r\nConnection: close\r\n\r\n`);
    await expect.poll(text).toContain('\r\n\r\n');
    expect(text()).toMatch(/^HTTP\/1\.1 200 Odd But Fine\r\n/);
    expect(text()).toContain('set-cookie: a=1\r\nset-cookie: b=2\r\n');
    expect(Buffer.from(text(), 'latin1').includes(Buffer.from('X-Name: é'))).toBe(true);
  });

  it('trailers, and the head of a stream before its first byte', async () => {
    const { web, internalPort } = await open();
    web();
    const trailing = raw(internalPort, `GET /trailers HTTP/1.1\r\nHost: ${WEB_HOST}\r\nTE: trailers\r\n\r\n`);
    await expect.poll(trailing.text).toContain('0\r\nx-sum: 4\r\n\r\n');
    const streaming = raw(internalPort, `GET /stream HTTP/1.1\r\nHost: ${WEB_HOST}\r\n\r\n`);
    await expect.poll(streaming.text).toContain('text/event-stream');
  });

  it('20 MB each way byte for byte, with a client that asks 100-continue first', async () => {
    const { web, internalPort: port } = await open();
    web();
    const body = randomBytes(20_000_000);
    const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    const headers = { host: WEB_HOST, expect: '100-continue', 'content-length': body.length };
    const outgoing = httpRequest({ port, host: '127.0.0.1', method: 'POST', path: '/echo', headers });
    outgoing.on('continue', () => outgoing.end(body));
    outgoing.flushHeaders();
    const answer = await new Promise<IncomingMessage>((resolve) => outgoing.once('response', resolve));
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    expect(sha(Buffer.concat(chunks))).toBe(sha(body));
  });

  it('is read no faster than it is taken: a client that stops reading holds the instance back', async () => {
    let written = 0;
    const block = Buffer.alloc(1024 * 1024);
    small = await openSmallServing((_, response) => {
      const more = (): void => {
        written += 1;
        if (written < 256) response.write(block, more);
      };
      more();
    });
    small.web();
    const reader = connect({ port: small.internalPort, host: '127.0.0.1' });
    sockets.push(reader);
    reader.pause();
    reader.write(`GET /flood HTTP/1.1\r\nHost: ${WEB_HOST}\r\n\r\n`);
    let before = -1;
    await expect
      .poll(() => [written > 0, written === before || ((before = written), false)], { interval: 200 })
      .toEqual([true, true]);
    expect(written).toBeLessThan(64);
  });
});

describe('upgrades', () => {
  const ask = (more = ''): string =>
    `GET /chat HTTP/1.1\r\nHost: ${WEB_HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`;
  const accept = (_: IncomingMessage, socket: NodeJS.WritableStream & NodeJS.ReadableStream): void => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  };

  it('carry bytes both ways from zero, and free their place at the end', async () => {
    const { web, runtime, internalPort, counts } = await open();
    runtime.onUpgrade = accept;
    web({ containerConcurrency: 1 });
    const { socket, text } = raw(internalPort, ask());
    await expect.poll(text).toContain('101 Switching Protocols');
    socket.write('hello');
    await expect.poll(text).toContain('hello');
    expect(counts().inFlight).toBe(1);
    socket.destroy();
    await expect.poll(() => counts().inFlight).toBe(0);
  });

  it('end at timeoutSeconds, and when nothing passes for the idle time', async () => {
    const { web, runtime, internalPort, counts } = await open();
    runtime.onUpgrade = accept;
    for (const plan of [{ timeoutMs: 150 }, { idleTimeoutMs: 150 }]) {
      web(plan);
      const { closed } = raw(internalPort, ask());
      await expect.poll(closed).toBe(true);
      await expect.poll(() => counts().inFlight).toBe(0);
    }
  });

  it('that an instance declines are answered as it answers', async () => {
    const { web, internalPort, runtime } = await open();
    runtime.onUpgrade = undefined; // node:http then takes it for a plain request
    web();
    const { text, closed } = raw(internalPort, ask().replace('/chat', '/headers'));
    await expect.poll(closed).toBe(true);
    expect(text()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text()).not.toContain('chunked');
    expect(JSON.parse(text().slice(text().indexOf('{')))).toMatchObject({ method: 'GET' });
  });

  it('whose client resets while it waits for an instance harm nobody', async () => {
    const { web, internalPort, runtime, counts } = await open();
    const letStart = runtime.hold();
    web();
    const { socket } = raw(internalPort, ask());
    await expect.poll(() => counts().waiting).toBe(1);
    socket.resetAndDestroy();
    await expect.poll(() => counts().waiting).toBe(0);
    letStart();
    expect((await small.ask()).code).toBe(200);
  });
});

describe('what goes wrong', () => {
  it('a hang ends at timeoutSeconds, at the first-byte timeout and at the idle timeout with 504', async () => {
    const { web, ask, counts } = await open();
    for (const plan of [{ timeoutMs: 100 }, { responseStartTimeoutMs: 100 }, { idleTimeoutMs: 100 }]) {
      web(plan);
      expect(await ask('/hang')).toMatchObject({ code: 504, text: 'request timeout\n' });
      expect(counts().inFlight).toBe(0);
    }
  });

  it('a dribble ends at timeoutSeconds in words', async () => {
    const { web, ask, counts } = await open();
    web({ timeoutMs: 200, idleTimeoutMs: 100 });
    expect(await ask('/dribble')).toMatchObject({
      code: 200,
      text: expect.stringMatching(/^\.+request timeout$/),
    });
    expect(counts().inFlight).toBe(0);
  });

  it.each([
    ['an event', { 'ce-specversion': '1.0' }, {}],
    ['a structured event', { 'content-type': 'application/cloudevents+json' }, {}],
    ['a reply', {}, { 'ce-specversion': '1.0' }],
    ['one of known length', {}, { 'content-length': '1000' }],
    ['one in an encoding', {}, { 'content-encoding': 'gzip' }],
    ['gRPC', {}, { 'content-type': 'application/grpc+proto' }],
  ])('what is %s ends by a cut: nobody takes it for whole', async (_, asked: Asked, answered) => {
    small = await openSmallServing((_request, response) => {
      response.writeHead(200, answered).write('.');
    });
    small.web({ timeoutMs: 200 });
    await expect(small.ask('/', { headers: asked })).rejects.toThrow();
    expect(small.counts().inFlight).toBe(0);
  });

  it('an answer that is cut short is cut for the client too', async () => {
    const { web, ask } = await open();
    web();
    await expect(ask('/cut')).rejects.toThrow();
  });

  it('a reset is a 502, and an instance that still listens is kept', async () => {
    const { web, ask, runtime } = await open();
    web();
    for (let i = 0; i < 3; i += 1) {
      expect(await ask('/reset')).toMatchObject({
        code: 502,
        text: expect.stringContaining('did not answer'),
      });
      expect((await ask()).code).toBe(200);
    }
    expect(runtime.starts).toBe(1);
  });

  it('an answer that is no HTTP is a 502', async () => {
    const { web, ask, runtime } = await open();
    web();
    expect(await ask('/garbage')).toMatchObject({
      code: 502,
      text: expect.stringContaining('did not answer'),
    });
    expect((await ask()).code).toBe(200);
    expect(runtime.starts).toBe(1);
  });

  it('a client that goes away frees its place while it uploads, waits for an answer or for an instance', async () => {
    const { web, ask, counts, internalPort, runtime, events } = await open();
    web({ containerConcurrency: 1 }, { maxScale: 1 });
    await ask();
    const head = (path: string, more = ''): string =>
      `POST ${path} HTTP/1.1\r\nHost: ${WEB_HOST}\r\n${more}\r\n`;
    const upload = raw(internalPort, head('/hang', 'Content-Length: 100\r\n'));
    await expect.poll(() => counts().inFlight).toBe(1);
    const waits = raw(internalPort, head('/hang'));
    await expect.poll(() => counts().waiting).toBe(1);
    waits.socket.destroy();
    await expect.poll(() => counts().waiting).toBe(0);
    upload.socket.destroy();
    await expect.poll(() => counts().inFlight).toBe(0);
    await expect.poll(() => runtime.started[0]?.busy()).toBe(0);
    expect((await ask()).code).toBe(200);
    expect(events.map(({ kind }) => kind)).toEqual(['starting', 'ready']);
  });

  it('what cannot be written as a request is 400 and no fault of the instance', async () => {
    const { web, ask, internalPort, runtime } = await open();
    web();
    await ask();
    const { text } = raw(
      internalPort,
      `OPTIONS * HTTP/1.1\r\nHost: ${WEB_HOST}\r\nConnection: close\r\n\r\n`,
    );
    await expect.poll(text).toMatch(/^HTTP\/1\.1 400 /);
    expect((await ask()).code).toBe(200);
    expect(runtime.starts).toBe(1);
  });
});

describe('what is told', () => {
  it('each request once, with its event, its code and the phases of its wake', async () => {
    const { web, ask, serving } = await open();
    const heard: Signals['serving.answered'][] = [];
    const stop = onSignal('serving.answered', (signal) => heard.push(signal));
    web({ timeoutMs: 100 });
    const headers = { 'ce-id': 'e1', 'ce-source': '/s', 'ce-type': 't' };
    await ask('/', { headers });
    await ask();
    await ask('/hang');
    await ask('/reset');
    await serving.removeRevision(WEB);
    await ask();
    stop();
    expect(heard.map(({ code, id }) => [code, id])).toEqual([
      [200, 'e1'],
      [200, ''],
      [504, ''],
      [502, ''],
      [503, ''],
    ]);
    expect(heard[0]).toMatchObject({ source: '/s', type: 't', revision: WEB, wake: { queuedMs: 0 } });
    expect(heard[0]?.wake?.readyMs).toBeLessThan(1000);
    expect(heard.slice(1).map(({ wake }) => wake)).toEqual([undefined, undefined, undefined, undefined]);
  });
});
