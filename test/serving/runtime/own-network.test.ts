import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContainerSpec } from '../../../src/serving/runtime/container-spec.ts';
import { Networks } from '../../../src/serving/runtime/process/network/networks.ts';
import { ProcessRuntime } from '../../../src/serving/runtime/process/process-runtime.ts';
import type { HostRoute } from '../../../src/serving/runtime/process/runner-protocol.ts';
import type { Instance, InstanceSpec } from '../../../src/serving/runtime/runtime.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { askOf, runIn, SERVER } from '../../kit/local-runtime.ts';
import { askThrough } from '../../kit/reach.ts';
import { aContainer, aProbe, revisionPlan, TCP } from '../../kit/small-platform.ts';

const { why } = new Networks({ token: 'trial', onSpawn: () => undefined });
const routes: HostRoute[] = [];
const logs = { write: () => undefined };
const isName = (host: string): boolean =>
  /^[a-z]+\.demo(\.svc(\.cluster\.local)?)?$|^kubernetes\.default\.svc$/.test(host);
const folder = temporaryFolder('net');
const runtime = ProcessRuntime.open({ folder, warm: 0, logs, routes: () => routes, isName });
afterAll(() => runtime.close());

const node = (code: string): Partial<ContainerSpec> => ({
  launch: { kind: 'program', command: ['node', '-e', code] },
});
/** Of these there are many: what it listens on is in its code. */
const insisting = (port: number, answer: string): Partial<ContainerSpec> =>
  node(`require('node:http').createServer((q, r) => r.end('${answer} ' + process.env.PORT)).listen(${port})`);
const serving = (more: Partial<ContainerSpec>): ContainerSpec =>
  aContainer({ isServing: true, readiness: aProbe(TCP), ...more });

/** An address of this machine that is not of its loopback; and why there is no traffic but by a proxy. */
const outside = Object.values(networkInterfaces())
  .flat()
  .find((each) => each?.family === 'IPv4' && !each.internal)?.address;
const noUplink =
  process.getuid?.() !== 0 || !existsSync('/usr/sbin/iptables')
    ? 'no root, or no iptables'
    : readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1' && outside !== undefined
      ? undefined
      : 'the machine does not forward';
const rules = (): string[] =>
  ['nat', 'filter'].map((table) => execFileSync('iptables', ['-w', '-t', table, '-S']).toString());

let last = 0;
function specOf(
  container: Partial<ContainerSpec>,
  more: Partial<InstanceSpec> = {},
  sides: readonly ContainerSpec[] = [],
): InstanceSpec {
  const { instance } = revisionPlan(`f${(last += 1)}`, '/', { kind: 'program', command: [] });
  return { ...instance, containers: [serving(container), ...sides], ...more };
}
const start = (spec: InstanceSpec): Promise<Instance> =>
  runtime.start(spec, `${spec.revision}-${(last += 1)}`);
const networkOf = (pid: number): string => readlinkSync(`/proc/${pid}/ns/net`);
/** The network namespaces that any process is in. */
const networks = (): Set<string> =>
  new Set(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && existsSync(`/proc/${name}/ns/net`))
      .flatMap((name) => {
        try {
          return networkOf(Number(name));
        } catch {
          return [];
        }
      }),
  );

