import { afterEach, describe, expect, it } from 'vitest';
import { inNetworks } from '../../../src/http/trusted-proxies.ts';
import type { Front } from '../../../src/serving/gateway/gateway.ts';
import { openSmallServing, WEB, WEB_HOST, type SmallServing } from '../../kit/small-serving.ts';

let small: SmallServing;
afterEach(() => small.close());

const open = async (front: Front): Promise<void> => {
  small = await openSmallServing(
    ({ headers }, response) => void response.end(JSON.stringify(headers)),
    undefined,
    front,
  );
  small.web();
};
const LIES = {
  'x-forwarded-for': '1.2.3.4',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'bank.example',
  forwarded: 'for=1.2.3.4;proto=https',
};
const front = (trusted: string): Front => ({
  trusts: inNetworks([trusted]),
  secureUrlOf: (host) => `https://${host}:8444`,
});

describe('what a request says of where it comes from', () => {
  it('is replaced when its peer is not in a network that is trusted', async () => {
    await open(front('10.0.0.0/8'));
    expect(JSON.parse((await small.ask('/', { headers: LIES })).text)).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': WEB_HOST,
      forwarded: `for=127.0.0.1;host=${WEB_HOST};proto=http`,
    });
  });

  it('is believed, and added to, when it is', async () => {
    await open(front('127.0.0.0/8'));
    expect(JSON.parse((await small.ask('/', { headers: LIES })).text)).toMatchObject({
      ...LIES,
      'x-forwarded-for': '1.2.3.4, 127.0.0.1',
    });
  });

  it('quotes a host with a port, which is no token (RFC 7239, 4)', async () => {
    await open(front('10.0.0.0/8'));
    const { text } = await small.ask('/', { host: `${WEB_HOST}:8080` });
    expect(JSON.parse(text)).toMatchObject({
      forwarded: `for=127.0.0.1;host="${WEB_HOST}:8080";proto=http`,
    });
  });
});

describe('a host that is to be asked for by https', () => {
  const HOST = 'web.demo.localhost';
  const secureOnly = (): void =>
    small.serving.setRoute({
      key: 'demo/web',
      publicHosts: [HOST],
      localHosts: [WEB_HOST],
      targets: [{ revision: WEB, percent: 100 }],
      isSecureOnly: true,
    });
  const ask = (method: 'GET' | 'POST', headers: Record<string, string> = {}) =>
    small.ask('/a?b=c', { host: `${HOST}:80`, port: small.publicPort, method, headers });

  it('sends on who comes without, with the method where it matters', async () => {
    await open(front('10.0.0.0/8'));
    secureOnly();
    const location = `https://${HOST}:8444/a?b=c`;
    expect(await ask('GET')).toMatchObject({ code: 301, headers: { location } });
    expect(await ask('POST')).toMatchObject({ code: 308, headers: { location } });
    expect(await ask('GET', { 'x-forwarded-proto': 'https' })).toMatchObject({ code: 301 });
  });

  it('sends nobody on whom a trusted proxy has taken TLS off', async () => {
    await open(front('127.0.0.1'));
    secureOnly();
    expect(await ask('GET', { 'x-forwarded-proto': 'https' })).toMatchObject({ code: 200 });
    expect(await ask('GET', { 'x-forwarded-proto': 'http' })).toMatchObject({ code: 301 });
  });
});
