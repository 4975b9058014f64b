import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { BenchChild } from './child.ts';
import type { Bench } from './results.ts';
import { quantile, tableOf, type Figures } from './rounds.ts';

const CROWDS = [1, 10, 100];
const MOST = 100;
/** Runners keep what they have compiled two seconds after their first answer; a pool that waits has long done so. */
const KEPT_MS = 2500;
const SINGLES = 5;

type Side = { readonly child: BenchChild; readonly port: number };

/**
 * So many services at zero are asked at once: with a warm runner for each, beside what their CPU time alone would take on all
 * cores; and with none, beside as many bare `node` spawns with the barest server, started together, in turn.
 */
export const crowdFromZero: Bench = async ({ rounds, folders }) => {
  const open = async (warm: number): Promise<Side> => {
    const child = new BenchChild('./crowd-child.ts', [String(MOST), String(warm), folders.functionPlain]);
    return { child, port: await child.port() };
  };
  const [warm, cold] = [await open(MOST), await open(0)];
  for (const side of [warm, cold]) await wake(side, 1);
  await pause(KEPT_MS);
  const rows: Figures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const oneMs = await cpuOfOne(warm);
    const row: Record<string, number> = { 'CPU ms of one warm wake': oneMs };
    for (const count of CROWDS) {
      const full = await wake(warm, count);
      const leastMs = (oneMs * count) / Math.min(availableParallelism(), count);
      const early = round % 2 === 0 ? await wake(cold, count) : undefined;
      const bareMs = await bareSpawns(folders.program, count);
      const { wallMs: coldMs } = early ?? (await wake(cold, count));
      Object.assign(row, {
        [`${count} warm: wall ÷ CPU of one × ${count} ÷ cores`]: full.wallMs / leastMs,
        [`${count} warm: CPU ÷ CPU of one × ${count}`]: full.cpuMs / (oneMs * count),
        [`${count} beyond the pool ÷ bare spawns`]: coldMs / bareMs,
        [`${count} warm: wall ms`]: full.wallMs,
        [`${count} beyond the pool: wall ms`]: coldMs,
        [`${count} bare spawns: wall ms`]: bareMs,
      });
    }
    rows.push(row);
  }
  await Promise.all([warm, cold].map(({ child }) => child.close()));
  return tableOf(rows);
};

async function cpuOfOne(side: Side): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < SINGLES; i += 1) all.push((await wake(side, 1)).cpuMs);
  return quantile(
    all.toSorted((a, b) => a - b),
    0.5,
  );
}

/** Asks so many services at once; `wallMs` until the last has answered. */
async function wake({ child, port }: Side, count: number): Promise<{ wallMs: number; cpuMs: number }> {
  await child.ask({ name: 'toZero' });
  const dispatcher = new Agent({ connections: null });
  const { ms: before = 0 } = await child.ask({ name: 'cpu' });
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const headers = { host: `worker-${i}.demo.svc.cluster.local` };
      const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, { headers, dispatcher });
      await body.dump();
      if (statusCode !== 200) throw new Error(`worker-${i} answered ${statusCode}`);
    }),
  );
  const wallMs = performance.now() - startMs;
  const { ms: after = 0 } = await child.ask({ name: 'cpu' });
  await dispatcher.close();
  return { wallMs, cpuMs: after - before };
}

/** From the first spawn until the last has answered one request; each says by IPC where it listens, so nothing polls. */
async function bareSpawns(directory: string, count: number): Promise<number> {
  const startMs = performance.now();
  const children = await Promise.all(
    Array.from({ length: count }, async () => {
      const env = { ...process.env, PORT: '0' };
      const child = fork(join(directory, 'server.mjs'), { cwd: directory, env, silent: true, execArgv: [] });
      const port = await new Promise((resolve) => child.once('message', resolve));
      const url = `http://127.0.0.1:${Number(port)}/`;
      const { body } = await request(url, { method: 'POST', body: '{}', reset: true });
      await body.dump();
      return child;
    }),
  );
  const wallMs = performance.now() - startMs;
  const ended = children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(ended);
  return wallMs;
}