describe.skipIf(why !== undefined)(
  `instances with a network of their own${why ? ` (not here: ${why})` : ''}`,
  () => {
    it('get one when their program turns out to insist on a port; two of them run side by side', async () => {
      const [one, two] = [specOf(insisting(8080, 'one')), specOf(insisting(8080, 'two'))];
      const instances = await Promise.all([start(one), start(two)]);
      expect(await Promise.all(instances.map((instance) => askOf(instance, '/')))).toEqual([
        'one 8080',
        'two 8080',
      ]);
      const third = await start(one); // and it is known by now
      expect(third.readyMs - third.startedMs).toBeLessThan(1000);
      const spaces = [...instances, third].map(({ pid }) => networkOf(pid));
      expect(new Set([...spaces, networkOf(process.pid)]).size).toBe(4);
      await Promise.all([...instances, third].map((instance) => instance.stop(0)));
    });

    it('get one when their program ends without a word since another has its port', async () => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo; // a TCP server that listens has one
      const quiet = node(
        `require('node:http').createServer((q, r) => r.end('here')).on('error', () => process.exit(0)).listen(${port})`,
      );
      const spec = specOf({ ...quiet, containerPort: port });
      const restarts: number[] = [];
      const instance = await runtime.start(spec, 'quiet', ({ containers }) =>
        restarts.push(...containers.map((each) => each.restarts)),
      );
      expect(await askOf(instance, '/')).toBe('here');
      expect(new Set(restarts)).toEqual(new Set([0])); // a move is none
      expect(networkOf(instance.pid)).not.toBe(networkOf(process.pid));
      await instance.stop(0);
      const failing = start(specOf({ ...node('process.exit(0)'), containerPort: port }));
      await expect(failing).rejects.toMatchObject({ code: 'ExitCode0' }); // whatever its network
      other.close();
    });

    it('are found by the port that they listen on, which no manifest names', async () => {
      const spec = specOf(insisting(3456, 'there'), { network: 'own' });
      const instance = await start(spec);
      expect(await askOf(instance, '/')).toBe('there 8080');
      const again = await start(spec);
      expect(await askOf(again, '/')).toBe('there 3456');
      await Promise.all([instance.stop(0), again.stop(0)]);
    });

    it('are given in PORT the one of their manifest, and are ready no sooner than it is open', async () => {
      const slow = node(
        `setTimeout(() => require('node:http').createServer((q, r) => r.end(process.env.PORT)).listen(process.env.PORT), 400)`,
      );
      const instance = await start(specOf({ ...slow, containerPort: 9191 }, { network: 'own' }));
      expect(instance.readyMs - instance.startedMs).toBeGreaterThanOrEqual(390);
      expect(await askOf(instance, '/')).toBe('9191');
      await instance.stop(0);
    });

    it('share it with the containers beside them, probes of other ports included', async () => {
      const http = { kind: 'http', port: 8882, path: '/', headers: {}, isTls: false } as const;
      const side = aContainer({ name: 'side', ...insisting(8882, 'beside'), readiness: aProbe(http) });
      const main = node(
        `require('node:http').createServer(async (q, r) => r.end(await (await fetch('http://127.0.0.1:8882')).text())).listen(8080)`,
      );
      const both = await Promise.all([1, 2].map(() => start(specOf(main, { network: 'own' }, [side]))));
      for (const instance of both) expect(await askOf(instance, '/')).toBe('beside undefined');
      for (const { id } of both) expect(await askThrough(runtime, id, 8882)).toBe('beside undefined');
      await Promise.all(both.map((instance) => instance.stop(0)));
    });

    it('run commands of probes in it, and as a crash when it is lost', async () => {
      const line = `node -e "require('node:net').connect(8080, '127.0.0.1').on('connect', () => process.exit(0)).on('error', () => process.exit(1))"`;
      const readiness = aProbe({ kind: 'exec', command: ['sh', '-c', line] }, { timeoutMs: 5000 });
      const instance = await start(specOf({ ...node(SERVER), readiness }, { network: 'own' }));
      const devices = await runIn(instance, "grep -o '^ *[a-z0-9]*:' /proc/net/dev");
      expect(devices.replaceAll(' ', '')).toMatch(/^(eth0:\n)?lo:\n(eth0:\n)?$/);
      const relay = runtime.pids.find(
        (pid) => pid !== instance.pid && networkOf(pid) === networkOf(instance.pid),
      );
      process.kill(relay ?? 0, 'SIGKILL');
      expect(await instance.ended).toMatchObject({ wasAsked: false, signal: 'SIGKILL' });
    });

    it('pass on what is half closed, and much at once', async () => {
      const echo = node(
        `require('node:net').createServer({ allowHalfOpen: true }, (s) => { let n = 0; s.on('data', (c) => n += c.length).on('end', () => s.end(String(n))); }).listen(8080)`,
      );
      const instance = await start(specOf(echo, { network: 'own' }));
      const { connect } = await import('node:net');
      const said = await new Promise<string>((resolve, reject) => {
        const socket = connect({ port: instance.port, host: '127.0.0.1', allowHalfOpen: true });
        let text = '';
        socket.on('data', (chunk) => (text += String(chunk)));
        socket.on('end', () => resolve(text));
        socket.on('error', reject);
        socket.end(Buffer.alloc(8 * 1024 * 1024));
      });
      expect(said).toBe(String(8 * 1024 * 1024));
      await instance.stop(0);
    });

    it('leave none behind: not when they stop, not when they cannot start', async () => {
      const spec = specOf(node('process.exit(4)'), { network: 'own' });
      await expect(start(spec)).rejects.toMatchObject({ code: 'ExitCode4' });
      const instance = await start(specOf(insisting(8080, 'short'), { network: 'own' }));
      const own = networkOf(instance.pid);
      expect(networks().has(own)).toBe(true);
      await instance.stop(0);
      await expect.poll(() => networks().has(own)).toBe(false);
    });

    it('is not given to a program whose manifest says host; that says what to change', async () => {
      await expect(start(specOf(insisting(8080, 'x'), { network: 'host' }))).rejects.toMatchObject({
        code: expect.stringMatching(/PortNotOpened|ExitCode1/),
        message: expect.stringMatching(/network: host|EADDRINUSE/),
      });
    });
  },
);

