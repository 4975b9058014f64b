import { describe, expect, it } from 'vitest';
import type { HorizontalPlan } from '../../../src/serving/autoscaler/horizontal.ts';
import { ResourceMeter, type Metered } from '../../../src/serving/autoscaler/resource-meter.ts';
import type { Usage } from '../../../src/serving/runtime/usage.ts';

const CPU: HorizontalPlan = {
  resource: 'cpu',
  target: 50,
  requested: 1,
  minScale: 1,
  maxScale: 0,
  downWindowMs: 300_000,
  upWindowMs: 0,
};

/** An instance that tells what the test sets, and how often it was asked. */
class Told implements Metered {
  readonly id: string;
  now: Usage | undefined = { cpuSeconds: 0, memoryBytes: 0 };
  asked = 0;
  constructor(id: string) {
    this.id = id;
  }
  usage(): Promise<Usage | undefined> {
    this.asked += 1;
    return Promise.resolve(this.now);
  }
}
const using = (cpuSeconds: number, memoryBytes = 0): Usage => ({ cpuSeconds, memoryBytes });
/** A reading is over when all that it waits for has been told. */
const read = async (): Promise<void> => {
  for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
};

describe('a meter of what instances use', () => {
  it('says nothing of the CPU before its second reading: it is a rate', async () => {
    const [meter, a] = [new ResourceMeter(), new Told('a')];
    meter.sample(CPU, [a], 0);
    await read();
    expect(meter.decide(CPU, 1, 2000)).toBeUndefined();
    a.now = using(15); // a whole core for 15 s
    meter.sample(CPU, [a], 15_000);
    await read();
    expect(meter.decide(CPU, 1, 16_000)).toBe(2);
    expect(meter.decide(CPU, 2, 18_000)).toBeUndefined(); // nothing new
  });

  it('reads every 15 s, whoever ticks how often', async () => {
    const [meter, a] = [new ResourceMeter(), new Told('a')];
    for (let second = 0; second < 60; second += 1) {
      meter.sample(CPU, [a], second * 1000);
      await read();
    }
    expect(a.asked).toBe(4);
  });

  it('knows memory at once', async () => {
    const [meter, a] = [new ResourceMeter(), new Told('a')];
    a.now = using(0, 300);
    const plan = { ...CPU, resource: 'memory' as const, target: 100 };
    meter.sample(plan, [a], 0);
    await read();
    expect(meter.decide(plan, 1, 2000)).toBe(3);
  });

  it('takes one that cannot be read, or is only starting, for idle on the way up', async () => {
    const meter = new ResourceMeter();
    const [a, b] = [new Told('a'), new Told('b')];
    meter.sample(CPU, [a, b], 0);
    await read();
    [a.now, b.now] = [using(15), undefined];
    meter.sample(CPU, [a, b], 15_000);
    await read();
    expect(meter.decide(CPU, 3, 16_000)).toBe(3); // a third of a core each: below the target, so nothing goes up
  });

  it('decides nothing where nobody can tell', async () => {
    const meter = new ResourceMeter();
    for (const atMs of [0, 15_000]) {
      meter.sample(CPU, [{ id: 'a' }], atMs);
      await read();
    }
    expect(meter.decide(CPU, 1, 16_000)).toBeUndefined();
  });
});
