import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { Http2Caller } from '../../kit/http2-caller.ts';
import { openSmallServing, WEB_HOST, type SmallServing } from '../../kit/small-serving.ts';

/** Gateway, client and instance are all in this process: what all of them hold together is what is measured. */
const BODY_BYTES = 256 * 1024 * 1024;
const HELD_BYTES_MAX = BODY_BYTES / 2;
/** What may be under way between two ends of which one does not read: windows, sockets, the kernel's buffers. */
const STALLED_BYTES_MAX = 24 * 1024 * 1024;
const BLOCK = Buffer.alloc(64 * 1024, 1);

let small: SmallServing;
let caller: Http2Caller | undefined;
afterEach(async () => {
  caller?.close();
  await small.close();
});

type Side = 'http1' | 'h2c';
type Call = { readonly upload: Writable; readonly answer: Promise<Readable>; readonly cut: () => void };

async function open(back: Side, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  small = await openSmallServing(answer);
  if (back === 'h2c') small.runtime.onHttp2 = () => undefined;
  small.web({ protocol: back });
}

function call(front: Side): Call {
  if (front === 'h2c') {
    caller = new Http2Caller(small.internalPort, WEB_HOST);
    const stream = caller.open('/', { ':method': 'POST' });
    const answer = new Promise<Readable>((resolve) => stream.on('response', () => resolve(stream)));
    return { upload: stream, answer, cut: () => void stream.destroy() };
  }
  const headers = { host: WEB_HOST };
  const upload = httpRequest({ port: small.internalPort, method: 'POST', path: '/', headers, agent: false });
  upload.on('error', () => undefined);
  const answer = new Promise<Readable>((resolve) => upload.on('response', resolve));
  return { upload, answer, cut: () => void upload.destroy() };
}

/** Writes as fast as the other side takes it; tells how much it has taken. */
function pour(into: Writable, bytes: number): () => number {
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      left -= BLOCK.length;
      if (!into.write(BLOCK)) return void into.once('drain', more);
    }
    into.end();
  };
  more();
  return () => bytes - left;
}

async function stalls(count: () => number): Promise<number> {
  let before = -1;
  const isStill = (): boolean => {
    const now = count();
    const is = now > 0 && now === before;
    before = now;
    return is;
  };
  await expect.poll(isStill, { interval: 250, timeout: 10_000 }).toBe(true);
  return before;
}

const PAIRS: readonly (readonly [Side, Side])[] = [
  ['http1', 'http1'],
  ['http1', 'h2c'],
  ['h2c', 'http1'],
  ['h2c', 'h2c'],
];

it.each(['http1', 'h2c'] as const)(
  'a client and an instance of %s send one another 256 MB, and hold less than half of it',
  { timeout: 60_000 },
  async (side) => {
    await open(side, (request, response) => void request.pipe(response));
    expect((await small.ask('/', { method: 'POST', body: 'warm' })).text).toBe('warm');
    const before = process.memoryUsage().rss;
    let [most, got] = [0, 0];
    const { upload, answer } = call(side);
    pour(upload, BODY_BYTES);
    for await (const chunk of await answer) {
      got += (chunk as Buffer).length;
      if (got % (64 * BLOCK.length) < BLOCK.length) most = Math.max(most, process.memoryUsage().rss - before);
    }
    expect(got).toBe(BODY_BYTES);
    expect(most).toBeLessThan(HELD_BYTES_MAX);
  },
);

describe.each(PAIRS)('a client of %s and an instance of %s', (front, back) => {
  it('hold one another back: who does not read is sent no more', async () => {
    let written = (): number => 0;
    await open(back, (request, response) => {
      if (request.method === 'POST') request.pause();
      written = pour(response, BODY_BYTES);
    });
    const { upload, answer, cut } = call(front);
    const uploaded = pour(upload, BODY_BYTES);
    await answer; // and reads nothing of it
    expect(await stalls(uploaded)).toBeLessThan(STALLED_BYTES_MAX);
    expect(await stalls(() => written())).toBeLessThan(STALLED_BYTES_MAX);
    cut();
    await expect.poll(() => small.counts().inFlight).toBe(0);
  });
});
