import { describe, expect, it } from 'vitest';
import { comeDue, readProgress, seenBy, writeProgress } from '../../../src/sources/ping/progress.ts';

const SECOND = 1000;
const MINUTE = 60_000;
const every = (stepMs: number) => (afterMs: number) => (Math.floor(afterMs / stepMs) + 1) * stepMs;
const NOW = Date.UTC(2026, 0, 1, 12);

describe('what has come due', () => {
  it('is nothing before its time', () => {
    const expected = { due: [], missed: undefined, nextMs: NOW + MINUTE };
    expect(comeDue(every(MINUTE), NOW + MINUTE, NOW + 30 * SECOND)).toEqual(expected);
  });

  it('is a tick at its time, and when it is noticed up to a minute late', () => {
    const expected = { due: [NOW], missed: undefined, nextMs: NOW + MINUTE };
    expect(comeDue(every(MINUTE), NOW, NOW)).toEqual(expected);
    expect(comeDue(every(MINUTE), NOW, NOW + 59_999)).toEqual(expected);
  });

  it('leaves out what is older, and counts it', () => {
    const { due, missed, nextMs } = comeDue(every(MINUTE), NOW, NOW + 10 * MINUTE + 1);
    expect(due).toEqual([NOW + 10 * MINUTE]);
    expect(missed).toEqual({ count: 10, isMore: false, firstMs: NOW, lastMs: NOW + 9 * MINUTE });
    expect(nextMs).toBe(NOW + 11 * MINUTE);
  });

  it('counts no further than a thousand, however long it was away', () => {
    let asked = 0;
    const next = (afterMs: number): number => ((asked += 1), every(SECOND)(afterMs));
    const { due, missed, nextMs } = comeDue(next, NOW, NOW + 365 * 24 * 60 * MINUTE);
    expect(missed).toMatchObject({ count: 1000, isMore: true, firstMs: NOW });
    expect(due).toHaveLength(61);
    expect(asked).toBeLessThan(1100);
    expect(nextMs).toBe(NOW + 365 * 24 * 60 * MINUTE + SECOND);
  });
});

describe('how far a PingSource has come', () => {
  const text = writeProgress({ seenMs: NOW, owed: [NOW - SECOND] }, 'hourly');

  it('is read as it was written', () => {
    expect(readProgress(text, 'hourly', NOW + MINUTE)).toEqual({ seenMs: NOW, owed: [NOW - SECOND] });
  });

  it('begins now without any, and under another schedule, which keeps what is owed', () => {
    expect(readProgress(undefined, 'hourly', NOW)).toEqual({ seenMs: NOW, owed: [] });
    expect(readProgress(text, 'daily', NOW + MINUTE)).toEqual({ seenMs: NOW + MINUTE, owed: [NOW - SECOND] });
  });

  it('waits for a clock that was set back, unless it must have been wrong', () => {
    expect(seenBy(NOW, NOW - 3_600_000)).toBe(NOW);
    expect(seenBy(NOW + 365 * 24 * 3_600_000, NOW)).toBe(NOW);
  });
});
