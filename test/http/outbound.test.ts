import type { lookup, LookupAddress } from 'node:dns';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { messageOf } from '../../src/base/errors.ts';
import { createOutbound, isForbidden, type OutboundOptions } from '../../src/http/outbound.ts';
import { answerText } from '../../src/http/respond.ts';
import { openServer, type OpenServer } from '../../src/http/server.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

function outboundWith(options: Partial<OutboundOptions> = {}): ReturnType<typeof createOutbound> {
  const outbound = createOutbound({ route: () => undefined, ...options });
  closers.push(() => outbound.destroy());
  return outbound;
}

async function listen(onRequest: (request: IncomingMessage) => string, headers = {}): Promise<OpenServer> {
  const server = await openServer({
    name: 'test',
    host: '127.0.0.1',
    port: 0,
    onRequest: (request, response) => answerText(response, 200, onRequest(request), headers),
  });
  closers.push(() => server.close(0));
  return server;
}

const get = async (outbound: ReturnType<typeof createOutbound>, url: string): Promise<string> => {
  const { origin, pathname } = new URL(url);
  const { body } = await outbound.request({ origin, path: pathname, method: 'GET' });
  return body.text();
};

describe('the way out', () => {
  it('asks our own listener for names that it answers for, with their own Host', async () => {
    const { port } = await listen((request) => request.headers.host ?? '');
    const asked: [string, number][] = [];
    const outbound = outboundWith({
      route: (host, hostPort) => {
        asked.push([host, hostPort]);
        return host.endsWith('.svc.cluster.local') ? { host: '127.0.0.1', port } : undefined;
      },
    });
    expect(await get(outbound, 'http://greeter.default.svc.cluster.local/')).toBe(
      'greeter.default.svc.cluster.local\n',
    );
    expect(await get(outbound, 'http://greeter.default.svc.cluster.local:8080/')).toContain(':8080');
    expect(asked).toEqual([
      ['greeter.default.svc.cluster.local', 80],
      ['greeter.default.svc.cluster.local', 8080],
    ]);
  });

  it('holds back no other host when one of them hangs, though one listener answers for both (H3)', async () => {
    const hung: unknown[] = [];
    const server = createServer((request, response) => {
      if (request.headers.host === 'hung.demo') hung.push(response);
      else response.end('fine');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close().closeAllConnections());
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const outbound = outboundWith({ route: () => ({ host: '127.0.0.1', port }) });
    for (let i = 0; i < 300; i += 1) get(outbound, 'http://hung.demo/').catch(() => undefined);
    await expect.poll(() => hung.length, { timeout: 5000 }).toBe(300);
    expect(await get(outbound, 'http://fine.demo/')).toBe('fine');
  });

  it('follows no redirect', async () => {
    const server = await openServer({
      name: 'test',
      host: '127.0.0.1',
      port: 0,
      onRequest: (_, response) => answerText(response, 302, '', { location: 'http://169.254.169.254/' }),
    });
    closers.push(() => server.close(0));
    const answer = await outboundWith().request({ origin: server.url, path: '/', method: 'GET' });
    expect(answer.statusCode).toBe(302);
    await answer.body.dump();
  });

  it('takes replies with 64 KiB of attributes', async () => {
    const { url } = await listen(() => 'ok', { 'ce-x': '%E2%82%AC'.repeat(7000) });
    expect(await get(outboundWith(), url)).toBe('ok\n');
  });

  it('closes what is idle, and forgets its pool', async () => {
    const { url } = await listen(() => 'ok');
    const outbound = outboundWith({ idleTimeoutMs: 20 });
    await get(outbound, url);
    const pools = (): string[] => Object.keys((outbound as unknown as { stats: object }).stats);
    await expect.poll(pools, { timeout: 5000 }).toEqual([]);
    expect(await get(outbound, url)).toBe('ok\n'); // and opens anew
  });

  it('gives up connecting in time', async () => {
    const deaf = createNetServer(() => undefined); // TLS never answers: the connection is never made
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    closers.push(() => deaf.close());
    const address = deaf.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const outbound = outboundWith({ connectTimeoutMs: 200 });
    await expect(get(outbound, `https://127.0.0.1:${port}/`)).rejects.toMatchObject({
      code: 'UND_ERR_CONNECT_TIMEOUT',
    });
  });
});

describe('addresses that are never connected to (S6)', () => {
  it.each([
    '169.254.169.254',
    '169.254.0.1',
    '0.0.0.0',
    '0.1.2.3',
    '224.0.0.1',
    '239.255.255.255',
    'fe80::1',
    'febf::1',
    'ff02::1',
    'fd00:ec2::254',
    '::',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '64:ff9b::169.254.169.254',
    '2002:a9fe:a9fe::1',
  ])('%s', (address) => {
    expect(isForbidden(address)).toBe(true);
  });

  it.each(['127.0.0.1', '10.0.0.1', '192.168.1.1', '172.16.0.1', '8.8.8.8', '::1', 'fd00::1', '2001:db8::1'])(
    'but %s is: users have services there',
    (address) => {
      expect(isForbidden(address)).toBe(false);
    },
  );

  it('not by a name that resolves to one, however good its other addresses are', async () => {
    const asked: string[] = [];
    const resolve = ((name: string, _: unknown, callback: (error: null, found: LookupAddress[]) => void) => {
      asked.push(name);
      callback(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '169.254.169.254', family: 4 },
      ]);
    }) as typeof lookup;
    const failed = await get(outboundWith({ resolve }), 'http://metadata.example/').catch(
      (error: unknown) => error,
    );
    expect(failed).toMatchObject({ code: 'ADDRESS_FORBIDDEN' });
    expect(asked).toEqual(['metadata.example']);
  });

  it.each([
    'http://169.254.169.254/',
    'http://[::ffff:169.254.169.254]/',
    'http://[fe80::1]/',
    'http://169.254.169.254./',
    'http://2852039166/', // 169.254.169.254 as one number
    'http://0xa9.0xfe.0xa9.0xfe/',
    'http://0/',
    'https://169.254.169.254/',
  ])('not by the address in the URL: %s', async (url) => {
    const failed = await get(outboundWith(), url).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'ADDRESS_FORBIDDEN', retryable: false });
    expect(messageOf(failed)).toContain('is link-local, multicast or a metadata address');
  });
});
