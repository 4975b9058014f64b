import { describe, expect, it } from 'vitest';
import { Balancer } from '../../../src/serving/activator/choose-slot.ts';
import { startingSlot, type ReadySlot } from '../../../src/serving/activator/slot.ts';
import { troubleAfter, type Trouble } from '../../../src/serving/activator/trouble.ts';

const running = {} as ReadySlot['running']; // chooseSlot only asks whether there is one
const slot = (id: string, inFlight: number, state: ReadySlot['state'] = 'ready'): ReadySlot => ({
  ...startingSlot(id, 0),
  state,
  inFlight,
  running,
});

describe('which instance takes the next request', () => {
  const busy = [slot('a', 1), slot('b', 0), slot('c', 0)];
  const inOrder = (...draws: readonly number[]): (() => number) => {
    const left = [...draws];
    return () => left.shift() ?? 0;
  };

  it('is the first with room up to three at a time', () => {
    const balancer = new Balancer(Math.random);
    expect(balancer.choose(busy, 1)?.id).toBe('b');
    expect(balancer.choose(busy, 3)?.id).toBe('a');
    expect(balancer.choose(busy, 3)?.id).toBe('a');
  });

  it('goes round above three at a time, past those that are full', () => {
    const balancer = new Balancer(Math.random);
    expect([0, 1, 2, 3].map(() => balancer.choose(busy, 10)?.id)).toEqual(['a', 'b', 'c', 'a']);
    expect(balancer.choose([slot('a', 10), slot('b', 10), slot('c', 9)], 10)?.id).toBe('c');
  });

  it.each([
    ['the first drawn', [0.5, 0.9], [9, 3, 7], 'b'],
    ['the second drawn', [0, 0.9], [7, 9, 3], 'c'],
    ['either when both have as many', [0, 0, 0.2], [1, 1, 0], 'a'],
    ['either when both have as many', [0, 0, 0.7], [1, 1, 0], 'b'],
  ])('is the less busy of two that are drawn at random without a bound: %s', (_, draws, loads, chosen) => {
    const slots = loads.map((inFlight, at) => slot('abc'[at] ?? '', inFlight));
    expect(new Balancer(inOrder(...draws)).choose(slots, 0)?.id).toBe(chosen);
  });

  it('is drawn from those that are ready alone', () => {
    const slots = [slot('a', 0, 'draining'), slot('b', 9), slot('c', 0, 'suspect'), slot('d', 9)];
    const chosen = Array.from({ length: 200 }, () => new Balancer(Math.random).choose(slots, 0)?.id);
    expect(new Set(chosen)).toEqual(new Set(['b', 'd']));
  });

  it.each(['starting', 'suspect', 'draining'] as const)('is never one that is %s', (state) => {
    for (const bound of [0, 1, 10]) {
      const balancer = new Balancer(Math.random);
      expect(balancer.choose([slot('a', 0, state)], bound)).toBeUndefined();
      expect(balancer.choose([slot('a', 0, state), slot('b', 0, state)], bound)).toBeUndefined();
    }
  });

  it('is never one whose probes fail', () => {
    for (const bound of [0, 1, 10])
      expect(new Balancer(Math.random).choose([{ ...slot('a', 0), isUnready: true }], bound)).toBeUndefined();
  });

  it('is none when all are full, and none of none', () => {
    for (const bound of [1, 10])
      expect(new Balancer(Math.random).choose([slot('a', bound)], bound)).toBeUndefined();
    for (const bound of [0, 1, 10]) expect(new Balancer(Math.random).choose([], bound)).toBeUndefined();
  });
});

describe('the pause after a failure', () => {
  const failure = { kind: 'crash', code: 'ExitCode1', reason: 'exited' } as const;

  it('is none at first, then doubles from a second to a minute', () => {
    const pauses: number[] = [];
    let trouble: Trouble | undefined;
    for (let i = 0; i < 10; i += 1) {
      trouble = troubleAfter(trouble, failure, 0);
      pauses.push(trouble.untilMs / 1000);
    }
    expect(pauses).toEqual([0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
  });

  it('begins anew after an instance that lived a minute', () => {
    const before = { ...failure, count: 9, untilMs: 0 };
    expect(troubleAfter(before, { ...failure, livedMs: 60_000 }, 5)).toMatchObject({ count: 1, untilMs: 5 });
    expect(troubleAfter(before, { ...failure, livedMs: 59_999 }, 5)).toMatchObject({ count: 10 });
  });
});
