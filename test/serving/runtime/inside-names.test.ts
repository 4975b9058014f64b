import { execFileSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MarkedRules } from '../../../src/serving/runtime/process/network/marked-rules.ts';
import { ProcessRuntime } from '../../../src/serving/runtime/process/process-runtime.ts';
import type { HostRoute } from '../../../src/serving/runtime/process/runner-protocol.ts';
import type { Instance } from '../../../src/serving/runtime/runtime.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { runIn, serving } from '../../kit/local-runtime.ts';
import { revisionPlan } from '../../kit/small-platform.ts';

const { arePossible } = new MarkedRules('trial', '');
const isName = (host: string): boolean => /^[a-z]+\.demo(\.svc(\.cluster\.local)?)?$/.test(host);
const rules = (): string => execFileSync('iptables', ['-w', '-t', 'nat', '-S', 'OUTPUT']).toString();
let listener: Server;
let routes: HostRoute[];
beforeAll(async () => {
  listener = createServer(({ headers: { host }, url }, response) => response.end(`${host} ${url}`));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  routes = [{ suffix: '.svc.cluster.local', host: '127.0.0.1', port }];
});
afterAll(() => void listener.close());

const open = (): ProcessRuntime =>
  ProcessRuntime.open({
    folder: temporaryFolder('names'),
    warm: 0,
    logs: { write: () => undefined },
    routes: () => routes,
    isName,
  });
const start = (runtime: ProcessRuntime): Promise<Instance> => {
  const { instance } = revisionPlan('f', '/', { kind: 'program', command: [] });
  return runtime.start({ ...instance, containers: [serving()] }, 'one');
};
const bare = 'env -u HTTP_PROXY -u http_proxy -u NODE_USE_ENV_PROXY curl -sS --max-time 5';

describe.skipIf(!arePossible)('a program on the network of the machine (as root, with iptables)', () => {
  it('finds services by their names inside, with no proxy and no variable', async () => {
    const runtime = open();
    const instance = await start(runtime);
    for (const name of ['other.demo.svc.cluster.local', 'other.demo.svc', 'other.demo'])
      expect(await runIn(instance, `${bare} http://${name}/x`)).toBe(`${name} /x`);
    expect(await runIn(instance, 'getent hosts other.nowhere.svc.cluster.local')).toMatch(/^exit 2/);
    expect(await runIn(instance, 'getent ahostsv4 localhost | head -1')).toMatch(/^127\.0\.0\.1/);
    await runtime.close();
  });

  it('has its own names for that: nobody else on the machine finds them, and nothing of it is left', async () => {
    const before = rules();
    const runtime = open();
    await start(runtime);
    expect(rules()).not.toBe(before);
    const found = (): string => execFileSync('getent', ['hosts', 'other.demo.svc.cluster.local']).toString();
    expect(found).toThrow();
    await runtime.close();
    expect(rules()).toBe(before);
  });
});
