import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UsageFiles } from '../../../src/platform/usage/usage-files.ts';
import type { InstanceEvent } from '../../../src/serving/activator/pool-tools.ts';
import type { Instance } from '../../../src/serving/runtime/runtime.ts';
import type { Usage } from '../../../src/serving/runtime/usage.ts';
import { HOUR_MS, summed, UsageLedger, type Consumer } from '../../../src/serving/usage/ledger.ts';
import { UsageMeter } from '../../../src/serving/usage/usage-meter.ts';
import { temporaryFolder } from '../../kit/folders.ts';

const GIB = 1024 ** 3;
const HELLO: Consumer = { namespace: 'demo', service: 'hello', revision: 'hello-00001' };
const START = 100 * HOUR_MS;
const figures = (
  requests: number,
  instanceSeconds: number,
  cpuSeconds: number,
  gibSeconds: number,
): object => ({
  requests,
  instanceSeconds,
  cpuSeconds,
  gibSeconds,
});

describe('the ledger of usage', () => {
  it('counts by hour and since ever', () => {
    const ledger = new UsageLedger();
    ledger.add(HELLO, { requests: 1 }, START);
    ledger.add(HELLO, { requests: 2, cpuSeconds: 3 }, START + HOUR_MS);
    expect(ledger.rowsOf(100)).toEqual([{ ...HELLO, ...figures(1, 0, 0, 0) }]);
    expect(ledger.rowsOf(101)).toEqual([{ ...HELLO, ...figures(2, 0, 3, 0) }]);
    expect(ledger.total).toEqual([{ ...HELLO, ...figures(3, 0, 3, 0) }]);
  });

  it('hands out what has changed, whole and once, and again what could not be kept', () => {
    const ledger = new UsageLedger();
    ledger.add(HELLO, { requests: 1 }, START);
    const taken = ledger.takeChanged(START);
    expect(taken).toEqual([{ hour: 100, rows: [{ ...HELLO, ...figures(1, 0, 0, 0) }] }]);
    expect(ledger.isChanged).toBe(false);
    ledger.putBack(taken);
    ledger.add(HELLO, { requests: 1 }, START);
    expect(ledger.takeChanged(START)).toEqual([{ hour: 100, rows: [{ ...HELLO, ...figures(2, 0, 0, 0) }] }]);
  });

  it('forgets an hour that is over and handed out, and keeps what there is in all', () => {
    const ledger = new UsageLedger();
    ledger.add(HELLO, { requests: 1 }, START);
    ledger.takeChanged(START + 3 * HOUR_MS);
    expect(ledger.rowsOf(100)).toBeUndefined();
    expect(ledger.total).toHaveLength(1);
  });

  it('counts what is too many revisions together, and loses none of it', () => {
    const ledger = new UsageLedger();
    for (let i = 0; i < 10_005; i += 1)
      ledger.add({ ...HELLO, revision: `hello-${i}` }, { requests: 1 }, START);
    expect(ledger.total).toHaveLength(10_001);
    expect(ledger.total.at(-1)).toMatchObject({ service: 'other', requests: 5 });
  });

  it('is summed up by Service or by revision', () => {
    const rows = [
      { ...HELLO, requests: 1, instanceSeconds: 2, cpuSeconds: 3, gibSeconds: 4 },
      { ...HELLO, requests: 1, instanceSeconds: 2, cpuSeconds: 3, gibSeconds: 4 },
      { ...HELLO, revision: 'hello-00002', requests: 1, instanceSeconds: 0, cpuSeconds: 0, gibSeconds: 0 },
    ];
    expect(summed(rows, 'service')).toEqual([{ ...HELLO, revision: '', ...figures(3, 4, 6, 8) }]);
    expect(summed(rows, 'revision')).toEqual([
      { ...HELLO, ...figures(2, 4, 6, 8) },
      { ...HELLO, revision: 'hello-00002', ...figures(1, 0, 0, 0) },
    ]);
  });
});

