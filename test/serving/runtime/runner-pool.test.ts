import { readFileSync } from 'node:fs';
import { availableParallelism, getPriority } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, describe, expect, it } from 'vitest';
import type { Child } from '../../../src/serving/runtime/process/child.ts';
import { RUNNER_BYTES, type PoolBounds } from '../../../src/serving/runtime/process/pool-size.ts';
import { RunnerPool, type HandedOver } from '../../../src/serving/runtime/process/runner-pool.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';

const children = new Set<Child>();
const pools: RunnerPool[] = [];
afterAll(async () => {
  for (const pool of pools) pool.close();
  await Promise.all([...children].map((child) => child.stop(0)));
});

type Opened = { readonly pool: RunnerPool; readonly clock: FakeClock; readonly alive: () => number };

function open(bounds: PoolBounds): Opened {
  const clock = new FakeClock();
  const own = new Set<Child>();
  const pool = new RunnerPool({
    folder: temporaryFolder('pool'),
    token: 'of-a-test',
    bounds,
    nowMs: () => clock.nowMs(),
    onSpawn(child) {
      own.add(child);
      children.add(child);
      void child.ended.then(() => own.delete(child));
    },
  });
  pools.push(pool);
  return { pool, clock, alive: () => own.size };
}

function handOver({ pool }: Opened, code: string): Promise<HandedOver> {
  const workingDir = folderWith('image', { 'index.mjs': code });
  const load = { entry: join(workingDir, 'index.mjs'), workingDir, env: {}, routes: [], isTrial: false };
  return pool.handOver(load, 10_000, () => undefined);
}

async function ask({ port }: HandedOver): Promise<string> {
  return (await request(`http://127.0.0.1:${port}/`)).body.text();
}

const PLAIN = 'export const handle = () => "up"';

describe('a runner is used once, by one instance (W1)', () => {
  /** Each breaks what it can of its process; the next function is to see nothing of that. */
  it.each<[string, string]>([
    [
      'globals and prototypes',
      `for (const name of ['JSON', 'Promise', 'Buffer', 'fetch', 'URL']) globalThis[name] = undefined;
       Object.prototype.then = Array.prototype.map = String.prototype.startsWith = undefined;`,
    ],
    ['a timer that ends the process', `setTimeout(() => process.exit(7), 0);`],
    ['its channel to the platform', `process.removeAllListeners(); process.disconnect();`],
    [
      'what the platform hears of it',
      `process.send({ kind: 'idle', port: 1 }); process.send({ kind: 'invalid', reason: 'mine' });
       process.emit('message', { kind: 'load', entry: '/nothing' });`,
    ],
    [
      'its modules',
      `import http from 'node:http'; import fs from 'node:fs';
       http.Server.prototype.emit = fs.readFileSync = () => { throw new Error('broken') };`,
    ],
    ['its environment and folder', `process.chdir('/'); process.env.PATH = ''; process.title = 'broken';`],
  ])('whatever a function breaks of its process, the next one starts: %s', async (_, breaking) => {
    const opened = open({ min: 1, max: 1 });
    await opened.pool.warmedUp();
    await handOver(opened, `${breaking}\n${PLAIN}`).catch(() => undefined); // it may not even start
    await opened.pool.warmedUp();
    const next = await handOver(
      opened,
      `export const handle = () => JSON.stringify([process.cwd().length > 1, process.env.PATH, process.title, typeof fetch])`,
    );
    expect(JSON.parse(await ask(next))).toEqual([
      true,
      process.env['PATH'],
      expect.not.stringContaining('broken'),
      'function',
    ]);
  });

  it('each of several gets a process of its own', async () => {
    const opened = open({ min: 2, max: 2 });
    await opened.pool.warmedUp();
    const count = 'let calls = 0; export const handle = () => `${process.pid} ${(calls += 1)}`;';
    const three = await Promise.all([1, 2, 3].map(() => handOver(opened, count)));
    const answers = await Promise.all(three.map(ask));
    expect(new Set(answers).size).toBe(3);
    expect(answers.every((answer) => answer.endsWith(' 1'))).toBe(true);
  });
});

