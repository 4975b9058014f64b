import { describe, expect, it } from 'vitest';
import { WorkQueue } from '../../src/control/work-queue.ts';
import { FakeClock } from '../kit/fake-clock.ts';

type Turn = { readonly key: string; readonly end: (again?: number) => void; readonly fail: () => void };

/** A queue whose turns end when the test says so. */
function open(concurrency = 2): { queue: WorkQueue; turns: Turn[]; clock: FakeClock } {
  const clock = new FakeClock();
  const turns: Turn[] = [];
  const work = (key: string): Promise<{ againAfterMs: number } | undefined> => {
    const { promise, resolve, reject } = Promise.withResolvers<{ againAfterMs: number } | undefined>();
    turns.push({
      key,
      end: (again) => resolve(again === undefined ? undefined : { againAfterMs: again }),
      fail: () => reject(new Error('failed')),
    });
    return promise;
  };
  return { queue: new WorkQueue({ clock, random: () => 0.5, concurrency, work }), turns, clock };
}
const keys = (turns: readonly Turn[]): string[] => turns.map(({ key }) => key);

describe('the work queue', () => {
  it('Q1: gives a key that is added many times before its turn one turn', async () => {
    const { queue, turns } = open(1);
    for (const key of ['a', 'b', 'b', 'b']) queue.add(key);
    turns[0]?.end();
    await expect.poll(() => keys(turns)).toEqual(['a', 'b']);
    turns[1]?.end();
    await queue.close();
    expect(keys(turns)).toEqual(['a', 'b']);
  });

  it('Q2: never works twice on a key at a time, and again after when it was added meanwhile', async () => {
    const { queue, turns } = open(4);
    for (const key of ['a', 'a', 'a']) queue.add(key);
    expect(keys(turns)).toEqual(['a']);
    turns[0]?.end();
    await expect.poll(() => keys(turns)).toEqual(['a', 'a']);
    turns[1]?.end();
    await queue.close();
    expect(keys(turns)).toEqual(['a', 'a']);
  });

  it('works on no more keys at a time than it may', async () => {
    const { queue, turns } = open(2);
    for (const key of ['a', 'b', 'c']) queue.add(key);
    expect(keys(turns)).toEqual(['a', 'b']);
    turns[1]?.end();
    await expect.poll(() => keys(turns)).toEqual(['a', 'b', 'c']);
  });

  it('Q3: a key that fails comes back after a pause that doubles, and a success forgets it', async () => {
    const { queue, turns, clock } = open(1);
    queue.add('a');
    for (const [i, pauseMs] of [5, 10, 20].entries()) {
      turns[i]?.fail();
      await expect.poll(() => clock.sleepers).toBe(1);
      clock.advance(pauseMs - 1);
      expect(turns).toHaveLength(i + 1);
      clock.advance(1);
      await expect.poll(() => turns.length).toBe(i + 2);
    }
    turns[3]?.end();
    queue.add('a');
    await expect.poll(() => turns.length).toBe(5);
    turns[4]?.fail();
    await expect.poll(() => clock.sleepers).toBe(1);
    clock.advance(5);
    await expect.poll(() => turns.length).toBe(6);
  });

  it('Q4: a key whose every turn asks for another comes back once at a time, when the first is due', async () => {
    const { queue, turns, clock } = open(1);
    for (const [i, againMs] of [10_000, 15_000, 5000].entries()) {
      queue.add('a');
      await expect.poll(() => turns.length).toBe(i + 1);
      turns[i]?.end(againMs);
      queue.add('b'); // worked on once that turn is over
      await expect.poll(() => turns.length).toBe(i + 2);
      turns.pop()?.end();
      await expect.poll(() => clock.sleepers).toBe(1);
    }
    clock.advance(4999);
    expect(turns).toHaveLength(3);
    clock.advance(1);
    await expect.poll(() => keys(turns)).toEqual(['a', 'a', 'a', 'a']);
    turns[3]?.end(10_000);
    await expect.poll(() => clock.sleepers).toBe(1);
    clock.advance(9999);
    expect(turns).toHaveLength(4);
    await queue.close();
  });

  it('pauses five minutes at most', async () => {
    const { queue, turns, clock } = open(1);
    queue.add('a');
    for (let i = 0; i < 30; i += 1) {
      turns[i]?.fail();
      await expect.poll(() => clock.sleepers).toBe(1);
      clock.advance(300_000);
      await expect.poll(() => turns.length).toBe(i + 2);
    }
  });

  it('comes back when the work asks for it', async () => {
    const { queue, turns, clock } = open(1);
    queue.add('a');
    turns[0]?.end(1000);
    await expect.poll(() => clock.sleepers).toBe(1);
    clock.advance(1000);
    await expect.poll(() => keys(turns)).toEqual(['a', 'a']);
  });

  it('closes once the turns under way are over, takes no more, and may be closed twice', async () => {
    const { queue, turns, clock } = open(1);
    queue.add('a');
    queue.add('b');
    let isClosed = false;
    const closing = Promise.all([queue.close(), queue.close()]).then(() => (isClosed = true));
    queue.add('c');
    await Promise.resolve();
    expect(isClosed).toBe(false);
    turns[0]?.fail();
    await closing;
    clock.advance(1_000_000);
    await Promise.resolve();
    expect(keys(turns)).toEqual(['a']);
  });
});
