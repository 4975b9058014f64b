import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { RawSocket } from '../../kit/raw-socket.ts';
import { openSmallServing, WEB_HOST, type SmallServing } from '../../kit/small-serving.ts';

let small: SmallServing;
const sockets: RawSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await small.close();
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function open(answer: Handler): Promise<SmallServing> {
  small = await openSmallServing(answer);
  small.web();
  return small;
}

function raw(bytes: string): RawSocket {
  const socket = new RawSocket(small.internalPort).send(bytes);
  sockets.push(socket);
  return socket;
}

const head = (method: string, path: string, ...lines: string[]): string =>
  [`${method} ${path} HTTP/1.1`, `Host: ${WEB_HOST}`, ...lines, '', ''].join('\r\n');

describe('trailers of a request', () => {
  it('reach the instance when it announces them', async () => {
    await open((request, response) => {
      request
        .resume()
        .on('end', () => response.end(JSON.stringify([request.headers.trailer, request.trailers])));
    });
    const { socket } = raw(
      head('POST', '/', 'Transfer-Encoding: chunked', 'Trailer: X-Sum', 'Connection: close'),
    );
    socket.write('4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n');
    await expect.poll(() => sockets[0]?.received).toContain('["X-Sum",{"x-sum":"42"}]');
  });
});

