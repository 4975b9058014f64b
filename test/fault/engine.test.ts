import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerRuntime } from '../../src/serving/runtime/container/container-runtime.ts';
import { EngineImages, type Fetched } from '../../src/serving/runtime/container/engine-images.ts';
import { Engine } from '../../src/serving/runtime/container/engine.ts';
import type { Instance } from '../../src/serving/runtime/runtime.ts';
import { runIn, SERVE } from '../kit/container-runtime.ts';
import { engineTurn, TURN_MAX_MS } from '../kit/engine-turn.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { openRegistry } from '../kit/registry.ts';
import { revisionPlan, withContainer } from '../kit/small-platform.ts';
import { podmanServer, REGISTRY_PORT, startService, TOOLS_IMAGE, TOOLS_TAR } from '../servers/podman.ts';
import { endAll } from '../servers/processes.ts';
import { sharedServer } from '../servers/shared.ts';

const podman = await sharedServer(podmanServer);
const socket = podman.kind === 'running' ? podman.address : '';
const engine = new Engine(socket);
const launch = { kind: 'container', command: ['sh', '-c', SERVE], args: undefined } as const;
const plain = withContainer(revisionPlan('f', '/', launch).instance, { image: TOOLS_IMAGE });
const bounded = withContainer(plain, { limits: { memoryBytes: 64 * 1024 * 1024, milliCpus: undefined } });
const WAIT = { timeout: 60_000, interval: 100 };
const title = `an engine and what befalls it${podman.kind === 'missing' ? ` (not here: ${podman.reason})` : ''}`;
const FETCH = { auth: undefined, policy: 'Always', resolveTimeoutMs: 10_000 } as const;

describe.skipIf(podman.kind === 'missing')(title, { timeout: 180_000 }, () => {
  const runtime = new ContainerRuntime({
    engine,
    folder: temporaryFolder('engine-faults'),
    logs: { write: () => undefined },
  });
  let giveBack: (() => void) | undefined;
  beforeAll(async () => {
    giveBack = await engineTurn(socket); // of the registry's port
  }, TURN_MAX_MS);
  afterAll(async () => {
    await runtime.close();
    giveBack?.();
  });

  const containerOf = async (instance: Instance): Promise<string> => {
    const filters = encodeURIComponent(JSON.stringify({ name: [`millrace-${instance.id}-`] }));
    const { body } = await engine.ask('GET', `/containers/json?filters=${filters}`);
    return (body as readonly { readonly Id: string }[])[0]?.Id ?? '';
  };

  it('a container that is killed from outside has crashed, and is not taken for one without memory', async () => {
    const instance = await runtime.start(bounded, 'killed');
    await engine.ask('POST', `/containers/${await containerOf(instance)}/kill`);
    expect(await instance.ended).toMatchObject({
      exitCode: 137,
      wasAsked: false,
      reason: expect.stringMatching(/^exited with code 137/),
    });
  });

  it('a container that is removed from outside has crashed', async () => {
    const instance = await runtime.start(plain, 'removed');
    await engine.ask('DELETE', `/containers/${await containerOf(instance)}?force=1`);
    expect(await instance.ended).toMatchObject({ wasAsked: false });
    expect((await instance.ended).exitCode ?? 137).toBe(137);
  });

  it('an instance outlives an engine that is away for a while, and its end is noticed afterwards', async () => {
    const folder = dirname(socket);
    const first = await startService(folder, 'away.sock');
    let printed = '';
    const own = new ContainerRuntime({
      engine: new Engine(first.socket),
      folder: temporaryFolder('engine-away'),
      logs: { write: (_, __, chunk) => (printed += chunk.toString()) },
    });
    const chatty = {
      ...launch,
      command: [
        'sh',
        '-c',
        `echo before; (while ! test -e /tmp/on; do sleep 0.1; done; echo during) & ${SERVE}`,
      ],
    };
    const instance = await own.start(withContainer(plain, { launch: chatty }), 'outlives');
    await expect.poll(() => printed, WAIT).toBe('before\n');
    await endAll([first.pid]);
    await runIn(instance, 'touch /tmp/on');
    const between = await startService(folder, 'away.sock');
    await expect.poll(() => printed, WAIT).toBe('before\nduring\n');
    await endAll([between.pid]);
    await engine.ask('POST', `/containers/${await containerOf(instance)}/kill`);
    const second = await startService(folder, 'away.sock');
    expect(await instance.ended).toMatchObject({ wasAsked: false });
    await own.close();
    await endAll([second.pid]);
  });

  it('a pull that is interrupted has failed, in plain words, and is tried again', async () => {
    const folder = dirname(socket);
    const port = Number(readFileSync(join(folder, REGISTRY_PORT), 'utf8'));
    const held: ServerResponse[] = [];
    const stalled = createServer((_, response) => void held.push(response)).listen(port, '127.0.0.1');
    await once(stalled, 'listening');
    const image = `127.0.0.1:${port}/private/tools:1`;
    let nowMs = 0;
    const service = await startService(folder, 'pull.sock');
    const client = new Engine(service.socket);
    const images = new EngineImages(client, () => nowMs);
    const fetch = (): Promise<Fetched> => images.fetch(image, { ...FETCH, auth: credentials(port) });
    expect(await fetch()).toEqual({ kind: 'pending' });
    await expect.poll(() => held.length, WAIT).toBeGreaterThan(0);
    await endAll([service.pid]);
    await expect.poll(fetch, WAIT).toMatchObject({
      kind: 'failed',
      why: expect.stringMatching(/^the container engine at .* does not answer|terminated|closed/),
    });
    stalled.close();
    stalled.closeAllConnections();
    const again = await startService(folder, 'pull.sock');
    const registry = await openRegistry(port, join(folder, TOOLS_TAR), 'ann', 'sesame');
    expect(await fetch()).toMatchObject({ kind: 'failed' }); // not before its time
    nowMs = 10_000;
    await expect.poll(fetch, WAIT).toMatchObject({ kind: 'fetched' });
    registry.close();
    await client.close();
    await endAll([again.pid]);
  });

  it('a disk that is full is told in the engine’s words', async ({ skip, onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), 'mr-')); // podman takes no path of more than 50 characters
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1500k', 'tmpfs', disk], { stdio: 'pipe' });
    } catch (error) {
      skip(`no small disk can be mounted: ${String(error)}`);
    }
    onTestFinished(() => void execFileSync('umount', ['-l', disk]));
    const shared = dirname(socket);
    const port = Number(readFileSync(join(shared, REGISTRY_PORT), 'utf8'));
    const service = await startService(folder, 'full.sock', { root: disk, config: shared });
    const client = new Engine(service.socket);
    const registry = await openRegistry(port, join(shared, TOOLS_TAR), 'ann', 'sesame');
    const options = { ...FETCH, auth: credentials(port) };
    const images = new EngineImages(client);
    await expect
      .poll(() => images.fetch(`127.0.0.1:${port}/private/tools:1`, options), WAIT)
      .toMatchObject({ kind: 'failed', why: expect.stringContaining('no space left on device') });
    registry.close();
    await client.close();
    await endAll([service.pid]);
  });
});

const credentials = (port: number) => ({
  username: 'ann',
  password: 'sesame',
  serveraddress: `127.0.0.1:${port}`,
});
