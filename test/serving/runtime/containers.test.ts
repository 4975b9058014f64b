import { once } from 'node:events';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { ContainerSpec, ProbeAction } from '../../../src/serving/runtime/container-spec.ts';
import { checkHealth } from '../../../src/serving/runtime/process/probes/grpc-health.ts';
import { freePort } from '../../../src/serving/runtime/process/ports.ts';
import { askOf, openLocalRuntime, serving } from '../../kit/local-runtime.ts';
import { aContainer, aProbe } from '../../kit/small-platform.ts';

const { start, told, printed, statusOf, runtime } = openLocalRuntime();
const node = (code: string): ContainerSpec['launch'] => ({ kind: 'program', command: ['node', '-e', code] });
const sh = (line: string): ContainerSpec['launch'] => ({ kind: 'program', command: ['sh', '-c', line] });
const http = (path: string, more: Partial<Extract<ProbeAction, { kind: 'http' }>> = {}): ProbeAction => ({
  kind: 'http',
  port: undefined,
  path,
  headers: {},
  isTls: false,
  ...more,
});

describe('containers beside the one that answers', () => {
  it('share its address, keep their own ports, and print into logs of their own', async () => {
    const port = await freePort();
    const sidecar = aContainer({
      name: 'side',
      env: { AT: String(port) },
      launch: node(
        "console.log('side is up ' + process.env.PORT); require('node:http').createServer((_, r) => r.end('from the side')).listen(Number(process.env.AT), '127.0.0.1')",
      ),
      readiness: aProbe({ kind: 'tcp', port }),
    });
    const main = serving({
      env: { AT2: String(port) },
      launch: node(
        "require('node:http').createServer(async (_, r) => r.end(await (await fetch('http://127.0.0.1:' + process.env.AT2)).text())).listen(Number(process.env.PORT), '127.0.0.1')",
      ),
    });
    const instance = await start([main, sidecar]);
    expect(await askOf(instance, '/')).toBe('from the side');
    expect(told.get(instance.id)).toMatchObject({
      isReady: true,
      containers: [{ isReady: true }, { isReady: true }],
    });
    expect(printed.get(`${instance.id}.side`)).toBe('side is up undefined\n');
    await instance.stop(0);
  });

  it('are started again in place when they end, and are counted; meanwhile it is not ready (R5, R6)', async () => {
    const port = await freePort();
    const side = serving({
      name: 'side',
      isServing: false,
      env: { AT: String(port) },
      readiness: aProbe({ kind: 'tcp', port }),
    });
    const instance = await start([serving(), side]);
    const { pid } = instance;
    await expect(fetch(`http://127.0.0.1:${port}/exit?4`)).rejects.toThrow();
    await expect
      .poll(() => statusOf(instance.id, 'side'), { timeout: 5000 })
      .toMatchObject({
        isReady: true,
        restarts: 1,
        last: { exitCode: 4, reason: 'Error', message: 'exited with code 4' },
      });
    expect(told.get(instance.id)?.isReady).toBe(true);
    expect([instance.pid, statusOf(instance.id, 'user-container')?.restarts]).toEqual([pid, 0]);
    await instance.stop(0);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow(); // it went with it
  });

  it('fail a start by their name, and nothing of it keeps running (R2)', async () => {
    const side = aContainer({
      name: 'side',
      launch: sh('echo no luck; exit 5'),
      readiness: aProbe({ kind: 'tcp', port: 1 }),
    });
    await expect(start([serving(), side])).rejects.toMatchObject({
      code: 'ExitCode5',
      message: 'container side: exited with code 5; it printed last:\nno luck',
    });
    expect(runtime.pids).toEqual([]);
  });
});

describe('init containers', () => {
  it('run to their end one after the other, before the others begin', async () => {
    const init = (name: string, line: string) => aContainer({ name, launch: sh(line) });
    const instance = await start([serving()], {
      initContainers: [init('first', 'sleep 0.1; echo one'), init('second', 'echo two')],
    });
    expect(statusOf(instance.id, 'first')?.state).toMatchObject({
      kind: 'terminated',
      exitCode: 0,
      reason: 'Completed',
    });
    const at = (name: string): number => {
      const state = statusOf(instance.id, name)?.state;
      return state?.kind === 'terminated' ? state.finishedMs : 0;
    };
    expect(at('first')).toBeLessThanOrEqual(at('second'));
    expect(at('second')).toBeLessThanOrEqual(instance.startedMs);
    expect(printed.get(`${instance.id}.second`)).toBe('two\n');
    await instance.stop(0);
  });

  it('that fail hold the others back; a restart is counted (R5)', async () => {
    const initContainers = [aContainer({ name: 'init', launch: sh('echo no database; exit 2') })];
    for (const restarts of [0, 1]) {
      await expect(start([serving()], { initContainers }, 'again')).rejects.toMatchObject({
        code: 'ExitCode2',
        message: 'init container init: exited with code 2; it printed last:\nno database',
      });
      expect(statusOf('again', 'init')).toMatchObject({
        restarts,
        state: { kind: 'terminated', exitCode: 2 },
      });
      expect(statusOf('again', 'user-container')?.state).toMatchObject({
        kind: 'waiting',
        reason: 'PodInitializing',
      });
    }
  });
});

