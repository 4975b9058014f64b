import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { openServer, type OpenServer } from '../../src/http/server.ts';
import { answerText } from '../../src/http/respond.ts';
import type { InstanceEvent } from '../../src/serving/activator/pool-tools.ts';
import { localHostsOf, type RevisionPlan, type ScalePlan } from '../../src/serving/plan.ts';
import { ProcessRuntime } from '../../src/serving/runtime/process/process-runtime.ts';
import { Serving } from '../../src/serving/serving.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { revisionPlan, SCALE } from '../kit/small-platform.ts';

/** Answers by its query: how many it has at once, a pause, a crash, a stream. */
const SERVER = folderWith('server', {
  'server.js': `
    const http = require('node:http');
    let now = 0, most = 0;
    const server = http.createServer((req, res) => {
      const { searchParams } = new URL(req.url, 'http://x');
      now += 1; most = Math.max(most, now);
      res.on('close', () => { now -= 1; });
      if (searchParams.has('crash')) process.exit(3);
      if (searchParams.has('half')) { res.writeHead(200, { 'content-length': 99 }); res.write('half'); return setTimeout(() => process.exit(4), 20); }
      const body = JSON.stringify({ pid: process.pid, most, headers: req.headers, service: process.env.K_SERVICE, revision: process.env.K_REVISION, configuration: process.env.K_CONFIGURATION, secret: process.env.MILLRACE_TEST_SECRET });
      const echo = searchParams.has('echo');
      if (echo) return req.pipe(res);
      setTimeout(() => res.end(body), Number(searchParams.get('ms') ?? 0));
    });
    server.on('upgrade', (req, socket) => { socket.write('HTTP/1.1 101 Switching Protocols\\r\\nconnection: upgrade\\r\\nupgrade: echo\\r\\n\\r\\n'); socket.pipe(socket); });
    process.on('SIGTERM', () => server.close(() => process.exit(0)));
    server.listen(process.env.PORT);`,
});
const HOST = 'web.demo.svc.cluster.local';

let runtime: ProcessRuntime;
let serving: Serving;
let publicDoor: OpenServer;
let internalDoor: OpenServer;
let events: InstanceEvent[];
const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });

beforeEach(async () => {
  process.env['MILLRACE_TEST_SECRET'] = 'not for instances';
  runtime = ProcessRuntime.open({
    folder: temporaryFolder('serving'),
    warm: 0,
    logs: { write: () => undefined },
    routes: () => [],
  });
  events = [];
  serving = new Serving({ runtime, clock: systemClock, observe: (event) => events.push(event) });
  const otherwise = (_: unknown, response: Parameters<typeof answerText>[0]): void =>
    answerText(response, 404, 'not a service');
  const doors = (['public', 'internal'] as const).map((listener) =>
    openServer({
      name: listener,
      host: '127.0.0.1',
      port: 0,
      requestTimeoutMs: 0,
      ...serving.gateway(listener, otherwise),
    }),
  );
  [publicDoor, internalDoor] = (await Promise.all(doors)) as [OpenServer, OpenServer];
});
afterEach(async () => {
  await serving.close(100);
  await Promise.all([publicDoor.close(100), internalDoor.close(100)]);
});

function web(plan: Partial<RevisionPlan> = {}, scale: Partial<ScalePlan> = {}): void {
  const base = revisionPlan('web', SERVER, { kind: 'program', command: ['node', 'server.js'] });
  serving.setRevision({ ...base, ...plan, scale: { ...SCALE, ...scale } });
  serving.setRoute({
    key: 'demo/web',
    publicHosts: ['web.demo.localhost'],
    localHosts: localHostsOf('demo', 'web'),
    targets: [{ revision: 'demo/web-00001', percent: 100 }],
  });
}

type Answer = {
  code: number;
  text: string;
  json: () => { pid: number; most: number; headers: Record<string, string> } & Record<string, unknown>;
};

async function ask(path = '/', host = HOST, port = internalDoor.port): Promise<Answer> {
  const { statusCode, body } = await request(`http://127.0.0.1:${port}${path}`, {
    headers: { host },
    dispatcher: agent,
  });
  const text = await body.text();
  return { code: statusCode, text, json: () => JSON.parse(text) };
}

const counts = () => serving.countsOf('demo/web-00001');

