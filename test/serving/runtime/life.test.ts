import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProcessRuntime } from '../../../src/serving/runtime/process/process-runtime.ts';
import type { HostRoute } from '../../../src/serving/runtime/process/runner-protocol.ts';
import type { Instance } from '../../../src/serving/runtime/runtime.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { revisionPlan, withContainer } from '../../kit/small-platform.ts';

const runtimes: ProcessRuntime[] = [];
const routes: HostRoute[] = [];
let last = 0;
afterAll(() => Promise.all(runtimes.map((runtime) => runtime.close())));

function open(warm = 1, folder = temporaryFolder('life')): ProcessRuntime {
  const runtime = ProcessRuntime.open({
    folder,
    warm,
    logs: { write: () => undefined },
    routes: () => routes,
  });
  runtimes.push(runtime);
  return runtime;
}

function start(runtime: ProcessRuntime, code: string, env: Record<string, string> = {}): Promise<Instance> {
  const folder = folderWith('image', { 'index.mjs': code });
  const { instance } = revisionPlan('f', folder, { kind: 'function', entry: 'index.mjs' });
  return runtime.start(withContainer(instance, { env }), `f-${(last += 1)}`);
}

async function ask({ port }: Instance, path = '/') {
  const answer = await request(`http://127.0.0.1:${port}${path}`);
  return { text: await answer.body.text(), headers: answer.headers };
}

/** Whether a process runs; a zombie has only not been waited for. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
  } catch {
    return false;
  }
}

describe('stopping an instance', () => {
  it('lets it answer what it has, then shut down, and resolves when it is gone', async () => {
    const folder = temporaryFolder('marks');
    const instance = await start(
      open(),
      `import { writeFileSync } from 'node:fs';
       export const handle = () => new Promise((done) => setTimeout(() => done('answered'), 300));
       export const shutdown = async () => { await new Promise((done) => setTimeout(done, 50)); writeFileSync('${folder}/shut', ''); };`,
    );
    const answer = ask(instance);
    await expect.poll(() => request(`http://127.0.0.1:${instance.port}/health/liveness`)).toBeDefined();
    await instance.stop(5000);
    expect((await answer).text).toBe('answered');
    expect(existsSync(join(folder, 'shut'))).toBe(true);
    expect(await instance.ended).toMatchObject({ exitCode: 0, wasAsked: true });
    await instance.stop(0); // twice is as good as once
    expect(isAlive(instance.pid)).toBe(false);
  });

  it('ends one that does not want to, with all that it forked, when its time is up', async () => {
    const instance = await start(
      open(),
      `import { spawn } from 'node:child_process';
       const fork = spawn('sleep', ['300'], { stdio: 'ignore' });
       export const handle = () => String(fork.pid);
       export const shutdown = () => new Promise(() => {});`,
    );
    const fork = Number((await ask(instance)).text);
    expect(isAlive(fork)).toBe(true);
    await instance.stop(100);
    expect(await instance.ended).toMatchObject({ signal: 'SIGKILL', wasAsked: true });
    await expect.poll(() => isAlive(fork)).toBe(false);
  });

  it('a shutdown() that throws is seen in how it ended', async () => {
    const instance = await start(
      open(),
      `export const handle = () => 1; export const shutdown = () => { throw new Error('not closed') };`,
    );
    await instance.stop(5000);
    expect(await instance.ended).toMatchObject({
      exitCode: 1,
      reason: expect.stringContaining('not closed'),
    });
  });
});

describe('the runtime', () => {
  it('takes no runner that has died while it waited, and puts another in its place', async () => {
    const runtime = open(1);
    await runtime.warmedUp();
    const [idle = 0] = runtime.pids;
    process.kill(idle, 'SIGKILL');
    await expect.poll(() => runtime.pids.filter(isAlive)).not.toContain(idle);
    expect((await ask(await start(runtime, 'export const handle = () => "up"'))).text).toBe('up');
    const other = open(1);
    await other.warmedUp();
    const [first = 0] = other.pids;
    process.kill(first, 'SIGKILL');
    await expect.poll(() => other.pids.filter((pid) => pid !== first).length, { timeout: 5000 }).toBe(1);
  });

  it('starts as many at once as are asked for, whatever is warm', async () => {
    const runtime = open(1);
    const started = await Promise.all(
      Array.from({ length: 4 }, () => start(runtime, 'export const handle = () => "up"')),
    );
    expect(new Set(started.map(({ port }) => port)).size).toBe(4);
    for (const instance of started) expect((await ask(instance)).text).toBe('up');
  });

  it('tries a function without calling its init()', async () => {
    const runtime = open(1);
    const check = (code: string) => runtime.check(folderWith('image', { 'index.mjs': code }), 'index.mjs');
    const withInit = `export const init = () => { throw new Error('called') }; export const handle = () => 1;`;
    expect(await check(withInit)).toBeUndefined();
    expect(await check('throw new Error("no database")')).toBe('no database (index.mjs:1)');
    expect(await check('export const x = 1')).toContain('it exports no function');
    expect(await check('process.exit(4)')).toContain('exited with code 4');
  });

  it('takes nothing that a function sends over its channel for its own word', async () => {
    const instance = await start(
      open(),
      `export const handle = () => { for (const m of [null, { kind: 'invalid', reason: 'x' }, { kind: 'idle', port: 1 }]) process.send(m); return 'fine'; };`,
    );
    expect((await ask(instance)).text).toBe('fine');
    expect((await ask(instance)).text).toBe('fine');
  });

  it('ends everything when it is closed, and starts nothing any more (R3)', async () => {
    const runtime = open(2);
    const instance = await start(runtime, 'export const handle = () => 1');
    const { pids } = runtime;
    await runtime.close();
    await runtime.close();
    expect(pids.filter(isAlive)).toEqual([]);
    expect(await instance.ended).toMatchObject({ wasAsked: true });
    await expect(start(runtime, '')).rejects.toMatchObject({ code: 'RUNTIME_CLOSED' });
  });
});

describe('a platform that is killed', () => {
  const RUNTIME = join(import.meta.dirname, '../../../src/serving/runtime/process/process-runtime.ts');

  /** Starts a process that opens a runtime in `folder` and runs a program that forks; returns all their numbers. */
  async function killedPlatform(folder: string, forkLine: string): Promise<number[]> {
    const image = folderWith('image', {
      run: `${forkLine} & echo $! > fork; exec node server.js`,
      'server.js': `require('node:http').createServer((q, r) => r.end(require('node:fs').readFileSync('fork'))).listen(process.env.PORT, '127.0.0.1')`,
      'index.mjs': 'export const handle = () => 1',
    });
    const spec = (launch: object) =>
      JSON.stringify({ ...revisionPlan('f', image, launch as never).instance, workingDir: '' });
    const script = `
      import { ProcessRuntime } from '${RUNTIME}';
      const runtime = ProcessRuntime.open({ folder: '${folder}', warm: 1, logs: { write() {} }, routes: () => [] });
      const program = await runtime.start(${spec({ kind: 'program', command: ['sh', 'run'] })}, 'p');
      await runtime.start(${spec({ kind: 'function', entry: 'index.mjs' })}, 'f');
      await runtime.warmedUp();
      const fork = Number(await (await fetch('http://127.0.0.1:' + program.port)).text());
      console.log(JSON.stringify([...runtime.pids, fork]));
      setInterval(() => {}, 1000);`;
    const platform = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pids = await new Promise<number[]>((resolve) =>
      platform.stdout.once('data', (chunk) => resolve(JSON.parse(String(chunk)) as number[])),
    );
    expect(pids.filter(isAlive)).toEqual(pids);
    expect(pids.length).toBeGreaterThanOrEqual(4); // a program, its fork, a function, a warm runner
    platform.kill('SIGKILL');
    return pids;
  }

  it('leaves no process: runners, instances, and what those have forked', async () => {
    const pids = await killedPlatform(temporaryFolder('killed'), 'sleep 300');
    await expect.poll(() => pids.filter(isAlive), { timeout: 5000 }).toEqual([]);
  });

  it('what left its process group is ended by the next platform on the folder', async () => {
    const folder = temporaryFolder('killed');
    const pids = await killedPlatform(folder, 'setsid sleep 300');
    await expect.poll(() => pids.filter(isAlive).length, { timeout: 5000 }).toBe(1);
    open(1, folder);
    await expect.poll(() => pids.filter(isAlive)).toEqual([]);
  });
});

