import { existsSync } from 'node:fs';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProcessRuntime } from '../../../src/serving/runtime/process/process-runtime.ts';
import { ProcessTable } from '../../../src/serving/runtime/process/process-table.ts';
import type { Instance } from '../../../src/serving/runtime/runtime.ts';
import type { Usage } from '../../../src/serving/runtime/usage.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { revisionPlan } from '../../kit/small-platform.ts';

const MIB = 2 ** 20;
/** Burns CPU, and takes memory, when it is asked to: in this process, or in one that it forks. */
const FUNCTION = `
import { spawn } from 'node:child_process';
const kept = [];
const burn = (ms) => { const end = process.cpuUsage().user + ms * 1000; while (process.cpuUsage().user < end); };
export async function handle({ query }) {
  if (query.burn) burn(Number(query.burn));
  if (query.take) kept.push(Buffer.alloc(Number(query.take), 1));
  if (query.fork) await new Promise((done) => spawn(process.execPath, ['-e',
    'const end = process.cpuUsage().user + 400000; while (process.cpuUsage().user < end);'],
    { env: {} }).on('exit', done));
  return 'done';
}`;

let runtime: ProcessRuntime;
let instance: Instance;
beforeAll(async () => {
  const folder = temporaryFolder('usage');
  runtime = ProcessRuntime.open({ folder, warm: 0, logs: { write: () => undefined }, routes: () => [] });
  const image = folderWith('image', { 'index.mjs': FUNCTION });
  const { instance: spec } = revisionPlan('f', image, { kind: 'function', entry: 'index.mjs' });
  instance = await runtime.start(spec, 'f-1');
});
afterAll(() => runtime.close());

const ask = async (query: string): Promise<void> => {
  const answer = await request(`http://127.0.0.1:${instance.port}/?${query}`);
  expect(await answer.body.text()).toBe('done');
};
async function usage(): Promise<Usage> {
  const read = await instance.usage?.();
  if (read === undefined) throw new Error('nothing is known');
  return read;
}

describe.skipIf(!existsSync('/proc/self/stat'))('what an instance uses, as /proc tells', () => {
  it('is the CPU time of its process', async () => {
    const before = await usage();
    await ask('burn=500');
    await expect
      .poll(async () => (await usage()).cpuSeconds - before.cpuSeconds)
      .toBeGreaterThanOrEqual(0.45);
    expect((await usage()).cpuSeconds).toBeLessThan(60);
  });

  it('is that of what it forks too, after that has ended', async () => {
    const before = await usage();
    await ask('fork=1');
    await expect
      .poll(async () => (await usage()).cpuSeconds - before.cpuSeconds)
      .toBeGreaterThanOrEqual(0.35);
  });

  it('is the memory that it has of its own', async () => {
    const before = await usage();
    await ask(`take=${64 * MIB}`);
    await expect.poll(async () => (await usage()).memoryBytes - before.memoryBytes).toBeGreaterThan(60 * MIB);
  });

  it('is one reading for whoever asks at once', async () => {
    const table = new ProcessTable();
    const [one, two] = await Promise.all([table.usageOf(instance.pid), table.usageOf(instance.pid)]);
    expect(one?.cpuSeconds).toBe(two?.cpuSeconds);
  });

  it('is unknown of a group that is not there, and of one that is gone', async () => {
    expect(await new ProcessTable().usageOf(0)).toBeUndefined();
    await instance.stop(0);
    await expect.poll(() => instance.usage?.()).toBeUndefined();
  });
});
