import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { TailCache } from '../../../src/channels/log/tail-cache.ts';
import { anEvent } from '../../kit/events.ts';

describe('tail cache', () => {
  it('forgets the oldest events once it holds more bytes than it may', () => {
    const cache = new TailCache(100);
    for (let row = 1; row <= 5; row += 1) cache.add(row, anEvent(`e-${row}`), 40, 1);
    expect([1, 2, 3, 4, 5].filter((row) => cache.get(row) !== undefined)).toEqual([4, 5]);
  });

  it('goes on after an event that is larger than the whole cache', () => {
    const cache = new TailCache(100);
    cache.add(1, anEvent('large'), 101, 1);
    expect(cache.get(1)).toBeUndefined();
    for (let row = 2; row <= 9; row += 1) cache.add(row, anEvent(`e-${row}`), 50, 1);
    expect([2, 7, 8, 9].filter((row) => cache.get(row) !== undefined)).toEqual([8, 9]);
  });

  it('lets an event go when the last of its groups has settled it', () => {
    const cache = new TailCache(100);
    cache.add(1, anEvent('e-1'), 60, 2);
    cache.settle(1);
    expect(cache.get(1)).toBeDefined();
    cache.settle(1);
    expect(cache.get(1)).toBeUndefined();
    for (let row = 2; row <= 3; row += 1) cache.add(row, anEvent(`e-${row}`), 50, 1);
    expect([2, 3].filter((row) => cache.get(row) !== undefined)).toEqual([2, 3]); // the room is free again
  });

  it('takes no more memory after a million settled events than before', () => {
    const cache = new TailCache(1000);
    const event = anEvent();
    const pass = (first: number, count: number): void => {
      for (let row = first; row < first + count; row += 1) {
        cache.add(row, event, 1, 1);
        if (row > 50) cache.settle(row - 50);
      }
    };
    pass(1, 1000);
    const before = usedBytes();
    pass(1001, 1_000_000);
    expect(usedBytes() - before).toBeLessThan(10_000_000);
  });
});

function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc()');
  return process.memoryUsage().heapUsed;
}
