import { afterEach, describe, expect, it } from 'vitest';
import { PlatformError } from '../../../src/base/errors.ts';
import { DedupeWindow } from '../../../src/sources/door/dedupe-window.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { aGitHubSource, GitHubWorld } from '../../kit/github.ts';

const WINDOW = { 'sources.millrace.dev/dedupe-window': 'PT10M' };
const full = (): Promise<never> =>
  Promise.reject(new PlatformError('FULL', 'the disk is full', { retryable: true }));

let world: GitHubWorld;
afterEach(() => world.close());

describe('a source with a dedupe window', () => {
  it('forwards a delivery once, however often it comes at once, and answers all of them 202', async () => {
    world = await GitHubWorld.open(aGitHubSource({}, WINDOW));
    const answers = await Promise.all(Array.from({ length: 100 }, () => world.send('{}')));
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set([202]));
    expect(world.events).toHaveLength(1);
  });

  it('never says 202 for a repetition whose first could not be kept (W1), and takes it again (W2)', async () => {
    world = await GitHubWorld.open(aGitHubSource({}, WINDOW));
    const { take } = world;
    world.take = full;
    const answers = await Promise.all([world.send('{}'), world.send('{}')]);
    expect(answers.map(({ code }) => code)).toEqual([503, 503]);
    world.take = take;
    expect((await world.send('{}')).code).toBe(202);
    expect(world.events).toHaveLength(1);
  });

  it('forwards it again once the window is over, and other ids at any time', async () => {
    const clock = new FakeClock();
    world = await GitHubWorld.open(aGitHubSource({}, WINDOW), { clock });
    const headers = { 'x-github-delivery': 'd-2' };
    await world.send('{}');
    await world.send('{}', { headers });
    clock.advance(599_999);
    await world.send('{}');
    expect(world.events).toHaveLength(2);
    clock.advance(1);
    await world.send('{}');
    expect(world.events).toHaveLength(3);
  });
});

it('remembers 10 000 deliveries and forgets the oldest first', async () => {
  world = await GitHubWorld.open();
  const window = new DedupeWindow(new FakeClock());
  const take = (id: number): Promise<string> => window.once(String(id), 1000, async () => undefined);
  for (let id = 0; id <= 10_000; id += 1) expect(await take(id)).toBe('taken');
  expect(await take(1)).toBe('repeated');
  expect(await take(0)).toBe('taken');
});
