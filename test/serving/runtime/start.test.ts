import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProcessRuntime } from '../../../src/serving/runtime/process/process-runtime.ts';
import type { ContainerSpec, Launch, ProbeAction } from '../../../src/serving/runtime/container-spec.ts';
import type { Instance } from '../../../src/serving/runtime/runtime.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { aProbe, revisionPlan, withContainer } from '../../kit/small-platform.ts';

let runtime: ProcessRuntime;
let last = 0;
const printed = new Map<string, string>();
const told: string[] = [];
beforeAll(() => {
  process.env['MILLRACE_TEST_SECRET'] = 'of the platform';
  runtime = ProcessRuntime.open({
    folder: temporaryFolder('runtime'),
    warm: 1,
    logs: {
      begin: (id, { namespace, revision }) => told.push(`begin ${namespace}/${revision} ${id}`),
      write: (id, stream, chunk) =>
        printed.set(`${id} ${stream}`, `${printed.get(`${id} ${stream}`) ?? ''}${chunk.toString()}`),
      ended: (id) => told.push(`ended ${id}`),
    },
    routes: () => [],
  });
});
afterAll(async () => {
  delete process.env['MILLRACE_TEST_SECRET'];
  await runtime.close();
});

const program = (...command: string[]): Launch => ({ kind: 'program', command });
const FUNCTION: Launch = { kind: 'function', entry: 'index.mjs' };

function start(
  files: Record<string, string>,
  launch: Launch,
  {
    readyTimeoutMs = 10_000,
    network,
    ...more
  }: Partial<ContainerSpec> & { readyTimeoutMs?: number; network?: 'host' } = {},
): Promise<Instance> {
  const directory = folderWith('image', files);
  for (const name of Object.keys(files)) chmodSync(join(directory, name), 0o755);
  const { instance } = revisionPlan('f', directory, launch);
  return runtime.start({ ...withContainer(instance, more), readyTimeoutMs, network }, `f-${(last += 1)}`);
}

async function ask({ port }: Instance, path = '/'): Promise<string> {
  return (await request(`http://127.0.0.1:${port}${path}`)).body.text();
}

/** Answers with its environment and folder; `LATE_MS` and `FIRST_PORT` let it behave otherwise at first. */
const SERVER = `#!/usr/bin/env node
  const { createServer } = require('node:http');
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/healthz' && Date.now() < upMs ? 503 : 200;
    response.end(JSON.stringify({ env: process.env, cwd: process.cwd() }));
  });
  const upMs = Date.now() + Number(process.env.LATE_MS ?? 0);
  if (process.env.FIRST_PORT) createServer(() => {}).listen(0, '127.0.0.1');
  setTimeout(() => server.listen(process.env.WRONG ? 0 : Number(process.env.PORT), '127.0.0.1'), process.env.FIRST_PORT ? 1200 : 0);`;