describe('probes', () => {
  it('of readiness take it out and bring it back, by their thresholds', async () => {
    const readiness = aProbe(http('/healthz'), { periodMs: 20, failureThreshold: 2, successThreshold: 1 });
    const instance = await start([serving({ readiness })]);
    await askOf(instance, '/fail');
    await expect.poll(() => told.get(instance.id)?.isReady).toBe(false);
    await askOf(instance, '/well');
    await expect.poll(() => told.get(instance.id)?.isReady).toBe(true);
    await instance.stop(0);
  });

  it('of liveness end it as a crash that says why', async () => {
    const liveness = aProbe(http('/healthz'), { periodMs: 50, failureThreshold: 10 });
    const instance = await start([serving({ liveness })], {}, 'alive');
    await askOf(instance, '/fail');
    expect(await instance.ended).toMatchObject({
      wasAsked: false,
      reason: expect.stringMatching(
        /^Liveness probe failed: HTTP probe failed with statuscode: 503; ended by SIGTERM/,
      ),
    });
    const next = await start([serving({ liveness })], {}, 'alive');
    expect(statusOf('alive', 'user-container')).toMatchObject({ restarts: 1, last: { exitCode: 143 } });
    await next.stop(0);
  });

  it('of startup hold the others back until it succeeds, or end it', async () => {
    const liveness = aProbe({ kind: 'exec', command: ['false'] }, { periodMs: 1, failureThreshold: 1 });
    const port = await freePort();
    const startup = aProbe(http('/healthz', { port }), { periodMs: 1000, failureThreshold: 10 });
    const outcome = expect(
      start([serving({ startup, liveness, env: { ILL: '1', AT: String(port) } })]),
    ).rejects.toMatchObject({ message: expect.stringMatching(/^Liveness probe failed/) });
    const at = (path: string): Promise<number> =>
      fetch(`http://127.0.0.1:${port}${path}`).then(
        ({ status }) => status,
        () => 0,
      );
    await expect.poll(() => at('/healthz')).toBe(503);
    for (let asked = 0; asked < 20; asked += 1) expect(await at('/healthz')).toBe(503); // it lives
    await at('/well');
    await outcome; // only now its liveness is asked
    const short = aProbe(http('/healthz'), { periodMs: 100, failureThreshold: 3 });
    await expect(start([serving({ startup: short, env: { ILL: '1' } })])).rejects.toMatchObject({
      code: 'ProbeFailed',
      message: 'the http startup probe did not succeed within 300 ms: HTTP probe failed with statuscode: 503',
    });
  });

  it('ask by http with headers, a query, on another port, as kubelet does', async () => {
    const port = await freePort();
    const heard = node(
      "const { createServer } = require('node:http'); createServer((q, r) => { if (q.url.startsWith('/up')) console.log(q.url, JSON.stringify(q.headers)); r.end(); }).listen(Number(process.env.AT), '127.0.0.1'); createServer((q, r) => r.end('ok')).listen(Number(process.env.PORT), '127.0.0.1')",
    );
    const readiness = aProbe(http('/up?a=b', { port, headers: { 'X-Probe': 'yes' } }));
    const instance = await start([serving({ launch: heard, env: { AT: String(port) }, readiness })]);
    await expect
      .poll(() => printed.get(instance.id))
      .toMatch(/^\/up\?a=b \{"user-agent":"kube-probe\/1\.34",.*"x-probe":"yes"/);
    await instance.stop(0);
  });

  it('wait for initialDelaySeconds before they ask', async () => {
    const readiness = aProbe(http('/healthz'), { initialDelayMs: 300 });
    const instance = await start([serving({ readiness })]);
    expect(instance.readyMs - instance.startedMs).toBeGreaterThanOrEqual(290);
    await instance.stop(0);
  });

  it('of a function are asked too, by a runner that is warm', async () => {
    const local = openLocalRuntime(1);
    const { folderWith } = await import('../../kit/folders.ts');
    const directory = folderWith('well', {
      'index.mjs':
        'let n = 0; export const handle = () => 1; export const readiness = () => { n += 1; if (n < 3) throw new Error("not yet"); return n; }',
    });
    const launch = { kind: 'function', entry: 'index.mjs' } as const;
    const instance = await local.start([
      serving({ directory, launch, readiness: aProbe(http('/health/readiness')) }),
    ]);
    expect(Number(await askOf(instance, '/health/readiness'))).toBe(4);
  });
});

describe('a grpc probe', () => {
  /** Answers as grpc.health.v1 does, with this status. */
  async function healthServer(
    serving: number,
    grpcStatus = '0',
  ): Promise<{ server: Http2Server; port: number; asked: Buffer[] }> {
    const asked: Buffer[] = [];
    const server = createHttp2Server();
    server.on('stream', (stream, headers) => {
      stream.on('data', (chunk: Buffer) => asked.push(chunk));
      stream.on('end', () => {
        stream.respond(
          { ':status': headers[':path'] === '/grpc.health.v1.Health/Check' ? 200 : 404 },
          { waitForTrailers: true },
        );
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': grpcStatus }));
        stream.end(serving === 0 ? Buffer.alloc(5) : Buffer.from([0, 0, 0, 0, 2, 8, serving]));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { server, port: (server.address() as AddressInfo).port, asked };
  }

  it.each([
    [1, '0', undefined],
    [2, '0', 'it says NOT_SERVING'],
    [0, '0', 'it says UNKNOWN'],
    [1, '12', 'grpc-status 12'],
  ])('of status %i and grpc-status %s: %s', async (status, grpcStatus, expected) => {
    const { server, port, asked } = await healthServer(status, grpcStatus);
    expect(await checkHealth('127.0.0.1', port, 'greeter', 1000)).toBe(expected);
    expect(Buffer.concat(asked)).toEqual(Buffer.from([0, 0, 0, 0, 9, 0x0a, 7, ...Buffer.from('greeter')]));
    server.close();
  });

  it('of a port that nobody listens on says so', async () => {
    expect(await checkHealth('127.0.0.1', await freePort(), '', 1000)).toMatch(/ECONNREFUSED/);
  });
});