describe('Expect: 100-continue', () => {
  /** Sends its body only when it is told to. */
  const ask = (path: string): Promise<{ code: number; text: string; wasTold: boolean }> =>
    new Promise((resolve, reject) => {
      let wasTold = false;
      const headers = { host: WEB_HOST, expect: '100-continue', 'content-length': 4 };
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

  it('is the instance’s to answer, and a client of a service at zero waits for it', async () => {
    const { runtime } = await open((request, response) => {
      if (request.url === '/yes') return void request.pipe(response);
      response.writeHead(417).end('no');
    });
    runtime.onContinue = (request, response) => {
      if (request.url === '/yes') response.writeContinue();
    };
    const letStart = runtime.hold();
    const first = raw(head('POST', '/yes', 'Expect: 100-continue', 'Content-Length: 4'));
    await expect.poll(() => small.counts().waiting).toBe(1);
    expect(first.received).toBe('');
    letStart();
    await expect.poll(() => first.statuses).toEqual([100]);
    first.send('body');
    await expect.poll(() => first.statuses).toEqual([100, 200]);
    expect(await ask('/yes')).toEqual({ code: 200, text: 'body', wasTold: true });
    expect(await ask('/no')).toEqual({ code: 417, text: 'no', wasTold: false });
    expect(small.counts().inFlight).toBe(0);
  });

  it('is answered here when the instance says nothing to it', async () => {
    const { runtime } = await open((request, response) => void request.pipe(response));
    runtime.onContinue = () => undefined;
    expect(await ask('/')).toEqual({ code: 200, text: 'body', wasTold: true });
  });
});

describe('bytes on their way', () => {
  it('go both ways at once', async () => {
    await open((request, response) => {
      request.on('data', (chunk: Buffer) => response.write(chunk.toString().toUpperCase()));
      request.on('end', () => response.end());
    });
    const socket = raw(head('POST', '/', 'Transfer-Encoding: chunked'));
    for (const word of ['one', 'two', 'three']) {
      socket.send(`${word.length}\r\n${word}\r\n`);
      await expect.poll(() => socket.received).toContain(word.toUpperCase()); // before the next is sent
    }
    socket.send('0\r\n\r\n');
    await expect.poll(() => socket.received).toMatch(/0\r\n\r\n$/);
  });

  it('are passed on at once: a server-sent event is there before the next is written', async () => {
    const writers: ServerResponse[] = [];
    await open((_, response) => {
      writers.push(response.writeHead(200, { 'content-type': 'text/event-stream' }));
      response.write('data: first\n\n');
    });
    const socket = raw(head('GET', '/events'));
    await expect.poll(() => socket.received).toContain('data: first\n\n');
    writers[0]?.write('data: second\n\n');
    await expect.poll(() => socket.received).toContain('data: second\n\n');
    socket.close();
    await expect.poll(() => small.counts().inFlight).toBe(0);
  });

  it('an answer before the end of an upload is read whole by a client that still writes', async () => {
    await open((_, response) => response.writeHead(413).end('too large'));
    const socket = raw(head('POST', '/', 'Content-Length: 100000000'));
    const block = 'x'.repeat(64 * 1024);
    await expect
      .poll(() => socket.send(block).received, { interval: 5 })
      .toMatch(/^HTTP\/1\.1 413 [^]*too large/);
    await expect.poll(() => small.counts().inFlight).toBe(0);
    await expect.poll(() => socket.isClosed, { timeout: 5000 }).toBe(true); // it is not heard out for ever
  });

  it.each(['http1', 'h2c'] as const)(
    'an upload that breaks off is never whole for an instance of %s',
    async (protocol) => {
      const ends: string[] = [];
      const { web, runtime } = await open((request) => {
        request.on('aborted', () => ends.push('aborted')).on('end', () => ends.push('whole'));
        request.on('error', () => undefined).resume();
      });
      if (protocol === 'h2c') runtime.onHttp2 = () => undefined;
      web({ protocol });
      const socket = raw(`${head('POST', '/', 'Transfer-Encoding: chunked')}4\r\nhalf\r\n`);
      await expect.poll(() => runtime.started[0]?.busy()).toBe(1);
      socket.close();
      await expect.poll(() => ends[0]).toBe('aborted'); // node:http2 tells of an end after it
      await expect.poll(() => small.counts().inFlight).toBe(0);
    },
  );

  it('a body that trickles keeps the idle timeout away, and is whole at the instance', async () => {
    const { web } = await open((request, response) => void request.pipe(response));
    web({ idleTimeoutMs: 400 });
    const socket = raw(head('POST', '/', 'Content-Length: 10'));
    for (let i = 0; i < 10; i += 1) {
      socket.send(String(i));
      await expect.poll(() => socket.received).toContain(String(i));
    }
    await expect.poll(() => socket.received).toMatch(/0\r\n\r\n$/);
    const body = socket.received.slice(socket.received.indexOf('\r\n\r\n') + 2);
    expect(body.replaceAll(/\r\n\d+\r\n/g, '')).toBe('0123456789\r\n');
  });
});

describe('upgrades', () => {
  const upgrade = (path = '/', ...lines: string[]): string =>
    head('GET', path, 'Connection: Upgrade', 'Upgrade: websocket', ...lines);
  const accepted = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

  it('carry what came right behind the heads of both sides', async () => {
    const { runtime } = await open((_, response) => response.end());
    runtime.onUpgrade = (_, socket) => {
      socket.write(`${accepted}hello from the instance;`);
      socket.pipe(socket);
    };
    const socket = raw(`${upgrade()}hello from the client;`);
    await expect
      .poll(() => socket.received)
      .toBe(`${accepted}hello from the instance;hello from the client;`);
  });

  it('whose instance says nothing after its head end at the first-byte timeout', async () => {
    const { runtime, web } = await open((_, response) => response.end());
    runtime.onUpgrade = (request, socket) => {
      socket.write(accepted);
      if (request.url === '/talks') socket.write('x');
      socket.resume().on('end', () => socket.end());
    };
    web({ responseStartTimeoutMs: 150, timeoutMs: 60_000 });
    const talks = raw(upgrade('/talks'));
    const mute = raw(upgrade('/mute'));
    await expect.poll(() => mute.isClosed).toBe(true);
    expect(talks.isClosed).toBe(false);
    talks.close();
    await expect.poll(() => small.counts().inFlight).toBe(0);
  });

  it('that are not answered in time are 504', async () => {
    const { runtime, web } = await open((_, response) => response.end());
    runtime.onUpgrade = () => undefined;
    web({ timeoutMs: 150 });
    const socket = raw(upgrade());
    await expect.poll(() => socket.received).toMatch(/^HTTP\/1\.1 504 [^]*request timeout\n$/);
  });

  it('with a body, or to HTTP/2, are answered as plain requests, the body kept', async () => {
    const { runtime } = await open((request, response) => void request.pipe(response));
    runtime.onUpgrade = (_, socket) => void socket.end(accepted);
    const withBody = raw(`${upgrade('/', 'Content-Length: 4', 'Connection: close')}body`);
    await expect.poll(() => withBody.received).toMatch(/^HTTP\/1\.1 200 OK[^]*body/);
    const settings = 'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA';
    const toHttp2 = raw(head('GET', '/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', settings));
    await expect.poll(() => toHttp2.received).toMatch(/^HTTP\/1\.1 200 OK/);
  });
});

describe('headers', () => {
  const seenBy = async (...lines: string[]): Promise<Record<string, string>> => {
    const socket = raw(head('GET', '/', 'Connection: close', ...lines));
    await expect.poll(() => socket.isClosed).toBe(true);
    return JSON.parse(socket.received.slice(socket.received.indexOf('{'))) as Record<string, string>;
  };
  const echoing: Handler = ({ headers }, response) => response.end(JSON.stringify(headers));

  it('say who asked, by which name, and which trace it belongs to', async () => {
    await open(echoing);
    expect(await seenBy('This-Was-User-Set: a value')).toMatchObject({
      'this-was-user-set': 'a value',
      host: WEB_HOST,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': WEB_HOST,
      forwarded: `for=127.0.0.1;host=${WEB_HOST};proto=http`,
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/),
    });
  });

  it('that a trusted proxy has set are kept: Forwarded and traceparent as they are, X-Forwarded-* as the base', async () => {
    await open(echoing);
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const kept = await seenBy(`traceparent: ${trace}`, 'Forwarded: for=1.2.3.4;proto=https');
    expect(kept).toMatchObject({ traceparent: trace, forwarded: 'for=1.2.3.4;proto=https' });
    const before = [
      'X-Forwarded-For: 1.2.3.4, 2001:db8::1',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: a.example',
    ];
    expect(await seenBy(...before)).toMatchObject({
      'x-forwarded-for': '1.2.3.4, 2001:db8::1, 127.0.0.1',
      forwarded: 'for=1.2.3.4;host=a.example;proto=https, for="[2001:db8::1]", for=127.0.0.1',
    });
  });

  it('that only the platform says are taken from nobody', async () => {
    await open(echoing);
    const names = [
      'K-Proxy-Request',
      'Knative-Serving-Namespace',
      'Knative-Serving-Revision',
      'HTTP2-Settings',
    ];
    const seen = await seenBy(...names.map((name) => `${name}: x`));
    for (const name of names) expect(seen).not.toHaveProperty(name.toLowerCase());
  });
});