describe('an instance that cannot start says why (R2)', () => {
  it.each<[string, string, Record<string, string>, Launch, string, RegExp]>([
    [
      'a function that ends its process',
      'ExitCode3',
      { 'index.mjs': 'console.log("no config"); process.exit(3)' },
      FUNCTION,
      '',
      /exited with code 3; it printed last:\nno config/,
    ],
    [
      'a function whose init() does not end',
      'ProgressDeadlineExceeded',
      { 'index.mjs': 'export const init = () => new Promise(() => {}); export const handle = () => 1' },
      FUNCTION,
      '',
      /the function is not ready: its import or its init\(\) has not come to an end within 1500 ms/,
    ],
    [
      'a function that never ends importing',
      'ProgressDeadlineExceeded',
      { 'index.mjs': 'console.log("connecting"); await new Promise(() => {})' },
      FUNCTION,
      '',
      /not ready: .* within 1500 ms; it printed last:\nconnecting/,
    ],
    [
      'a function that loops at import',
      'ProgressDeadlineExceeded',
      { 'index.mjs': 'for (;;);' },
      FUNCTION,
      '',
      /not ready/,
    ],
    ['a function whose entry is not there', 'FunctionInvalid', {}, FUNCTION, '', /index\.mjs/],
    [
      'a program that exits with 0',
      'ExitCode0',
      { run: '#!/bin/sh\necho done' },
      program('./run'),
      '',
      /exited with code 0; it printed last:\ndone/,
    ],
    [
      'a program that a signal ends',
      'ExitCode137',
      { run: '#!/bin/sh\nkill -9 $$' },
      program('./run'),
      '',
      /ended by SIGKILL/,
    ],
    ['a program that is not there', 'ExitCode127', { x: '' }, program('./nothing'), '', /nothing/],
    [
      'a working directory that is not there',
      'ContainerCannotRun',
      { run: '#!/bin/sh' },
      program('./run'),
      '/no/where',
      /workingDir \/no\/where is no folder of the image or of this machine/,
    ],
    [
      'a program that listens nowhere',
      'ProgressDeadlineExceeded',
      { run: '#!/bin/sh\nsleep 60' },
      program('./run'),
      '',
      /nothing listened on the port in PORT within 1500 ms/,
    ],
  ])('%s: %s', async (_, code, files, launch, workingDir, message) => {
    const before = runtime.pids.length;
    const failing = start(files, launch, { readyTimeoutMs: 1500, workingDir });
    await expect(failing).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await expect.poll(() => runtime.pids.length).toBeLessThanOrEqual(Math.max(before, 1)); // only what waits warm
  });

  it('a program on another port: which one, and how to change it', async () => {
    const wrong = start({ run: SERVER }, program('./run'), { env: { WRONG: '1' }, network: 'host' });
    await expect(wrong).rejects.toMatchObject({
      code: 'PortNotOpened',
      message: expect.stringMatching(
        /^the program listens on port \d+, not on the one it was given in PORT \(\d+\); let it listen on process\.env\.PORT.*; or remove annotation runtime\.millrace\.dev\/network: host$/,
      ),
    });
  }, 15_000);

  it.each<[ProbeAction, string]>([
    [{ kind: 'http', port: undefined, path: '/healthz', headers: {}, isTls: false }, 'http'],
    [{ kind: 'exec', command: ['test', '-f', 'never'] }, 'exec'],
  ])('a probe that never succeeds: $kind', async (action, kind) => {
    const failing = start({ run: SERVER }, program('./run'), {
      readiness: aProbe(action),
      env: { LATE_MS: '60000' },
      readyTimeoutMs: 1500,
    });
    await expect(failing).rejects.toMatchObject({
      code: 'ProgressDeadlineExceeded',
      message: expect.stringMatching(`^the ${kind} readiness probe did not succeed within 1500 ms: .`),
    });
  });
});

