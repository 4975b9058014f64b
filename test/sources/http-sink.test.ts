import { afterEach, describe, expect, it } from 'vitest';
import type { Dispatcher } from 'undici';
import { PlatformError } from '../../src/base/errors.ts';
import { createOutbound } from '../../src/http/outbound.ts';
import { httpSink } from '../../src/sources/http-sink.ts';
import { anEvent } from '../kit/events.ts';
import { brokenSubscriber, refusedUrl, subscriber, type Subscriber } from '../kit/subscribers.ts';

const NEVER = new AbortController().signal;
const release: (() => void)[] = [];
afterEach(() => release.splice(0).forEach((each) => each()));

function outbound(): Dispatcher {
  const made = createOutbound({ route: () => undefined });
  release.push(() => void made.destroy());
  return made;
}
function using<T extends Subscriber>(one: T): T {
  release.push(() => one.close());
  return one;
}
async function faultOf(url: string, deadlineMs?: number, signal = NEVER): Promise<PlatformError> {
  const fault: unknown = await httpSink(outbound(), url, deadlineMs)
    .send(anEvent(), signal)
    .catch((error: unknown) => error);
  if (!(fault instanceof PlatformError)) throw new Error(`no PlatformError but ${String(fault)}`);
  return fault;
}

describe('an HTTP sink', () => {
  it('POSTs the event in binary mode, to path and query, its bytes unchanged', async () => {
    const one = using(await subscriber((response) => response.writeHead(202).end()));
    await httpSink(outbound(), `${one.url}in?x=1`).send(anEvent('e-1', { subject: 'ü' }), NEVER);
    const [request] = one.requests;
    expect(request).toMatchObject({ method: 'POST', url: '/in?x=1' });
    expect(request?.headers).toMatchObject({
      'ce-id': 'e-1',
      'ce-subject': '%C3%BC',
      'content-type': 'application/json',
    });
    expect(request?.body).toEqual(Buffer.from(anEvent().body));
  });

  it.each([200, 202, 204, 299])('has taken it with %i (K1)', async (code) => {
    const one = using(await subscriber((response) => response.writeHead(code).end()));
    await expect(httpSink(outbound(), one.url).send(anEvent(), NEVER)).resolves.toBeUndefined();
  });

  it.each([
    [400, false],
    [302, false],
    [404, true],
    [429, true],
    [500, true],
    [503, true],
  ])('rejects with the status %i, retryable %s (K2)', async (code, retryable) => {
    const one = using(
      await subscriber((response) => response.writeHead(code, { location: 'http://127.0.0.1:1/' }).end('no')),
    );
    const fault = await faultOf(one.url);
    expect(fault).toMatchObject({ code: 'SINK_REFUSED', retryable });
    expect(fault.message).toContain(`answered ${code}`);
    expect(one.requests).toHaveLength(1);
  });

  it('rejects as retryable when nobody listens or the connection is reset', async () => {
    const reset = using(
      await brokenSubscriber((socket) => socket.once('data', () => socket.resetAndDestroy())),
    );
    for (const url of [await refusedUrl(), reset.url])
      expect(await faultOf(url)).toMatchObject({ code: 'SINK_UNREACHABLE', retryable: true });
  });

  it('rejects for good what may be sent nowhere', async () => {
    expect(await faultOf('http://169.254.169.254/')).toMatchObject({
      code: 'SINK_UNREACHABLE',
      retryable: false,
    });
  });

  it('ends at its deadline, and when the caller stops', async () => {
    const hanging = using(await brokenSubscriber(() => undefined));
    const fault = await faultOf(hanging.url, 30);
    expect(fault).toMatchObject({ code: 'SINK_UNREACHABLE', retryable: true });
    expect(fault.message).toContain('within 30 ms');
    const stopped = await faultOf(hanging.url, 5000, AbortSignal.timeout(20));
    expect(stopped.message).toContain('stopped');
  });

  it('has taken it though the answer never ends', async () => {
    const endless = using(
      await subscriber((response) => {
        response.writeHead(200);
        const write = (): void =>
          void (response.write('x'.repeat(65_536)) ? setImmediate(write) : response.once('drain', write));
        write();
      }),
    );
    await expect(httpSink(outbound(), endless.url).send(anEvent(), NEVER)).resolves.toBeUndefined();
  });

  it('tells no password of its address', async () => {
    const url = new URL(await refusedUrl());
    url.username = 'u';
    url.password = 'hush';
    expect((await faultOf(url.href)).message).not.toContain('hush');
  });
});
