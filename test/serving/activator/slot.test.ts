import { describe, expect, it } from 'vitest';
import { chooseSlot, startingSlot, type ReadySlot } from '../../../src/serving/activator/slot.ts';
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

  it('is the first with room up to three at a time', () => {
    expect(chooseSlot(busy, 1, Math.random, 1)?.id).toBe('b');
    expect(chooseSlot(busy, 3, Math.random, 2)?.id).toBe('a');
  });

  it('goes round above three at a time, past those that are full', () => {
    expect([0, 1, 2, 3].map((turn) => chooseSlot(busy, 10, Math.random, turn)?.id)).toEqual([
      'a',
      'b',
      'c',
      'a',
    ]);
    expect(chooseSlot([slot('a', 10), slot('b', 9)], 10, Math.random, 0)?.id).toBe('b');
  });

  it('is the less busy of two drawn at random without a bound', () => {
    const draws = [0, 0.99];
    expect(chooseSlot([slot('a', 7), slot('b', 9), slot('c', 3)], 0, () => draws.shift() ?? 0, 0)?.id).toBe(
      'c',
    );
  });

  it.each(['starting', 'suspect', 'draining'] as const)('is never one that is %s', (state) => {
    for (const bound of [0, 1, 10]) {
      expect(chooseSlot([slot('a', 0, state)], bound, Math.random, 0)).toBeUndefined();
      expect(chooseSlot([slot('a', 0, state), slot('b', 0, state)], bound, Math.random, 1)).toBeUndefined();
    }
  });

  it('is none when all are full', () => {
    for (const bound of [1, 10])
      expect(chooseSlot([slot('a', bound)], bound, Math.random, 0)).toBeUndefined();
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
