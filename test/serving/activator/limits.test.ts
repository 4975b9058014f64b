import { afterEach, describe, expect, it } from 'vitest';
import { waitingMax, SharedRoom } from '../../../src/serving/activator/limits.ts';
import { revisionPlan, SCALE } from '../../kit/small-platform.ts';
import { openSmallServing, WEB, type SmallServing } from '../../kit/small-serving.ts';

describe('how many requests of a revision may wait', () => {
  it.each([
    ['10 000 at zero', 1, 211, 0, 10_000],
    ['10 000 while a burst is to find room, as the activator is in the way then', 5, 211, 3, 10_000],
    ['10 000 with the activator always in the way', 1, -1, 3, 10_000],
    ['10 000 at zero without a burst capacity', 1, 0, 0, 10_000],
    ['ten for each place without a burst capacity', 2, 0, 3, 60],
    ['10 000 at the most', 1000, 0, 3, 10_000],
    ['10 000 without a bound on concurrency', 0, 0, 3, 10_000],
  ])('is %s', (_, containerConcurrency, burstCapacity, ready, max) => {
    expect(waitingMax({ containerConcurrency, burstCapacity, ready })).toBe(max);
  });
});

describe('the room that all revisions wait in', () => {
  /** Lets each line grow for as long as it may, in turns; returns how many each has. */
  function fill(room: SharedRoom, lines: number[]): readonly number[] {
    for (let isGrowing = true; isGrowing;) {
      isGrowing = false;
      for (const [at, size] of lines.entries()) {
        if (!room.enter(size)) continue;
        lines[at] = size + 1;
        isGrowing = true;
      }
    }
    return lines;
  }

  it.each([
    [1, 10_000],
    [2, 6667],
    [3, 5000],
    [9, 2000],
  ])('gives each of %d crowds %d of its 20 000 places', (count, share) => {
    const shares = fill(
      new SharedRoom(20_000),
      Array.from({ length: count }, () => 0),
    );
    for (const each of shares) expect(Math.abs(each - share)).toBeLessThanOrEqual(1);
  });

  it('has a place for whoever comes last, however many crowds there are', () => {
    const room = new SharedRoom(20_000);
    fill(
      room,
      Array.from({ length: 50 }, () => 0),
    );
    expect(fill(room, [0])[0]).toBeGreaterThan(100);
  });

  it('never holds more than it has places', () => {
    const room = new SharedRoom(100);
    const held = fill(
      room,
      Array.from({ length: 500 }, () => 0),
    ).reduce((sum, each) => sum + each, 0);
    expect(held).toBe(100);
    expect(room.enter(0)).toBe(false);
    room.leave();
    expect(room.enter(0)).toBe(true);
  });
});

describe('a full queue', () => {
  let small: SmallServing;
  let held: (() => void)[] = [];
  afterEach(async () => {
    for (const release of held) release();
    held = [];
    await small.close();
  });

  async function open(): Promise<SmallServing> {
    small = await openSmallServing((_, response) => held.push(() => response.end('held')));
    return small;
  }
  const full = { code: 503, text: 'pending request queue full\n' };

  it('of a revision that has no burst capacity refuses the 12th request at one instance, one at a time', async () => {
    const { web, ask, counts } = await open();
    web({ containerConcurrency: 1 }, { maxScale: 1, burstCapacity: 0 });
    const first = ask();
    await expect.poll(() => held).toHaveLength(1);
    const waiting = Array.from({ length: 10 }, () => ask());
    await expect.poll(() => counts().waiting).toBe(10);
    expect(await ask()).toMatchObject(full);
    const answers = Promise.all([first, ...waiting]);
    for (let answered = 1; answered <= 11; answered += 1) {
      await expect.poll(() => held).toHaveLength(answered);
      held.at(-1)?.();
    }
    expect((await answers).map(({ code }) => code)).toEqual(Array.from({ length: 11 }, () => 200));
  });

  it('of one revision leaves another its own', async () => {
    const { web, ask, serving, runtime, counts } = await open();
    const letStart = runtime.hold();
    web({ containerConcurrency: 1 }, { maxScale: 1 });
    const noisy = serving.poolOf(WEB);
    const crowd = Array.from({ length: 10_000 }, () => {
      const gone = new AbortController();
      return { gone, place: (async () => noisy?.acquire(gone.signal))().catch(() => 'gone') };
    });
    expect(counts().waiting).toBe(10_000);
    expect(await ask()).toMatchObject(full);

    const plan = { ...revisionPlan('quiet', '/', { kind: 'program', command: ['quiet'] }), scale: SCALE };
    serving.setRevision(plan);
    serving.setRoute({
      key: 'demo/quiet',
      publicHosts: [],
      localHosts: ['quiet.demo'],
      targets: [{ revision: plan.key, percent: 100 }],
    });
    const quiet = [1, 2, 3].map(() => ask('/', { host: 'quiet.demo' }));
    await expect.poll(() => serving.countsOf(plan.key).waiting).toBe(3);
    for (const { gone } of crowd) gone.abort();
    await Promise.all(crowd.map(({ place }) => place));
    letStart();
    await expect.poll(() => held).toHaveLength(3);
    for (const release of held) release();
    expect((await Promise.all(quiet)).map(({ code }) => code)).toEqual([200, 200, 200]);
  });
});