describe('the pool', () => {
  it('grows after a burst that was more than it had, and gives the memory back when it is idle (W3)', async () => {
    const opened = open({ min: 1, max: 6 });
    await opened.pool.warmedUp();
    const started = await Promise.all(Array.from({ length: 4 }, () => handOver(opened, PLAIN)));
    expect(await Promise.all(started.map(ask))).toEqual(Array(4).fill('up')); // W2: whatever was warm
    await expect.poll(() => opened.pool.waiting, { timeout: 10_000 }).toBe(5);
    await Promise.all(started.map(({ runner }) => runner.child.stop(0)));
    opened.clock.advance(15 * 60_000);
    opened.pool.fill();
    expect(opened.pool.waiting).toBe(3);
    opened.clock.advance(3 * 3_600_000);
    opened.pool.fill();
    expect(opened.pool.waiting).toBe(1);
    await expect.poll(opened.alive).toBe(1);
  }, 20_000);

  it('never holds more than its bound', async () => {
    const opened = open({ min: 1, max: 2 });
    const started = await Promise.all(Array.from({ length: 5 }, () => handOver(opened, PLAIN)));
    await opened.pool.warmedUp();
    expect(opened.pool.waiting).toBe(2);
    expect(opened.alive()).toBe(started.length + 2);
  });

  it('of no size keeps none, and starts all the same (W2)', async () => {
    const opened = open({ min: 0, max: 0 });
    await opened.pool.warmedUp();
    expect(opened.alive()).toBe(0);
    expect(await ask(await handOver(opened, PLAIN))).toBe('up');
  });

  it('has the first of a large burst up while the last have not begun to start (W4)', async () => {
    const opened = open({ min: 0, max: 0 });
    const count = 12 * availableParallelism();
    const all = Array.from({ length: count }, () => handOver(opened, PLAIN));
    await Promise.race(all);
    expect(opened.alive()).toBeLessThan(count);
    expect(await Promise.all((await Promise.all(all)).map(ask))).toEqual(Array(count).fill('up'));
    expect(opened.alive()).toBe(count);
  }, 30_000);

  it('has warmed up when all are warm, and not when the last of them is on its way', async () => {
    const size = availableParallelism() + 1; // as many at a time as there are cores, and one more
    const opened = open({ min: size, max: size });
    await opened.pool.warmedUp();
    const all = await Promise.all(Array.from({ length: size }, () => handOver(opened, PLAIN)));
    expect(all.map(({ isFromPool }) => isFromPool)).toEqual(Array(size).fill(true));
  });

  it('takes what is warm before what is on its way', async () => {
    const opened = open({ min: 3, max: 3 });
    await opened.pool.warmedUp();
    await Promise.all([handOver(opened, PLAIN), handOver(opened, PLAIN)]);
    opened.pool.fill(); // two are on their way now, behind one that is warm
    const startedMs: number[] = [];
    const load = { entry: '/nothing.mjs', workingDir: '/', env: {}, routes: [], isTrial: true };
    await opened.pool
      .handOver(load, 10_000, (child) => startedMs.push(child.startedMs))
      .catch(() => undefined);
    const others = [...children].map((child) => child.startedMs);
    expect(startedMs[0]).toBeLessThan(Math.max(...others));
  });

  it('has given its functions the usual priority, with all their threads', async () => {
    const opened = open({ min: 2, max: 2 });
    await handOver(opened, PLAIN); // what is started from here on warms up at a low one, where that is allowed
    await opened.pool.warmedUp();
    const second = await handOver(
      opened,
      `import { readdirSync } from 'node:fs'; import { availableParallelism, getPriority } from 'node:os';
       export const handle = () => readdirSync('/proc/self/task').map((task) => getPriority(Number(task)))`,
    );
    const own = getPriority();
    expect(new Set(JSON.parse(await ask(second)))).toEqual(new Set([own]));
  });

  it('counts a warm runner for what it takes', async () => {
    const opened = open({ min: 3, max: 3 });
    await opened.pool.warmedUp(); // these had to compile, and keep that for the next
    await Promise.all([1, 2, 3].map(() => handOver(opened, PLAIN)));
    await opened.pool.warmedUp();
    const pss = [...children].slice(-3).map(({ pid }) => {
      const [, kb = '0'] = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? [];
      return Number(kb) * 1024;
    });
    expect(Math.min(...pss)).toBeGreaterThan(RUNNER_BYTES / 4);
    expect(Math.max(...pss)).toBeLessThan(RUNNER_BYTES * 1.25);
  });
});
