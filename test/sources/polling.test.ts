import { afterEach, beforeEach, expect, it } from 'vitest';
import { polling, type OriginFault } from '../../src/sources/polling.ts';
import type { RunningSource, SourceState, SourceTools } from '../../src/sources/source.ts';
import { MemoryBookmark, noCluster } from '../contracts/source.ts';
import { FakeClock } from '../kit/fake-clock.ts';

const AWAY: OriginFault = { reason: 'Away', message: 'nobody answers' };

let clock: FakeClock;
let looks: number[]; // when
let states: SourceState[];
let answer: (signal: AbortSignal) => Promise<OriginFault | undefined>;
let source: RunningSource;

function open(): void {
  const look = (signal: AbortSignal): Promise<OriginFault | undefined> => {
    looks.push(clock.nowMs());
    return answer(signal);
  };
  const tools: SourceTools = {
    clock,
    random: () => 0,
    bookmark: new MemoryBookmark(),
    clusterAt: noCluster,
    reader: undefined as never,
    deliver: async () => 'taken',
    warn: () => undefined,
    tell: (state) => states.push(state),
  };
  source = polling({ everyMs: 60_000, condition: 'FeedRead', look }, tools);
}

beforeEach(() => {
  [clock, looks, states] = [new FakeClock(0), [], []];
  answer = async () => undefined;
});
afterEach(() => source.close());

it('looks at once, says that it runs, and looks again when it is time', async () => {
  open();
  await expect.poll(() => clock.sleepers).toBe(1);
  clock.advance(59_999);
  expect(looks).toEqual([0]);
  clock.advance(1);
  await expect.poll(() => looks).toEqual([0, 60_000]);
  expect(states).toEqual([{ kind: 'running' }, { kind: 'running' }]);
});

it.each<[string, typeof answer, OriginFault]>([
  ['names a fault', async () => AWAY, AWAY],
  [
    'rejects',
    () => Promise.reject(new Error('connection refused')),
    { reason: 'OriginUnreachable', message: 'connection refused' },
  ],
])(
  'tells when a look %s, and looks again after a pause that grows to 30 seconds',
  async (_, fails, fault) => {
    answer = fails;
    open();
    const pauses: number[] = [];
    for (let pause = 0; pause < 9; pause += 1) {
      await expect.poll(() => clock.sleepers).toBe(1);
      const before = looks.at(-1) ?? 0;
      const asked = looks.length;
      await expect.poll(() => (clock.advance(125), looks.length), { interval: 1 }).toBeGreaterThan(asked);
      pauses.push((looks.at(-1) ?? 0) - before);
    }
    expect(states.at(-1)).toEqual({ kind: 'failing', condition: 'FeedRead', ...fault });
    expect(pauses.slice(0, 4)).toEqual([125, 250, 500, 1000]);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(30_000);
    answer = async () => undefined;
    await expect
      .poll(() => (clock.advance(1000), states.at(-1)), { interval: 1 })
      .toEqual({ kind: 'running' });
  },
);

it('ends the look that is under way when it is closed, waits for it, and tells nothing of that', async () => {
  const ended = Promise.withResolvers<undefined>();
  let isStopped = false;
  answer = (signal) => {
    signal.addEventListener('abort', () => (isStopped = true));
    return ended.promise;
  };
  open();
  let isClosed = false;
  const closing = source.close().then(() => (isClosed = true));
  expect(isStopped).toBe(true);
  await Promise.resolve();
  expect(isClosed).toBe(false);
  ended.reject(new DOMException('stopped', 'AbortError'));
  await closing;
  await source.close();
  expect(states).toEqual([]);
});