describe('a function that calls a service by its cluster name', () => {
  let listener: Server;
  let port = 0;
  beforeAll(async () => {
    listener = createServer((incoming, response) => response.end(`for ${incoming.headers.host}`));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    ({ port } = listener.address() as AddressInfo);
    routes.push({ suffix: '.svc.cluster.local', host: '127.0.0.1', port });
    routes.push({ suffix: '.apps.test', host: '127.0.0.1', port, ports: [80] });
  });
  afterAll(() => void listener.close());

  it.each<[string, string, string]>([
    [
      'fetch',
      `(await fetch('http://other.demo.svc.cluster.local/x')).text()`,
      'for other.demo.svc.cluster.local',
    ],
    [
      'node:http',
      `new Promise((done) => http.get('http://Other.demo.svc.cluster.local.:8080/', (r) => r.on('data', (d) => done(String(d)))))`,
      'for other.demo.svc.cluster.local.:8080',
    ],
    [
      'node:net with port and host',
      `new Promise((done) => net.connect(80, 'a.apps.test').on('data', (d) => done(String(d).split('\\r\\n\\r\\n')[1])).write('GET / HTTP/1.0\\r\\nHost: a\\r\\n\\r\\n'))`,
      'for a',
    ],
    [
      'Socket.connect',
      `new Promise((done) => new net.Socket().connect(80, 'a.apps.test').on('data', (d) => done(String(d).split('\\r\\n\\r\\n')[1])).write('GET / HTTP/1.0\\r\\nHost: a\\r\\n\\r\\n'))`,
      'for a',
    ],
    [
      'node:net, its options left alone',
      `new Promise((done) => { const options = { host: 'a.apps.test', port: 80 }; const socket = net.connect(options); socket.on('connect', () => done(options.host + options.port)); })`,
      'a.apps.test80',
    ],
    [
      'another port, which is not ours',
      `new Promise((done) => net.connect(5432, 'db.apps.test').on('connect', () => done('routed')).on('error', () => done('not routed')))`,
      'not routed',
    ],
  ])('%s', async (_, call, said) => {
    const runtime = open(0);
    const code = `import http from 'node:http'; import net from 'node:net'; export const handle = async () => ({ body: await ${call} });`;
    expect((await ask(await start(runtime, code))).text).toBe(said);
  });
});
