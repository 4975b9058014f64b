import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ContainerRuntime } from '../../../src/serving/runtime/container/container-runtime.ts';
import { Engine } from '../../../src/serving/runtime/container/engine.ts';
import { engineSocket } from '../../../src/serving/runtime/container/find-engine.ts';
import { Frames } from '../../../src/serving/runtime/container/frames.ts';
import { EitherRuntime } from '../../../src/serving/runtime/either-runtime.ts';
import type { HostRoute } from '../../../src/serving/runtime/process/runner-protocol.ts';
import type { InstanceSpec } from '../../../src/serving/runtime/runtime.ts';
import { runIn, SERVE } from '../../kit/container-runtime.ts';
import { engineTurn, TURN_MAX_MS } from '../../kit/engine-turn.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { askOf, openLocalRuntime, serving } from '../../kit/local-runtime.ts';
import { revisionPlan, withContainer } from '../../kit/small-platform.ts';
import { podmanServer, startService, TOOLS_IMAGE } from '../../servers/podman.ts';
import { endAll } from '../../servers/processes.ts';
import { sharedServer } from '../../servers/shared.ts';

const logs = { write: () => undefined };
const container = { kind: 'container', command: ['sh', '-c', SERVE], args: undefined } as const;
const spec = withContainer(revisionPlan('f', '/', container).instance, { image: TOOLS_IMAGE });
const podman = await sharedServer(podmanServer);

describe('the log stream of an engine', () => {
  it('is taken apart wherever it is cut', () => {
    const frame = (stream: number, text: string): Buffer => {
      const head = Buffer.alloc(8);
      head[0] = stream;
      head.writeUInt32BE(text.length, 4);
      return Buffer.concat([head, Buffer.from(text)]);
    };
    const all = Buffer.concat([frame(1, 'out\n'), frame(2, 'and errors\n'), frame(1, ''), frame(1, 'end')]);
    for (let size = 1; size <= all.byteLength; size += 1) {
      const said = { stdout: '', stderr: '' };
      const frames = new Frames((stream, chunk) => (said[stream] += chunk.toString()));
      for (let at = 0; at < all.byteLength; at += size) frames.take(all.subarray(at, at + size));
      expect(said).toEqual({ stdout: 'out\nend', stderr: 'and errors\n' });
    }
  });
});

describe('the version of the API', () => {
  const asked = async (version: object): Promise<readonly string[]> => {
    const paths: string[] = [];
    const server = createServer(({ url = '' }, response) => {
      paths.push(url);
      response.end(JSON.stringify(version));
    });
    const path = join(temporaryFolder('version'), 'it.sock');
    await once(server.listen(path), 'listening');
    const engine = new Engine(path);
    await engine.ask('GET', '/containers/json').catch(({ message }) => paths.push(message));
    await engine.close();
    server.close();
    return paths;
  };

  it('is 1.41, or the oldest that a newer engine still takes', async () => {
    const podman4 = { ApiVersion: '1.41', MinAPIVersion: '1.24' };
    const docker29 = { ApiVersion: '1.52', MinAPIVersion: '1.44' };
    expect(await asked(podman4)).toEqual(['/version', '/v1.41/containers/json']);
    expect(await asked(docker29)).toEqual(['/version', '/v1.44/containers/json']);
  });

  it('of an engine that is too old is told, with what is needed', async () => {
    expect(await asked({ ApiVersion: '1.40', MinAPIVersion: '1.12' })).toEqual([
      '/version',
      expect.stringMatching(
        /speaks version 1\.40 of the API, and 1\.41 is the least: Docker 20\.10, podman 4/,
      ),
    ]);
  });
});

describe('which engine', () => {
  it('is the one that is named, one that is found, or none', () => {
    expect(engineSocket('unix:///run/it.sock', {})).toBe('/run/it.sock');
    expect(engineSocket('none', { DOCKER_HOST: 'unix:///dev/null' })).toBeUndefined();
    expect(engineSocket(undefined, { DOCKER_HOST: 'unix:///dev/null' })).toBe('/dev/null');
  });

  it('that is not there is said, with what to do', async () => {
    const { runtime } = openLocalRuntime();
    const either = new EitherRuntime(runtime, undefined);
    expect(either.unmet(spec)).toMatchObject([
      { kind: 'refused', message: expect.stringMatching(/--engine unix:/) },
    ]);
    await expect(either.start(spec, 'x')).rejects.toMatchObject({ code: 'ContainerCannotRun' });
    const mixed = { ...spec, containers: [...spec.containers, serving({ name: 'side', isServing: false })] };
    const engine = new Engine('/no/such.sock');
    const both = new EitherRuntime(
      runtime,
      new ContainerRuntime({ engine, folder: temporaryFolder('e'), logs }),
    );
    expect(both.unmet(mixed)).toMatchObject([{ message: expect.stringMatching(/share no network/) }]);
    await both.close();
  });
});

