import { connect as connectHttp2, constants } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import { openServer, type Listener, type OpenServer } from '../../src/http/server.ts';
import { answerText } from '../../src/http/respond.ts';
import { Http2Caller } from '../kit/http2-caller.ts';
import { RawSocket } from '../kit/raw-socket.ts';

let server: OpenServer;
const opened: { close(): void }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) each.close();
  await server.close(0);
});

const seen: string[] = [];
async function open(more: Partial<Listener> = {}): Promise<OpenServer> {
  seen.length = 0;
  server = await openServer({
    name: 'gateway',
    host: '127.0.0.1',
    port: 0,
    onRequest: (request, response) => {
      seen.push(`${request.httpVersion} ${request.method} ${request.headers.host} ${request.url}`);
      answerText(response, 200, 'from onRequest', { connection: 'close' });
    },
    onCall: ({ stream, headers, peer }) => {
      if (headers[':path'] === '/else') return false;
      seen.push(`${headers[':method']} ${headers[':path']} ${peer}`);
      if (headers[':path'] === '/hang') return true;
      stream.respond({ ':status': 200 });
      stream.end('from onCall');
      return true;
    },
    ...more,
  });
  return server;
}

function call(host = 'a.example'): Http2Caller {
  const caller = new Http2Caller(server.port, host);
  opened.push(caller);
  return caller;
}

function raw(bytes: string | Buffer): RawSocket {
  const socket = new RawSocket(server.port).send(bytes);
  opened.push(socket);
  return socket;
}

