import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folderWith } from '../../kit/folders.ts';
import {
  FUNCTION,
  openProcessServing,
  WITNESS,
  type ProcessServing,
  type Witnessed,
} from '../../kit/process-serving.ts';

const CROWD = 1000;
const directory = folderWith('witness', WITNESS);

let serving: ProcessServing;
beforeAll(async () => {
  serving = await openProcessServing({ warm: 4 });
});
afterAll(() => serving.close());

const crowd = (service: string, path?: string): Promise<readonly Witnessed[]> =>
  Promise.all(Array.from({ length: CROWD }, () => serving.witness(service, path)));
const pidsIn = (answers: readonly Witnessed[]): number => new Set(answers.map(({ pid }) => pid)).size;

describe('1 000 requests at once', { timeout: 60_000 }, () => {
  it.each([1, 3])('at zero are all answered, by at most ten instances of %d at a time', async (bound) => {
    const { revision, route, counts } = serving;
    const name = `crowd-${bound}`;
    const scale = { maxScale: 10, target: 0.7 * bound, total: bound };
    revision(name, directory, FUNCTION, { plan: { containerConcurrency: bound }, scale });
    route(name, name);
    const all = await crowd(name, `/?ms=${10 * bound}`);
    expect(all).toHaveLength(CROWD);
    expect(Math.max(...all.map(({ most }) => most))).toBe(bound);
    expect(all.filter(({ wasIll }) => wasIll)).toEqual([]);
    expect(pidsIn(all)).toBeGreaterThan(1);
    expect(pidsIn(all)).toBeLessThanOrEqual(10);
    expect(counts(name)).toMatchObject({ inFlight: 0, waiting: 0 });
    await serving.serving.removeRevision(`demo/${name}`);
  });

  it('without a bound find one instance from zero, and share three that are up by their load', async () => {
    const { revision, route, counts } = serving;
    const scale = { target: 10 * CROWD, total: 10 * CROWD };
    revision('free', directory, FUNCTION, { scale });
    route('free', 'free');
    expect(pidsIn(await crowd('free'))).toBe(1);
    revision('free', directory, FUNCTION, { scale: { ...scale, minScale: 3 } });
    await expect.poll(() => counts('free').ready, { timeout: 10_000 }).toBe(3);
    const all = await crowd('free');
    expect(all.filter(({ wasIll }) => wasIll)).toEqual([]);
    const shares = Map.groupBy(all, ({ pid }) => pid);
    expect(shares.size).toBe(3);
    expect(Math.min(...[...shares.values()].map((share) => share.length))).toBeGreaterThan(CROWD / 5);
    await serving.serving.removeRevision('demo/free');
  });

  it('are all answered while instances are taken from under them, none by one that ends', async () => {
    const { revision, route, counts, instances } = serving;
    const plan = { containerConcurrency: 2 };
    revision('moving', directory, FUNCTION, { plan, scale: { maxScale: 4, target: 1.4, total: 2 } });
    route('moving', 'moving');
    let answered = 0;
    const answers = Array.from({ length: CROWD }, async () => {
      const answer = await serving.witness('moving', '/?ms=10');
      answered += 1;
      return answer;
    });
    for (let replaced = 1; replaced <= 6; replaced += 1) {
      await expect
        .poll(() => answered >= replaced * 100 && counts('moving').ready > 1, {
          timeout: 20_000,
          interval: 5,
        })
        .toBe(true);
      const [oldest] = instances('moving').filter(({ state }) => state === 'ready');
      void serving.serving.replaceInstance('demo/moving', oldest?.id ?? '');
    }
    const all = await Promise.all(answers);
    expect(all).toHaveLength(CROWD);
    expect(all.filter(({ wasIll }) => wasIll)).toEqual([]);
    expect(Math.max(...all.map(({ most }) => most))).toBeLessThanOrEqual(2);
    expect(pidsIn(all)).toBeGreaterThan(4);
  });
});