describe.skipIf(podman.kind === 'missing')('a container', { timeout: 60_000 }, () => {
  const address = podman.kind === 'running' ? podman.address : '';
  const confined = (more: object): InstanceSpec => {
    const all = { mayGainPrivileges: true, isReadOnly: false, isUnconfined: false };
    const confinement = { ...all, capabilities: { add: [], drop: [] }, ...more };
    return withContainer(spec, { launch: { ...container, confinement } });
  };

  it('is confined as its securityContext says', async () => {
    const runtime = new ContainerRuntime({ engine: new Engine(address), folder: temporaryFolder('c'), logs });
    const capabilities = { add: [], drop: ['ALL'] };
    const instance = await runtime.start(confined({ mayGainPrivileges: false, capabilities }), 'confined');
    expect(
      await runIn(
        instance,
        'cat /proc/self/status | while read k v; do case $k in CapEff:|NoNewPrivs:) echo $k $v;; esac; done',
      ),
    ).toBe('CapEff: 0000000000000000\nNoNewPrivs: 1\n');
    const fixed = await runtime.start(confined({ isReadOnly: true }), 'fixed');
    expect(await runIn(fixed, 'touch /www/x 2>&1')).toMatch(/Read-only file system/);
    await runtime.close();
  });

  it('is stopped by the signal that its image names', async () => {
    const engine = new Engine(address);
    const runtime = new ContainerRuntime({ engine, folder: temporaryFolder('c'), logs });
    const first = await runtime.start(spec, 'committed');
    const filters = encodeURIComponent(JSON.stringify({ name: ['millrace-committed-'] }));
    const { body } = await engine.ask('GET', `/containers/json?filters=${filters}`);
    const [{ Id: id } = { Id: '' }] = body as readonly { readonly Id: string }[];
    const changes = encodeURIComponent('STOPSIGNAL SIGUSR1');
    await engine.ask('POST', `/commit?container=${id}&repo=localhost/usr1&tag=1&changes=${changes}`, {});
    await first.stop(0);
    const command = ['sh', '-c', `trap 'exit 9' USR1; ${SERVE}`];
    const asked = withContainer(spec, { image: 'localhost/usr1:1', launch: { ...container, command } });
    const instance = await runtime.start(asked, 'usr1');
    await instance.stop(20_000);
    expect(await instance.ended).toMatchObject({ exitCode: 9, wasAsked: true });
    await runtime.close();
  });

  it('that must not be root does not start as root, in kubelet’s words', async () => {
    const runtime = new ContainerRuntime({ engine: new Engine(address), folder: temporaryFolder('c'), logs });
    const user = { uid: undefined, gid: undefined, mustNotBeRoot: true };
    await expect(runtime.start(withContainer(spec, { user }), 'root')).rejects.toMatchObject({
      code: 'ContainerCannotRun',
      message: expect.stringMatching(/^container has runAsNonRoot and image will run as root/),
    });
    const asRoot = withContainer(spec, { user: { ...user, uid: 0 }, unhonoured: ['it'] });
    expect(runtime.unmet(asRoot)).toMatchObject([
      { kind: 'refused', message: expect.stringMatching(/runAsUser breaks non-root policy/) },
      { kind: 'ignored', message: expect.stringMatching(/ without it$/) },
    ]);
    await runtime.close();
  });
});

describe.skipIf(podman.kind === 'missing')('the door of containers', () => {
  it(
    'lets those of this run in, and nobody else on their network (O1)',
    { timeout: TURN_MAX_MS },
    async () => {
      const giveBack = await engineTurn(podman.kind === 'running' ? podman.address : '');
      const behind = createServer((_, response) => response.end('well'));
      await once(behind.listen(0, '127.0.0.1'), 'listening');
      const { port } = behind.address() as AddressInfo;
      const routes: HostRoute[] = [{ suffix: '.svc.cluster.local', host: '127.0.0.1', port }];
      const inside = { routes: () => routes, isName: () => false, onAddress: () => undefined };
      const engine = new Engine(podman.kind === 'running' ? podman.address : '');
      const runtime = new ContainerRuntime({ engine, inside, folder: temporaryFolder('door'), logs });
      const sink = withContainer(spec, { env: { K_SINK: `http://127.0.0.1:${port}/x` } });
      const instance = await runtime.start(sink, 'door');
      const url = await runIn(instance, 'echo $K_SINK');
      expect(url).toMatch(/^http:\/\/10\.\d+\.\d+\.\d+:\d+\/x\n$/);
      expect(await runIn(instance, 'busybox wget -qO- $K_SINK')).toBe('well');
      const other = new ContainerRuntime({ engine, folder: temporaryFolder('other'), logs });
      const stranger = await other.start(withContainer(spec, { env: { K_SINK: url.trim() } }), 'stranger');
      expect(await runIn(stranger, 'busybox wget -qO- -T 10 $K_SINK 2>&1')).not.toContain('well');
      await Promise.all([instance.stop(0), stranger.stop(0)]);
      await Promise.all([runtime.close(), other.close()]);
      behind.close();
      giveBack();
    },
  );
});

describe.skipIf(podman.kind === 'missing')('an engine that is away', () => {
  it('is told in plain words, and containers start when it is back', { timeout: 60_000 }, async () => {
    const folder = dirname(podman.kind === 'running' ? podman.address : '');
    const engine = new Engine(`${folder}/late.sock`);
    const runtime = new ContainerRuntime({ engine, folder: temporaryFolder('away'), logs });
    await expect(runtime.start(spec, 'late')).rejects.toMatchObject({
      code: 'EngineUnavailable',
      message: expect.stringMatching(
        /^the container engine at .*late\.sock does not answer \(.*\); start it, or name/,
      ),
    });
    const first = await startService(folder, 'late.sock');
    const instance = await runtime.start(spec, 'late');
    expect(await askOf(instance, '/')).toBe('ok');
    await endAll([first.pid]);
    const second = await startService(folder, 'late.sock');
    expect(await askOf(instance, '/')).toBe('ok'); // it has not noticed
    await instance.stop(0);
    expect(await instance.ended).toMatchObject({ wasAsked: true });
    await runtime.close();
    await endAll([second.pid]);
  });
});
