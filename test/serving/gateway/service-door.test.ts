import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceDoor } from '../../../src/serving/gateway/service-door.ts';

let base: string;
const gatewaySaw: string[] = [];
const tell = ({ url, headers, rawHeaders }: IncomingMessage): string =>
  `${headers.host} ${rawHeaders[rawHeaders.findIndex((name) => /^host$/i.test(name)) + 1]} ${url}`;
const server = createServer(
  serviceDoor(
    (host) => host === 'greeter.demo.svc.cluster.local',
    (request, response) => {
      gatewaySaw.push(tell(request));
      response.end('gateway');
    },
    (_, response) => response.end('otherwise'),
  ),
);

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

describe('the door for programs that cannot resolve a service’s name', () => {
  it.each([
    ['/services/demo/greeter', '/'],
    ['/services/demo/greeter/', '/'],
    ['/services/demo/greeter/a/b?c=d', '/a/b?c=d'],
    ['/services/demo/greeter?c=d', '/?c=d'],
  ])('leads %s to %s of the service', async (path, rest) => {
    gatewaySaw.length = 0;
    const answer = await fetch(base + path, { method: 'POST', body: 'x' });
    expect(await answer.text()).toBe('gateway');
    const host = 'greeter.demo.svc.cluster.local';
    expect(gatewaySaw).toEqual([`${host} ${host} ${rest}`]);
  });

  it('says which service it does not know', async () => {
    const answer = await fetch(`${base}/services/demo/other/`, { method: 'POST', body: 'x' });
    expect([answer.status, await answer.text()]).toEqual([
      404,
      expect.stringContaining('no service demo/other'),
    ]);
  });

  it.each(['/channels/demo/orders', '/services/demo', '/'])('leaves %s to others', async (path) => {
    expect(await (await fetch(base + path)).text()).toBe('otherwise');
  });
});