describe.skipIf(why !== undefined)('what such an instance reaches', () => {
  let listener: Server;
  beforeAll(async () => {
    listener = createServer((incoming, response) =>
      response.end(`${incoming.method} ${incoming.headers.host} ${incoming.url}`),
    );
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    routes.push({
      suffix: '.svc.cluster.local',
      host: '127.0.0.1',
      port: (listener.address() as AddressInfo).port,
    });
  });
  afterAll(() => void listener.close());

  it('is its sink and our listeners, at the addresses that they have outside', async () => {
    const { port } = listener.address() as AddressInfo;
    const env = { K_SINK: 'http://sink.demo.svc.cluster.local/' };
    const instance = await start(specOf({ ...node(SERVER), env }, { network: 'own' }));
    const fetched = (url: string): string =>
      `node -e "fetch(${url}).then((r) => r.text()).then((t) => process.stdout.write(t))"`;
    expect(await runIn(instance, fetched('process.env.K_SINK'))).toBe(
      `GET 127.0.0.1:${port} /services/demo/sink/`,
    );
    expect(await runIn(instance, fetched(`'http://127.0.0.1:${port}/channels/a/b'`))).toBe(
      `GET 127.0.0.1:${port} /channels/a/b`,
    );
    await instance.stop(0);
  });

  it('is services by their cluster names, and the rest of the world, by HTTP_PROXY', async () => {
    const world = createServer((_, response) => response.end('from outside'));
    await new Promise<void>((resolve) => world.listen(0, '127.0.0.2', resolve));
    const { port } = world.address() as AddressInfo;
    const instance = await start(specOf(node(SERVER), { network: 'own' }));
    const curl = 'curl -sS --max-time 5';
    expect(await runIn(instance, `${curl} http://other.demo.svc.cluster.local/x?y=1`)).toBe(
      'GET other.demo.svc.cluster.local /x?y=1',
    );
    expect(await runIn(instance, `${curl} -X POST -d body http://127.0.0.2:${port}/`)).toBe('from outside');
    expect(await runIn(instance, `${curl} --proxytunnel http://127.0.0.2:${port}/`)).toBe('from outside');
    expect(await runIn(instance, `${curl} --noproxy '*' http://127.0.0.2:${port}/`)).toMatch(/exit 7/);
    world.close();
    await instance.stop(0);
  });

  it('is services by their cluster names for a client that knows no proxy', async () => {
    const instance = await start(specOf(node(SERVER), { network: 'own' }));
    const ask = (name: string): string =>
      `node -e "require('node:http').get('http://${name}/x').on('response', (r) => r.pipe(process.stdout)).on('error', (e) => console.log(e.code))"`;
    for (const name of ['other.demo.svc.cluster.local', 'other.demo.svc', 'other.demo'])
      expect(await runIn(instance, `unset NODE_USE_ENV_PROXY; ${ask(name)}`)).toBe(`GET ${name} /x`);
    const none = await runIn(instance, `unset NODE_USE_ENV_PROXY; ${ask('other.nowhere.svc.cluster.local')}`);
    expect(none).toBe('ENOTFOUND\n');
    await instance.stop(0);
  });

  it('is the API by the name that it has inside the cluster', async () => {
    const { port } = listener.address() as AddressInfo;
    const api = { suffix: 'kubernetes.default.svc', host: '127.0.0.1', port, ports: [443] };
    routes.unshift(api);
    const instance = await start(specOf(node(SERVER), { network: 'own' }));
    const code = `require('node:http').get('http://kubernetes.default.svc:443/version').on('response', (r) => r.pipe(process.stdout)).on('error', (e) => console.log(e.code))`;
    expect(await runIn(instance, `unset NODE_USE_ENV_PROXY; node -e "${code}"`)).toBe(
      'GET kubernetes.default.svc:443 /version',
    );
    routes.splice(routes.indexOf(api), 1);
    await instance.stop(0);
  });

  it('is no service by its name where the instance has port 80 for itself', async () => {
    const instance = await start(specOf({ ...node(SERVER), containerPort: 80 }, { network: 'own' }));
    expect(await runIn(instance, 'getent ahostsv4 other.demo.svc.cluster.local')).toMatch(/^exit 2/);
    expect(await askOf(instance, '/')).toBe('ok');
    await instance.stop(0);
  });

  it.skipIf(noUplink !== undefined)(
    `is whatever the machine reaches, by whatever protocol (${noUplink ?? 'routed'})`,
    async () => {
      const world = createTcpServer((socket) => socket.end(`hello ${socket.remoteAddress}`)).listen(0);
      const { port } = world.address() as AddressInfo;
      const instance = await start(specOf(node(SERVER), { network: 'own' }));
      const code = `require('node:net').connect(${port}, '${outside}').on('error', (e) => console.log(e.code)).pipe(process.stdout)`;
      expect(await runIn(instance, `node -e "${code}"`)).toMatch(/^hello (::ffff:)?10\.213\./);
      world.close();
      await instance.stop(0);
    },
  );

  it.skipIf(noUplink !== undefined)('leaves no rule of its own on the machine', async () => {
    const before = rules();
    const other = ProcessRuntime.open({
      folder: temporaryFolder('net'),
      warm: 0,
      logs,
      routes: () => routes,
    });
    await other.start(specOf(node(SERVER), { network: 'own' }), 'one');
    expect(rules()).not.toEqual(before);
    await other.close();
    expect(rules()).toEqual(before);
  });

  it.skipIf(noUplink !== undefined)('takes away what a killed run of the platform has left', async () => {
    const before = rules();
    const at = { folder: temporaryFolder('net'), warm: 0, logs, routes: () => routes };
    const killed = ProcessRuntime.open(at);
    await killed.start(specOf(node(SERVER), { network: 'own' }), 'one');
    const next = ProcessRuntime.open(at);
    await next.start(specOf(node(SERVER), { network: 'own' }), 'two');
    await next.close();
    expect(rules()).toEqual(before);
    await killed.close();
  });

  it('is found by functions, too', async () => {
    const directory = folderWith('fn', {
      'index.mjs': `export const handle = async () => ({ body: await (await fetch('http://a.demo.svc.cluster.local/z')).text() });`,
    });
    const launch = { kind: 'function', entry: 'index.mjs' } as const;
    const instance = await start(specOf({ directory, launch }, { network: 'own' }));
    expect(await askOf(instance, '/')).toBe('GET a.demo.svc.cluster.local /z');
    await instance.stop(0);
  });
});
