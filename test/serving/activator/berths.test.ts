import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { Serving } from '../../../src/serving/serving.ts';
import { TwinRuntime } from '../../kit/runtime.ts';
import { revisionPlan, SCALE } from '../../kit/small-platform.ts';

const patient = new AbortController().signal;
let serving: Serving;
afterEach(() => serving.close(0));

/** A platform that may run so many instances, with revisions `a`, `b` … that take one request at a time. */
function open(instancesMax: number, names: readonly string[]): void {
  const runtime = new TwinRuntime((_, response) => response.end());
  serving = new Serving({ runtime, clock: systemClock, instancesMax });
  for (const name of names) {
    const plan = revisionPlan(name, '/', { kind: 'program', command: [name] });
    serving.setRevision({ ...plan, containerConcurrency: 1, scale: SCALE });
  }
}
const pool = (name: string): NonNullable<ReturnType<Serving['poolOf']>> => {
  const found = serving.poolOf(`demo/${name}-00001`);
  if (found === undefined) throw new Error(`there is no revision ${name}`);
  return found;
};
/** Asks for so many places of a revision at once; resolves with those that are got. */
const ask = (name: string, count: number) => Array.from({ length: count }, () => pool(name).acquire(patient));

describe('the instances of all revisions together', () => {
  it('are bounded, of which one crowd gets half and a newcomer still some', async () => {
    open(4, ['a', 'b', 'c']);
    const crowd = Promise.allSettled(ask('a', 10));
    await expect.poll(() => pool('a').counts).toMatchObject({ ready: 2, waiting: 8 });
    for (const name of ['b', 'c']) {
      const [first] = ask(name, 1);
      expect(await first).toMatchObject({ slot: { state: 'ready' } });
    }
    await serving.close(0);
    expect((await crowd).filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
  });

  it('are told of when there are too many, and those that wait get theirs as soon as others go', async () => {
    open(1, ['a', 'b']);
    const [first] = ask('a', 1);
    const lease = await first;
    const [late] = ask('b', 1);
    expect(pool('b').trouble).toMatchObject({
      code: 'TooManyInstances',
      reason: expect.stringMatching(/the platform may run 1 instances.*--max-instances/),
    });
    if (lease !== undefined) pool('a').release(lease.slot);
    await serving.scaleToZero('demo/a-00001');
    expect(await late).toMatchObject({ slot: { state: 'ready' } });
    expect(pool('b').trouble).toBeUndefined();
  });
});
