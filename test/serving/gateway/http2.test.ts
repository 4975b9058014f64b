import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { calledBy, Http2Caller } from '../../kit/http2-caller.ts';
import { RawSocket } from '../../kit/raw-socket.ts';
import { openSmallServing, WEB_HOST, type SmallServing } from '../../kit/small-serving.ts';

let small: SmallServing;
const opened: { close(): void }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) each.close();
  await small.close();
});

function kept<T extends { close(): void }>(each: T): T {
  opened.push(each);
  return each;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
const HANDLERS: Readonly<Record<string, Handler>> = {
  '/': (_, response) => response.end('ok'),
  '/echo': (request, response) => void request.pipe(response),
  '/version': ({ httpVersion }, response) => response.end(httpVersion),
  '/headers': ({ headers }, response) => response.end(JSON.stringify(headers)),
  '/hang': () => undefined,
  '/half': (_, response) => void response.write('half'),
  '/cut': (_, response) =>
    void response.write('half', () => {
      if ('stream' in response)
        (response.stream as ServerHttp2Stream).close(constants.NGHTTP2_INTERNAL_ERROR);
      else response.socket?.destroy();
    }),
  '/short': (_, response) =>
    void response.writeHead(200, { 'content-length': 10 }).write('half', () => {
      if ('stream' in response) (response.stream as ServerHttp2Stream).close(constants.NGHTTP2_NO_ERROR);
      else response.socket?.destroy();
    }),
  '/upload': (request, response) => HANDLERS_OF_TEST.upload(request, response),
  '/early': (_, response) => response.writeHead(413).end('too large'),
  '/sums': (request, response) => {
    response.writeHead(200, { trailer: 'x-sum' });
    request.pipe(response, { end: false });
    request.on('end', () => {
      response.addTrailers({ 'x-sum': String(request.trailers['x-sum']) });
      response.end();
    });
  },
};

const HANDLERS_OF_TEST: { upload: Handler } = { upload: () => undefined };

/** `backs`: what instances speak. */
async function open(backs: 'http1' | 'h2c', onServer?: (server: Http2Server) => void): Promise<Http2Caller> {
  small = await openSmallServing((request, response) => HANDLERS[request.url ?? '']?.(request, response));
  if (backs === 'h2c') small.runtime.onHttp2 = onServer ?? (() => undefined);
  small.web({ protocol: backs });
  return kept(new Http2Caller(small.internalPort, WEB_HOST));
}

describe.each(['http1', 'h2c'] as const)('a client of HTTP/2 and instances of %s', (backs) => {
  it('reach one another from zero, with bodies both ways', async () => {
    const caller = await open(backs);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => caller.ask('/echo', {}, `body ${i}`)),
    );
    expect(answers.map((each) => each.text)).toEqual(answers.map((_, i) => `body ${i}`));
    expect((await caller.ask('/version')).text).toBe(backs === 'h2c' ? '2.0' : '1.1');
    expect(small.runtime.starts).toBe(1);
    expect(small.counts().inFlight).toBe(0);
  });

  it('headers go on, cookies as one, and who asked', async () => {
    const caller = await open(backs);
    const sent = { cookie: ['a=1', 'b=2'], 'x-up': 'ö', te: 'trailers', 'x-forwarded-for': '10.0.0.1' };
    const seen = JSON.parse((await caller.ask('/headers', sent)).text) as Record<string, string>;
    expect(seen).toMatchObject({
      cookie: 'a=1; b=2',
      'x-forwarded-for': '10.0.0.1, 127.0.0.1',
      'x-forwarded-proto': 'http',
      forwarded: `for=10.0.0.1;host=${WEB_HOST};proto=http, for=127.0.0.1`,
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/),
    });
    expect(seen['host'] ?? seen[':authority']).toBe(WEB_HOST);
    expect(seen['te']).toBe(backs === 'h2c' ? 'trailers' : undefined);
  });

  it('trailers come after the body, in both directions', async () => {
    const caller = await open(backs);
    const stream = caller.session.request(
      { ':path': '/sums', ':method': 'POST', ':authority': WEB_HOST, trailer: 'x-sum' },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
    const trailers = new Promise((resolve) => stream.on('trailers', resolve));
    stream.end('body');
    expect(await text(stream)).toBe('body');
    expect(await trailers).toMatchObject({ 'x-sum': '42' });
  });

  it('a client that takes its request back frees its place, and the instance hears of it', async () => {
    const caller = await open(backs);
    const stream = caller.open('/hang', { ':method': 'POST' });
    await expect.poll(() => small.counts().inFlight).toBe(1);
    stream.close(constants.NGHTTP2_CANCEL);
    await expect.poll(() => small.counts().inFlight).toBe(0);
    await expect.poll(() => small.runtime.started[0]?.busy()).toBe(0);
    expect((await caller.ask('/')).text).toBe('ok');
  });

  it('a request that takes too long is 504; once its answer has begun it ends in words, an event is reset', async () => {
    const caller = await open(backs);
    for (const plan of [{ timeoutMs: 100 }, { responseStartTimeoutMs: 100 }, { idleTimeoutMs: 100 }]) {
      small.web({ protocol: backs, ...plan });
      expect(await caller.ask('/hang')).toMatchObject({ code: 504, text: 'request timeout\n' });
    }
    small.web({ protocol: backs, timeoutMs: 200 });
    const plain = await caller.ask('/half');
    expect([plain.code, plain.text, plain.rstCode]).toEqual([200, 'halfrequest timeout', 0]);
    const event = await caller.ask('/half', { 'ce-specversion': '1.0' });
    expect([event.code, event.text, event.rstCode]).toEqual([200, 'half', constants.NGHTTP2_INTERNAL_ERROR]);
    expect(small.counts().inFlight).toBe(0);
    expect((await caller.ask('/')).text).toBe('ok'); // by the same connection
  });

  it('an answer that is cut short is reset, and what cannot be had is refused in words', async () => {
    const caller = await open(backs);
    expect((await caller.ask('/cut')).rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    expect((await caller.ask('/short')).rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    await expect.poll(async () => (await caller.ask('/')).code).toBe(200);
    const missing = kept(new Http2Caller(small.publicPort, WEB_HOST));
    expect(await missing.ask('/')).toMatchObject({ code: 404, text: 'not a service\n' });
    expect(await missing.ask('/', {}, 'body')).toMatchObject({ code: 404, text: 'not a service\n' });
  });

  it('an answer before the end of the request is taken, and the rest of the request is not waited for', async () => {
    const caller = await open(backs);
    const stream = caller.open('/early', { ':method': 'POST' });
    stream.write('some');
    expect(await calledBy(stream)).toMatchObject({
      code: 413,
      text: 'too large',
      rstCode: constants.NGHTTP2_NO_ERROR,
    });
    expect(small.counts().inFlight).toBe(0);
  });

  it('an upload that breaks off is never whole for the instance', async () => {
    const caller = await open(backs);
    const ends: string[] = [];
    HANDLERS_OF_TEST.upload = (request) => {
      request.on('end', () => ends.push('whole'));
      request.on('aborted', () => ends.push('aborted'));
      request.on('error', () => undefined);
      request.resume();
    };
    const stream = caller.open('/upload', { ':method': 'POST' });
    stream.write('half');
    await expect.poll(() => small.runtime.started[0]?.busy()).toBe(1);
    stream.destroy(new Error('broken off'));
    await expect.poll(() => ends[0]).toBe('aborted'); // node:http2 tells of an end after it
    await expect.poll(() => small.counts().inFlight).toBe(0);
  });

  it('both sides speak at once', async () => {
    const caller = await open(backs);
    const stream = caller.open('/echo', { ':method': 'POST' });
    const heard: string[] = [];
    stream.on('data', (chunk: Buffer) => heard.push(chunk.toString()));
    for (const word of ['one', 'two', 'three']) {
      stream.write(word);
      await expect.poll(() => heard.join('')).toContain(word);
    }
    stream.end();
    await expect.poll(() => stream.closed).toBe(true);
  });
});

describe('a client of HTTP/1.1 and instances of HTTP/2', () => {
  it('reach one another, with trailers both ways and streams held open', async () => {
    await open('h2c');
    expect((await small.ask('/version')).text).toBe('2.0');
    expect(await small.ask('/echo', { method: 'POST', body: 'body' })).toMatchObject({ text: 'body' });
    const raw = kept(new RawSocket(small.internalPort));
    raw.send(
      `POST /sums HTTP/1.1\r\nHost: ${WEB_HOST}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n`,
    );
    raw.send('4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n');
    await expect.poll(() => raw.received).toContain('0\r\nx-sum: 42\r\n\r\n');
    expect(raw.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  it('an answer with a length and trailers has its trailers, in chunks; without a body it has neither', async () => {
    await open('h2c', (server) => {
      server.removeAllListeners('stream'); // the shape of HTTP/1.1, which ends streams its own way
      server.on('stream', (stream, headers) => {
        const head = { ':status': 200, 'content-length': 4, trailer: 'x-sum' };
        stream.respond(head, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
        if (headers[':method'] !== 'HEAD') stream.end('body');
      });
    });
    const ask = (line: string): RawSocket =>
      kept(
        new RawSocket(small.internalPort).send(`${line}\r\nHost: ${WEB_HOST}\r\nConnection: close\r\n\r\n`),
      );
    const whole = ask('GET / HTTP/1.1');
    await expect.poll(() => whole.received).toMatch(/4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n$/);
    for (const line of ['HEAD / HTTP/1.1', 'GET / HTTP/1.0']) {
      const socket = ask(line);
      await expect.poll(() => socket.isClosed).toBe(true);
      expect(socket.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(socket.received).not.toContain('x-sum');
    }
  });

  it('an instance is asked before a body is sent, where the client asks', async () => {
    const asked: string[] = [];
    await open('h2c', (server) =>
      server.on('checkContinue', (request, response) => {
        asked.push(String(request.headers.expect));
        if (request.url === '/no') return response.writeHead(417).end('no');
        response.writeContinue();
        request.pipe(response);
      }),
    );
    const headers = { host: WEB_HOST, expect: '100-continue' };
    const ask = (path: string): Promise<{ code: number; text: string; wasTold: boolean }> =>
      new Promise((resolve, reject) => {
        let wasTold = false;
        const outgoing = httpRequest({ port: small.internalPort, method: 'POST', path, headers });
        outgoing.on('continue', () => {
          wasTold = true;
          outgoing.end('body');
        });
        outgoing.on('response', (response) => {
          void text(response).then((got) => resolve({ code: response.statusCode ?? 0, text: got, wasTold }));
        });
        outgoing.on('error', reject);
        outgoing.flushHeaders();
      });
    expect(await ask('/yes')).toEqual({ code: 200, text: 'body', wasTold: true });
    expect(await ask('/no')).toEqual({ code: 417, text: 'no', wasTold: false });
    expect(asked).toEqual(['100-continue', '100-continue']);
  });
});

describe('connections to an instance of HTTP/2', () => {
  it('are one, never with more requests than it allows, and another only when that is full', async () => {
    const sessions: ServerHttp2Session[] = [];
    let [open_, most] = [0, 0];
    const caller = await open('h2c', (server) => {
      server.updateSettings({ maxConcurrentStreams: 10 });
      server.on('session', (session) => {
        sessions.push(session);
        session.on('stream', (stream) => {
          most = Math.max(most, (open_ += 1));
          stream.on('close', () => (open_ -= 1));
        });
      });
    });
    for (let i = 0; i < 3; i += 1)
      await Promise.all(Array.from({ length: 10 }, () => caller.ask('/echo', {}, 'x')));
    expect(sessions).toHaveLength(1);
    const codes = await Promise.all(Array.from({ length: 25 }, () => caller.ask('/echo', {}, 'x')));
    expect(codes.every(({ code }) => code === 200)).toBe(true);
    expect(sessions).toHaveLength(3);
    expect(most).toBeGreaterThan(10);
  });

  it('that the instance closes (GOAWAY) end with what is under way, and are opened again', async () => {
    const sessions: ServerHttp2Session[] = [];
    const caller = await open('h2c', (server) => server.on('session', (session) => sessions.push(session)));
    const stream = caller.open('/echo', { ':method': 'POST' });
    stream.write('before ');
    await expect.poll(() => small.runtime.started[0]?.busy()).toBe(1);
    sessions[0]?.close();
    await expect.poll(async () => (await caller.ask('/')).code === 200 && sessions.length).toBe(2);
    stream.end('after');
    expect(await text(stream)).toBe('before after');
    await expect.poll(() => sessions[0]?.destroyed).toBe(true);
  });

  it('a request that the instance refused unread is made again', async () => {
    let refusals = 0;
    const caller = await open('h2c', (server) => {
      server.prependListener('stream', (stream: ServerHttp2Stream) => {
        if ((refusals += 1) === 1) stream.close(constants.NGHTTP2_REFUSED_STREAM);
      });
    });
    expect((await caller.ask('/')).code).toBe(200);
    expect(refusals).toBe(2);
  });

  it('containerConcurrency counts requests, not connections', async () => {
    const caller = await open('h2c');
    small.web({ protocol: 'h2c', containerConcurrency: 2 }, { maxScale: 1 });
    const held = Array.from({ length: 5 }, () => caller.open('/echo', { ':method': 'POST' }));
    await expect.poll(() => [small.counts().inFlight, small.counts().waiting]).toEqual([2, 3]);
    for (const stream of held) stream.end('x');
    await Promise.all(held.map((stream) => text(stream)));
    expect(small.runtime.started[0]?.most()).toBe(2);
  });
});

describe('what an instance speaks, found out', () => {
  it.each(['http1', 'h2c'] as const)('is seen to be %s at the first request', async (backs) => {
    const caller = await open(backs);
    small.web({ protocol: 'detect' });
    const versions = await Promise.all(Array.from({ length: 5 }, () => small.ask('/version')));
    expect(new Set(versions.map((each) => each.text))).toEqual(new Set([backs === 'h2c' ? '2.0' : '1.1']));
    expect((await caller.ask('/echo', {}, 'body')).text).toBe('body');
    expect(small.counts().inFlight).toBe(0);
  });

  it('one that does not speak h2c as its port says is a 502', async () => {
    const caller = await open('http1');
    small.web({ protocol: 'h2c' });
    expect(await caller.ask('/')).toMatchObject({
      code: 502,
      text: expect.stringContaining('does not speak HTTP/2'),
    });
  });
});

describe('what is no service’s', () => {
  it('is answered by the fallback, in the shape of HTTP/1.1', async () => {
    await open('http1');
    const caller = kept(new Http2Caller(small.internalPort, 'nobody.demo'));
    expect(await caller.ask('/', {}, 'body')).toMatchObject({ code: 404, text: 'not a service\n' });
    expect(small.strays).toEqual(['nobody.demo']);
  });
});