describe('an instance that starts', () => {
  it.each<[string, Launch]>([
    ['a program', program('./run')],
    ['a function', FUNCTION],
  ])('%s has the runtime contract, its own variables, and none of the platform', async (_, launch) => {
    const files = {
      run: SERVER,
      'index.mjs': 'export const handle = () => ({ env: process.env, cwd: process.cwd() })',
    };
    const instance = await start(files, launch, { env: { GREETING: 'hi', K_SERVICE: 'not mine to set' } });
    const { env } = JSON.parse(await ask(instance)) as { env: Record<string, string> };
    expect(env).toMatchObject({
      PORT: String(instance.port),
      FUNC_PORT: String(instance.port),
      LISTEN_ADDRESS: `127.0.0.1:${instance.port}`,
      K_SERVICE: 'f',
      K_REVISION: 'f-00001',
      K_CONFIGURATION: 'f',
      GREETING: 'hi',
      PATH: process.env['PATH'],
    });
    expect(Object.values(env)).not.toContain('of the platform'); // X3
    expect(Object.keys(env)).not.toContain('NODE_COMPILE_CACHE');
    await instance.stop(0);
  });

  it.each<[string, Launch, Record<string, string>]>([
    ['a program of the image without ./', program('run'), {}],
    ['a program of the image by its path in a container', program('/bin/run'), { 'bin/run': SERVER }],
    ['a program of this machine, on PATH', program('node', 'run'), {}],
    ['a shell line', program('sh', '-c', 'exec node run'), {}],
  ])('%s is found', async (_, launch, more) => {
    const instance = await start({ run: SERVER, ...more }, launch);
    expect(instance.startedMs).toBeLessThanOrEqual(instance.readyMs);
    expect(await ask(instance)).toContain('K_REVISION');
    await instance.stop(0);
  });

  it.each<[string, Launch]>([
    ['a program', program('./run')],
    ['a function', FUNCTION],
  ])('%s starts in its working directory', async (_, launch) => {
    const files = {
      run: SERVER,
      'index.mjs': 'export const handle = () => ({ cwd: process.cwd() })',
      'app/x': '',
    };
    const instance = await start(files, launch, { workingDir: '/app' });
    expect((JSON.parse(await ask(instance)) as { cwd: string }).cwd).toMatch(/\/app$/);
    await instance.stop(0);
  });

  it('is not ready before its http probe succeeds (X4)', async () => {
    const instance = await start({ run: SERVER }, program('./run'), {
      readiness: aProbe({
        kind: 'http',
        port: undefined,
        path: '/healthz',
        headers: { 'x-probe': 'yes' },
        isTls: false,
      }),
      env: { LATE_MS: '400' },
    });
    expect(instance.readyMs - instance.startedMs).toBeGreaterThanOrEqual(400);
    await instance.stop(0);
  });

  it('is ready when its exec probe succeeds, which runs with its environment and none of the platform', async () => {
    const instance = await start({ run: SERVER }, program('./run'), {
      readiness: aProbe({ kind: 'exec', command: ['sh', '-c', 'env > probed; test "$GREETING" = hi'] }),
      env: { GREETING: 'hi' },
    });
    const probed = readFileSync(`/proc/${instance.pid}/cwd/probed`, 'utf8');
    expect(probed).toContain(`PORT=${instance.port}`);
    expect(probed).not.toContain('of the platform');
    await instance.stop(0);
  });

  it('may listen elsewhere first', async () => {
    const instance = await start({ run: SERVER }, program('./run'), { env: { FIRST_PORT: 'any' } });
    expect(await ask(instance)).toContain('K_REVISION');
    await instance.stop(0);
  });

  it('is announced to the log with its revision, heard by stream, and taken leave of (R4)', async () => {
    const instance = await start(
      {
        'index.mjs': `export const handle = (context) => { console.log('to out'); console.error('to err'); context.log.warn({ a: 1 }, 'told %s', 'well'); };`,
      },
      FUNCTION,
    );
    await ask(instance);
    const out = () => printed.get(`${instance.id} stdout`) ?? '';
    await expect.poll(() => out().split('\n').length).toBe(3);
    expect(out()).toMatch(/^to out\n\{"level":"warn","time":\d+,"msg":"told well","a":1\}\n$/);
    expect(printed.get(`${instance.id} stderr`)).toBe('to err\n');
    await instance.stop(0);
    expect(told.filter((line) => line.endsWith(instance.id))).toEqual([
      `begin demo/f-00001 ${instance.id}`,
      `ended ${instance.id}`,
    ]);
  });

  it('that prints without end is held to 10 MiB a second', async () => {
    const instance = await start(
      {
        'index.mjs': `const line = 'x'.repeat(65535) + '\\n'; let i = 0;
          export const handle = () => { for (; i < 160; i += 1) process.stdout.write(line); return 'printed'; };`,
      },
      FUNCTION,
    );
    const startMs = performance.now();
    expect(await ask(instance)).toBe('printed');
    const length = () => printed.get(`${instance.id} stdout`)?.length ?? 0;
    await expect.poll(length, { timeout: 10_000 }).toBe(160 * 65_536); // nothing is lost
    expect(performance.now() - startMs).toBeGreaterThan(700);
    await instance.stop(0);
  });
});