describe('a service at zero', () => {
  it('is woken by the first request, with the environment of the runtime contract and nothing of ours', async () => {
    web();
    expect(counts()).toMatchObject({ ready: 0 });
    const answer = await ask('/?ms=1');
    expect(answer.json()).toMatchObject({ service: 'web', revision: 'web-00001', configuration: 'web' });
    expect(answer.json()['secret']).toBeUndefined();
    expect(answer.json().headers).toMatchObject({
      host: HOST,
      'x-forwarded-proto': 'http',
      forwarded: expect.stringContaining(`host=${HOST}`),
    });
    expect(events.map(({ kind }) => kind)).toEqual(['starting', 'ready']);
  });

  it('answers 100 requests at once, never above containerConcurrency, never above maxScale', async () => {
    web({ containerConcurrency: 2 }, { maxScale: 4 });
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask('/?ms=5')));
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set([200]));
    expect(Math.max(...answers.map(({ json }) => json().most))).toBeLessThanOrEqual(2);
    expect(new Set(answers.map(({ json }) => json().pid)).size).toBeLessThanOrEqual(4);
  });

  it('goes back to zero when its window ends, and not while a request is in flight', async () => {
    web({}, { windowMs: 2000, panicWindowMs: 1000 });
    await ask();
    const long = ask('/?ms=4500');
    await expect.poll(() => counts().ready, { timeout: 12_000, interval: 100 }).toBe(0);
    expect((await long).code).toBe(200);
  }, 20_000);
});

describe('hosts', () => {
  it('public names are answered on the public listener, names inside the cluster only on the internal one', async () => {
    web();
    expect((await ask('/', 'WEB.demo.localhost.:80', publicDoor.port)).code).toBe(200);
    expect(await ask('/', HOST, publicDoor.port)).toMatchObject({ code: 404, text: 'not a service\n' });
    expect((await ask('/', 'web.demo')).code).toBe(200);
    expect((await ask('/', 'nobody.demo')).code).toBe(404);
  });

  it('those of a revision, and of its instances alone, are answered inside', async () => {
    web();
    for (const name of ['web-00001.demo', 'web-00001-private.demo.svc', 'web-00001.demo.svc.cluster.local'])
      expect((await ask('/', name)).json()).toMatchObject({ revision: 'web-00001' });
    expect((await ask('/', 'web-00002.demo')).code).toBe(404);
    expect((await ask('/', 'web-00001.demo', publicDoor.port)).code).toBe(404);
    expect(serving.listenerFor('web-00001.demo.svc.cluster.local')).toBe('internal');
  });

  it('a route without a revision says so', async () => {
    serving.setRoute({
      key: 'x',
      publicHosts: [],
      localHosts: ['x.demo'],
      targets: [{ revision: 'demo/gone', percent: 100 }],
    });
    expect(await ask('/', 'x.demo')).toMatchObject({
      code: 503,
      text: 'no revision of this service is ready\n',
    });
  });
});

describe('what goes wrong', () => {
  it('a hang ends at timeoutSeconds with 504', async () => {
    web({ timeoutMs: 600 });
    expect(await ask('/?ms=5000')).toMatchObject({ code: 504, text: expect.stringContaining('timeout') });
    await expect.poll(() => counts().inFlight).toBe(0);
  });

  it('a crash in a request is a 502, and the next request gets a fresh instance', async () => {
    web();
    const first = (await ask()).json().pid;
    expect((await ask('/?crash')).code).toBe(502);
    await expect.poll(async () => (await ask()).code).toBe(200);
    expect((await ask()).json().pid).not.toBe(first);
    expect(events.find(({ kind }) => kind === 'ended')).toMatchObject({
      ended: { exitCode: 3, wasAsked: false },
    });
  });

  it('an answer that is cut short is never passed on as a whole one', async () => {
    web();
    await ask();
    await expect(ask('/?half')).rejects.toThrow();
  });

  it('a client that goes away frees its place', async () => {
    web({ containerConcurrency: 1 }, { maxScale: 1 });
    await ask();
    const outgoing = httpRequest({
      port: internalDoor.port,
      host: '127.0.0.1',
      path: '/?ms=5000',
      headers: { host: HOST },
    });
    outgoing.on('error', () => undefined);
    outgoing.end();
    await expect.poll(() => counts().inFlight).toBe(1);
    outgoing.destroy();
    await expect.poll(() => counts().inFlight).toBe(0);
    expect((await ask()).code).toBe(200);
  });

  it.each([
    [
      'exits',
      ['node', '-e', 'console.error("no config"); process.exit(7)'],
      /ExitCode7: exited with code 7; it printed last:\nno config/,
    ],
    [
      'listens elsewhere',
      ['node', '-e', 'require("http").createServer().listen(0, "127.0.0.1")'],
      /PortNotOpened: the program listens on port \d+, not on the one it was given in PORT/,
    ],
    [
      'never listens',
      ['sleep', '30'],
      /ProgressDeadlineExceeded: nothing listened on the port in PORT within 4000 ms/,
    ],
    ['does not exist', ['./nothing-here'], /ExitCode/],
  ])('a program that %s: waiting requests get 503 with the reason', async (_, command, reason) => {
    const plan = revisionPlan('web', SERVER, { kind: 'program', command });
    web({ instance: { ...plan.instance, network: 'host', readyTimeoutMs: 4000 } });
    const answer = await ask();
    expect(answer.code).toBe(503);
    expect(answer.text).toContain('revision demo/web-00001 cannot start');
    const failed = events.find((event) => event.kind === 'failed');
    expect(failed?.kind === 'failed' && `${failed.code}: ${failed.reason}`).toMatch(reason);
    expect(runtime.pids).toEqual([]);
  });
});