/** A frame as RFC 9113, 4.1 has it. */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, flags], 3);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
const PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0)]);
/** `GET /hang` of `a` by http: two names from the static table, two with literals. */
const GET_HANG = Buffer.from('\x82\x86\x44\x05/hang\x41\x01a', 'latin1');
const { NGHTTP2_CANCEL, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

describe('a listener that speaks both', () => {
  it('answers HTTP/1.1 and HTTP/2 on one port, however the first bytes come', async () => {
    await open();
    expect(await call().ask('/')).toMatchObject({ code: 200, text: 'from onCall' });
    for (const method of ['POST', 'PROPFIND', 'PUT']) {
      const socket = raw('P');
      await expect.poll(() => socket.socket.bytesWritten).toBe(1);
      socket.send(`${method.slice(1)} / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n`);
      await expect.poll(() => socket.received).toContain('from onRequest');
    }
    const split = raw(PREFACE.subarray(0, 2));
    await expect.poll(() => split.socket.bytesWritten).toBe(2);
    split.send(PREFACE.subarray(2));
    await expect.poll(() => split.received.charCodeAt(3)).toBe(4); // SETTINGS
    expect(seen[0]).toBe('GET / 127.0.0.1');
  });

  it('leaves what onCall does not take to onRequest, in the shape of HTTP/1.1', async () => {
    await open();
    expect(await call('B.Example').ask('/else', { 'x-a': '1' }, 'body')).toMatchObject({
      code: 200,
      text: 'from onRequest\n',
    });
    expect(seen).toEqual(['2.0 POST B.Example /else']);
  });

  it('takes no HTTP/2 where nobody asked for it', async () => {
    await open({ onCall: undefined as never });
    const socket = raw(PREFACE);
    await expect.poll(() => socket.isClosed).toBe(true);
    expect(socket.received).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('tells clients of HTTP/2 to go, and lets what is under way end, when it closes', async () => {
    await open();
    const caller = call();
    const stream = caller.open('/hang', { ':method': 'POST' });
    await expect.poll(() => seen).toHaveLength(1);
    const closed = server.close(10_000);
    await expect.poll(() => caller.goneAway).toBe(true);
    expect(stream.closed).toBe(false);
    stream.close(NGHTTP2_CANCEL);
    await closed;
  });
});

describe('bad input', () => {
  it('a connection that does not say what it speaks is closed', async () => {
    await open({ headersTimeoutMs: 100 });
    const mute = raw('');
    const stuck = raw('PR');
    const noSettings = raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    for (const socket of [mute, stuck, noSettings]) await expect.poll(() => socket.isClosed).toBe(true);
  });

  it('a preface that goes wrong ends the connection', async () => {
    await open();
    const socket = raw('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n, and more');
    await expect.poll(() => socket.isClosed).toBe(true);
  });

  it('a target that is no path, and two names, are refused', async () => {
    await open();
    expect((await call().ask('http://b.example/')).rstCode).toBe(NGHTTP2_PROTOCOL_ERROR);
    expect(await call().ask('/', { host: 'b.example' })).toMatchObject({
      code: 400,
      text: 'host and :authority differ\n',
    });
    expect(seen).toEqual([]);
  });

  it('CONNECT is refused', async () => {
    await open();
    const stream = call().session.request({ ':method': 'CONNECT', ':authority': 'b.example:1' });
    opened.push({ close: () => stream.close() });
    const code = new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'])));
    expect(await code).toBe(501);
  });

  it('a thousand headers are taken, or 144 KiB of them, each up to 64 KiB', async () => {
    await open();
    const session = connectHttp2(`http://127.0.0.1:${server.port}`, { maxSendHeaderBlockLength: 10_000_000 });
    session.on('error', () => undefined);
    await new Promise((resolve) => session.once('remoteSettings', resolve));
    opened.push({ close: () => session.destroy() });
    const ask = (headers: Record<string, string>): Promise<number> =>
      new Promise((resolve) => {
        const stream = session.request({ ':path': '/', ...headers });
        stream.on('error', () => undefined).on('response', ({ ':status': code = 0 }) => resolve(code));
        stream.on('close', () => resolve(stream.rstCode ?? 0));
      });
    const headers = (count: number, bytes: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, 'v'.repeat(bytes)]));
    expect(await ask(headers(2, 60_000))).toBe(200);
    expect(await ask(headers(990, 1))).toBe(200);
    expect(await ask(headers(1200, 1))).not.toBe(200);
    expect(session.destroyed).toBe(false);
    expect(await ask(headers(1, 90_000))).not.toBe(200);
    await expect.poll(() => session.destroyed).toBe(true); // the compression's state is lost with it
    expect(seen).toHaveLength(2);
  });

  it('headers that are small on their way and large behind it are refused', async () => {
    await open();
    const value = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xb9, 0x16]), Buffer.alloc(3000, 0x62)]);
    const again = Buffer.alloc(10_000, 0xbe); // the same header, from the table
    const socket = raw(Buffer.concat([PREFACE, frame(1, 5, 1, Buffer.concat([GET_HANG, value, again]))]));
    await expect.poll(() => socket.received.length).toBeGreaterThan(40);
    expect(seen).toEqual([]);
    expect((await call().ask('/')).code).toBe(200);
  });

  it('a 251st request at a time is refused, the others stand', async () => {
    await open();
    const caller = call();
    await new Promise((resolve) => caller.session.once('remoteSettings', resolve));
    expect(caller.session.remoteSettings.maxConcurrentStreams).toBe(250);
    const ids = Array.from({ length: 251 }, (_, i) => 2 * i + 1);
    // By hand, since a client that minds its manners would wait.
    const socket = raw(Buffer.concat([PREFACE, ...ids.map((id) => frame(1, 5, id, GET_HANG))]));
    await expect.poll(() => seen.length).toBe(250);
    const refused = frame(3, 0, 501, Buffer.from([0, 0, 0, NGHTTP2_REFUSED_STREAM]));
    await expect.poll(() => Buffer.from(socket.received, 'latin1').includes(refused)).toBe(true);
  });

  it('requests that are reset as soon as they are made end the connection (CVE-2023-44487)', async () => {
    await open();
    const cancel = Buffer.from([0, 0, 0, NGHTTP2_CANCEL]);
    const pairs = Array.from({ length: 3000 }, (_, i) => [
      frame(1, 5, 2 * i + 1, GET_HANG),
      frame(3, 0, 2 * i + 1, cancel),
    ]);
    const socket = raw(Buffer.concat([PREFACE, ...pairs.flat()]));
    await expect.poll(() => socket.isClosed).toBe(true);
    expect(seen.length).toBeLessThan(2000);
    expect((await call().ask('/')).code).toBe(200); // others are not held up
  });

  it('pings and settings without end, never read, end the connection', async () => {
    await open();
    for (const flood of [frame(6, 0, 0, Buffer.alloc(8)), frame(4, 0, 0)]) {
      const socket = raw(PREFACE);
      socket.socket.pause();
      const many = Buffer.concat(Array.from({ length: 50_000 }, () => flood));
      for (let i = 0; i < 10; i += 1) socket.send(many);
      await expect.poll(() => socket.socket.resume() && socket.isClosed, { timeout: 5000 }).toBe(true);
    }
    expect((await call().ask('/')).code).toBe(200);
  });

  it('a header block that never ends is bounded', async () => {
    await open();
    const continuation = frame(9, 0, 1, Buffer.from([0x40, 1, 0x61, 1, 0x62]));
    const socket = raw(Buffer.concat([PREFACE, frame(1, 1, 1, Buffer.from([0x82]))]));
    socket.send(Buffer.concat(Array.from({ length: 100_000 }, () => continuation)));
    await expect.poll(() => socket.isClosed, { timeout: 5000 }).toBe(true);
    expect(seen).toEqual([]);
  });
});
