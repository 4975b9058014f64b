import { describe, expect, it } from 'vitest';
import {
  NO_WAKES,
  poolSize,
  runnersIn,
  withWake,
  type PoolBounds,
  type Wakes,
} from '../../../src/serving/runtime/process/pool-size.ts';
import { warmBounds } from '../../../src/serving/runtime/process/warm-bounds.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const BOUNDS = { min: 2, max: 18 };
const MINUTE_MS = 60_000;
const GIB = 2 ** 30;

function after(times: readonly number[], bounds = BOUNDS): Wakes {
  return times.reduce((wakes, atMs) => withWake(wakes, atMs, bounds), NO_WAKES);
}
const atOnce = (count: number, atMs = 0): number[] => Array.from({ length: count }, () => atMs);
const every = (ms: number, count: number): number[] => Array.from({ length: count }, (_, i) => i * ms);

describe('the size of the warm pool', () => {
  it.each<[string, readonly number[], number]>([
    ['nothing was woken: its minimum', [], 2],
    ['one function: its minimum', [0], 2],
    ['two at once: a quarter more, rounded up', atOnce(2), 3],
    ['ten at once', atOnce(10), 13],
    ['more at once than it may hold: its maximum', atOnce(1000), 18],
    ['one a second: two within two seconds', every(1000, 60), 3],
    ['five a second', every(200, 60), 13],
    ['one every two seconds: never two within two seconds', every(2000, 60), 2],
    ['one a minute', every(MINUTE_MS, 60), 2],
    ['the largest burst counts, not the last', [...atOnce(8), ...atOnce(2, 5000)], 10],
    ['bursts apart are not summed up', [...atOnce(4), ...atOnce(4, 5000), ...atOnce(4, 10_000)], 5],
  ])('%s', (_, times, size) => {
    expect(poolSize(after(times), times.at(-1) ?? 0, BOUNDS)).toBe(size);
  });

  it.each<[number, number]>([
    [0, 13],
    [9, 13],
    [10, 7], // 10 / 2 and a quarter more
    [19, 7],
    [20, 4],
    [30, 2],
    [1000, 2],
  ])('%i minutes after ten at once it is %i', (minutes, size) => {
    expect(poolSize(after(atOnce(10)), minutes * MINUTE_MS, BOUNDS)).toBe(size);
  });

  it.each<[string, { min: number; max: number }, number]>([
    ['a maximum of none', { min: 2, max: 0 }, 0],
    ['a maximum below the minimum', { min: 2, max: 1 }, 1],
    ['both the same: a fixed size', { min: 4, max: 4 }, 4],
  ])('%s holds whatever was woken', (_, bounds, size) => {
    expect(poolSize(after(atOnce(10), bounds), 0, bounds)).toBe(size);
  });

  it('follows a day: little at night, the morning rush, and back by noon', () => {
    const clock = new FakeClock(0);
    const sizes: number[] = [];
    let wakes = NO_WAKES;
    for (let minute = 0; minute < 24 * 60; minute += 1) {
      const hour = Math.floor(minute / 60);
      const burst = hour === 8 ? 12 : minute % 30 === 0 ? 1 : 0;
      for (let i = 0; i < burst; i += 1) wakes = withWake(wakes, clock.nowMs(), BOUNDS);
      if (minute % 60 === 59) sizes.push(poolSize(wakes, clock.nowMs(), BOUNDS));
      clock.advance(MINUTE_MS);
    }
    expect(sizes.slice(0, 8)).toEqual(Array(8).fill(2));
    expect(sizes[8]).toBe(15);
    expect(sizes.slice(9)).toEqual(Array(15).fill(2));
  });

  it('remembers no more than two hours of it, whatever comes', () => {
    const wakes = after(every(2000, 5 * 1800));
    expect(wakes.peaks.length).toBeLessThanOrEqual(120);
    expect(wakes.recentMs.length).toBeLessThanOrEqual(BOUNDS.max);
  });

  it('forgets what lies ahead after the clock was set back', () => {
    const wakes = withWake(after(atOnce(10, 100 * MINUTE_MS)), MINUTE_MS, BOUNDS);
    expect(poolSize(wakes, MINUTE_MS, BOUNDS)).toBe(2);
  });

  it.each<[string, number | undefined, number, PoolBounds]>([
    ['no bound on a large machine: 512 MiB', undefined, 64 * GIB, { min: 2, max: 18 }],
    ['no bound on a small one: a sixteenth', undefined, GIB, { min: 2, max: 2 }],
    ['no bound on a tiny one: one runner', undefined, GIB / 8, { min: 1, max: 1 }],
    ['a bound', 4 * GIB, GIB, { min: 2, max: 146 }],
    ['a bound that none fits into: no pool', 1, 64 * GIB, { min: 0, max: 0 }],
  ])('its bounds by memory: %s', (_, bytes, memory, bounds) => {
    expect(warmBounds(bytes, memory)).toEqual(bounds);
  });

  it('fits into a memory bound', () => {
    expect([0, 27, 28, 512].map((mib) => runnersIn(mib * 1024 * 1024))).toEqual([0, 0, 1, 18]);
  });
});
