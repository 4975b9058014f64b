import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ScalePlan } from '../../../src/serving/plan.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { openSmallServing, WEB, type SmallServing } from '../../kit/small-serving.ts';

const HPA = {
  resource: 'memory',
  target: 100,
  requested: 1,
  minScale: 1,
  maxScale: 3,
  downWindowMs: 60_000,
  upWindowMs: 0,
} as const;
const byMemory: Partial<ScalePlan> = { scaler: { kind: 'hpa', plan: HPA }, minScale: 1, maxScale: 3 };

let clock: FakeClock;
let small: SmallServing;
let held: (() => void)[];
beforeEach(async () => {
  clock = new FakeClock();
  held = [];
  small = await openSmallServing((_, response) => held.push(() => response.end('ok')), clock);
});
afterEach(async () => {
  for (const release of held) release();
  await small.close();
});

/** Moves the clock second by second, so that every tick sees its own second. */
async function pass(seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i += 1) {
    clock.advance(1000);
    for (let turns = 0; turns < 5; turns += 1) await turn();
  }
}
const ready = (): number => small.counts().ready;

describe('instances of a revision', () => {
  it('follow what their processes use, by class hpa, and never go to zero', async () => {
    small.runtime.usage = { cpuSeconds: 0, memoryBytes: 200 };
    small.web({}, byMemory);
    await expect.poll(ready).toBe(1);
    await pass(4);
    await expect.poll(ready).toBe(2);
    await pass(16);
    await expect.poll(ready).toBe(3); // as many as may be
    small.runtime.usage = { cpuSeconds: 0, memoryBytes: 10 };
    await pass(30);
    expect(ready()).toBe(3); // a minute is not over
    await pass(60);
    await expect.poll(ready).toBe(1);
    await pass(300);
    expect(ready()).toBe(1);
  });

  it('stay as many as there are when the class is changed, until there is a history', async () => {
    small.runtime.usage = { cpuSeconds: 0, memoryBytes: 1000 };
    small.web({}, byMemory);
    await expect.poll(ready).toBe(1);
    await pass(34);
    await expect.poll(ready).toBe(3);
    small.web({}, { minScale: 0 });
    await pass(30);
    expect(ready()).toBe(3); // it began in panic
    await pass(40);
    await expect.poll(ready).toBe(0);
  });
});

describe('what the autoscaler tells', () => {
  it('is what it saw last, and nothing at zero', async () => {
    small.web({}, { target: 7, total: 10, burstCapacity: 5 });
    const reading = () => small.serving.snapshot()[0]?.reading;
    expect(reading()).toBeUndefined();
    const answers = Promise.all([small.ask(), small.ask()]);
    await expect.poll(() => held).toHaveLength(2);
    await pass(10);
    expect(reading()).toMatchObject({ panic: 2, isPanicking: false, excess: 3 });
    for (const release of held) release();
    await answers;
    await pass(70);
    await expect.poll(() => small.counts()).toMatchObject({ ready: 0, desired: 0 });
    await pass(2);
    expect(reading()).toBeUndefined();
    await expect.poll(() => clock.sleepers).toBe(0);
  });

  it('is told once when the room for a burst runs out, and once when there is room again', async () => {
    const told: string[] = [];
    small.serving.whenRescaled((revision) => told.push(revision));
    small.web({}, { target: 7, total: 10, burstCapacity: 9, minScale: 1, maxScale: 1 });
    await expect.poll(ready).toBe(1);
    await pass(4);
    expect(told).toEqual([WEB]); // there is room for nine
    const answers = Promise.all([small.ask(), small.ask()]);
    await expect.poll(() => held).toHaveLength(2);
    await pass(8);
    expect(told).toEqual([WEB, WEB]);
    for (const release of held) release();
    await answers;
    await pass(20);
    expect(told).toEqual([WEB, WEB, WEB]);
  });
});