describe('the meter of usage', () => {
  const meterFor = (): { ledger: UsageLedger; meter: UsageMeter } => {
    const ledger = new UsageLedger();
    return { ledger, meter: new UsageMeter(ledger, () => HELLO) };
  };
  const event = (atMs: number, happening: object): InstanceEvent =>
    ({ revision: 'demo/hello-00001', id: 'a', atMs: START + atMs, ...happening }) as InstanceEvent;
  const instance = (usage: () => Promise<Usage | undefined>): Instance => ({ usage }) as unknown as Instance;
  const ended = { kind: 'ended', ended: { wasAsked: true } };

  it('counts the time of an instance from its start to its end, and CPU and memory between', async () => {
    const { ledger, meter } = meterFor();
    const usage: Usage = { cpuSeconds: 2, memoryBytes: GIB };
    meter.observe(event(0, { kind: 'starting' }));
    meter.observe(event(1000, { kind: 'ready', instance: instance(() => Promise.resolve(usage)) }));
    await meter.read(() => START + 10_000);
    meter.observe(event(15_000, ended));
    expect(ledger.total).toEqual([{ ...HELLO, ...figures(0, 15, 2, 15) }]);
    expect(meter.size).toBe(0);
  });

  it('tells what each instance uses now', async () => {
    const { meter } = meterFor();
    const reads: Usage[] = [
      { cpuSeconds: 1, memoryBytes: 10 },
      { cpuSeconds: 6, memoryBytes: 20 },
    ];
    meter.observe(event(0, { kind: 'ready', instance: instance(() => Promise.resolve(reads.shift())) }));
    await meter.read(() => START + 1000);
    await meter.read(() => START + 11_000);
    expect(meter.latest()).toEqual([
      { id: 'a', revision: 'demo/hello-00001', cores: 0.5, memoryBytes: 20, atMs: START + 11_000 },
    ]);
  });

  it('counts nothing twice when an instance ends while it is being read', async () => {
    const { ledger, meter } = meterFor();
    const reading = Promise.withResolvers<Usage>();
    meter.observe(event(0, { kind: 'ready', instance: instance(() => reading.promise) }));
    const read = meter.read(() => START + 5000);
    meter.observe(event(5000, ended));
    reading.resolve({ cpuSeconds: 1, memoryBytes: GIB });
    await read;
    expect(ledger.total).toMatchObject([{ instanceSeconds: 5 }]);
  });

  it('counts the time of one that cannot be read', async () => {
    const { ledger, meter } = meterFor();
    meter.observe(event(0, { kind: 'ready', instance: instance(() => Promise.reject(new Error('gone'))) }));
    await meter.read(() => START + 3000);
    expect(ledger.total).toEqual([{ ...HELLO, ...figures(0, 3, 0, 0) }]);
  });
});

describe('usage on disk', () => {
  it('goes on where it was: since ever, and in the hour that is not over', async () => {
    const files = new UsageFiles(join(temporaryFolder('usage'), 'usage'));
    const ledger = await files.open(START);
    ledger.add(HELLO, { requests: 1 }, START);
    await files.keep(ledger, START);
    const again = await files.open(START + 1);
    again.add(HELLO, { requests: 1 }, START + 1);
    await files.keep(again, START + 1);
    expect(await files.rowsOf(100)).toEqual([{ ...HELLO, ...figures(2, 0, 0, 0) }]);
    expect((await files.open(START + 5 * HOUR_MS)).total).toEqual([{ ...HELLO, ...figures(2, 0, 0, 0) }]);
  });

  it('keeps hours for 90 days', async () => {
    const files = new UsageFiles(join(temporaryFolder('usage'), 'usage'));
    const ledger = await files.open(START);
    for (const days of [0, 1, 91]) {
      ledger.add(HELLO, { requests: 1 }, START + days * 24 * HOUR_MS);
      await files.keep(ledger, START + days * 24 * HOUR_MS);
    }
    expect(await files.hoursSince(0)).toEqual([100 + 24, 100 + 91 * 24]);
    expect(ledger.total).toMatchObject([{ requests: 3 }]);
  });

  it('hands out again what could not be written', async () => {
    const folder = join(temporaryFolder('usage'), 'usage');
    const files = new UsageFiles(`${folder}\0`);
    const ledger = new UsageLedger();
    ledger.add(HELLO, { requests: 1 }, START);
    await expect(files.keep(ledger, START)).rejects.toThrow();
    expect(ledger.isChanged).toBe(true);
  });
});