describe('what passes through', () => {
  it('a large upload comes back byte for byte', async () => {
    web();
    const body = Buffer.alloc(5_000_000, 'abc');
    const answer = await request(`http://127.0.0.1:${internalDoor.port}/?echo`, {
      method: 'POST',
      headers: { host: HOST },
      body,
    });
    expect(Buffer.from(await answer.body.arrayBuffer()).equals(body)).toBe(true);
  });

  it('an upgraded connection carries bytes both ways', async () => {
    web();
    const socket = connect(internalDoor.port, '127.0.0.1');
    socket.write(`GET / HTTP/1.1\r\nhost: ${HOST}\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n`);
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    await expect.poll(() => text, { timeout: 5000 }).toContain('101 Switching Protocols');
    socket.write('ping');
    await expect.poll(() => text).toMatch(/ping$/);
    socket.destroy();
    await expect.poll(() => counts().inFlight).toBe(0);
  });

  it('traffic is split by percentage', async () => {
    web();
    const random = (
      (i) => () =>
        ((i += 37) % 100) / 100
    )(0);
    serving = new Serving({ runtime, clock: systemClock, random });
    for (const name of ['a', 'b'])
      serving.setRevision(revisionPlan(name, SERVER, { kind: 'program', command: ['node', 'server.js'] }));
    serving.setRoute({
      key: 'r',
      publicHosts: [],
      localHosts: ['r.demo'],
      targets: [
        { revision: 'demo/a-00001', percent: 90 },
        { revision: 'demo/b-00001', percent: 10 },
      ],
    });
    const door = await openServer({
      name: 'split',
      host: '127.0.0.1',
      port: 0,
      ...serving.gateway('internal', () => undefined),
    });
    const services: unknown[] = [];
    for (let i = 0; i < 60; i += 1) services.push((await ask('/', 'r.demo', door.port)).json()['revision']);
    await door.close(0);
    const ofB = services.filter((revision) => revision === 'b-00001').length;
    expect(ofB).toBeGreaterThan(1);
    expect(ofB).toBeLessThan(20);
  });
});

it('no process outlives a platform that is killed', async () => {
  const { spawn } = await import('node:child_process');
  const folder = temporaryFolder('orphans');
  const script = `
    import { ProcessRuntime } from '${join(import.meta.dirname, '../../src/serving/runtime/process/process-runtime.ts')}';
    const runtime = ProcessRuntime.open({ folder: '${folder}', warm: 2, logs: { write() {} }, routes: () => [] });
    await runtime.warmedUp();
    console.log(JSON.stringify(runtime.pids));
    setInterval(() => {}, 1000);`;
  const platform = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pids = await new Promise<number[]>((resolve) =>
    platform.stdout.once('data', (chunk) => resolve(JSON.parse(String(chunk)))),
  );
  expect(pids).toHaveLength(2);
  platform.kill('SIGKILL');
  const isAlive = (pid: number): boolean => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8'); // a zombie has only not been waited for
      return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
    } catch {
      return false;
    }
  };
  await expect.poll(() => pids.filter(isAlive)).toEqual([]);
});
