import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DueList, type Due } from '../../../src/channels/log/due-list.ts';
import type { GroupHost } from '../../../src/channels/log/group-host.ts';
import type { OwedRow } from '../../../src/channels/log/protocol.ts';
import { Retries } from '../../../src/channels/log/retries.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const due = (seq: number, dueMs: number): Due => ({ seq, dueMs, attempts: 1, lane: undefined, stage: null });
const inOrder = (a: Due, b: Due): number => a.dueMs - b.dueMs || a.seq - b.seq;

describe('the list of what is due', () => {
  it('D1 gives out in the order of due times, and ends where it does not know on', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 200 }), (times) => {
        const list = new DueList(16);
        const all = times.map((dueMs, seq) => due(seq, dueMs));
        for (const each of all) list.push(each);
        expect(list.size).toBeLessThanOrEqual(16); // D2
        const expected = all.toSorted(inOrder);
        for (let i = 0; list.peek() !== undefined; i += 1) expect(list.pop()?.seq).toBe(expected[i]?.seq);
        if (list.horizon === undefined) expect(times.length).toBeLessThanOrEqual(16);
      }),
    );
  });
});

/** What a group has on disk, and commits that take a while. */
class Disk {
  readonly clock = new FakeClock(0);
  readonly rows = new Map<number, Omit<OwedRow, 'stage'>>();
  #unflushed: (() => void)[] = [];

  note(change: () => void): void {
    this.#unflushed.push(change);
  }

  async flushed(): Promise<void> {
    const changes = this.#unflushed.splice(0);
    await Promise.resolve();
    for (const change of changes) change();
  }

  async readOwed(
    _: number,
    after: { readonly dueMs: number; readonly seq: number },
    rowsMax: number,
  ): Promise<readonly Omit<OwedRow, 'stage'>[]> {
    await Promise.resolve();
    return [...this.rows.values()]
      .filter(({ dueMs, seq }) => dueMs > after.dueMs || (dueMs === after.dueMs && seq > after.seq))
      .toSorted((a, b) => a.dueMs - b.dueMs || a.seq - b.seq)
      .slice(0, rowsMax);
  }
}

/** Only what Retries asks of its host; anything else would be undefined, and throw. */
const hostOf = (disk: Disk): GroupHost =>
  ({
    clock: disk.clock,
    isOver: () => false,
    flushed: () => disk.flushed(),
    readOwed: (...input: Parameters<Disk['readOwed']>) => disk.readOwed(...input),
  }) as Partial<GroupHost> as GroupHost;

describe('retries', () => {
  it('come when they are due, each as often as it was put off, however many wait and whatever moves meanwhile', async () => {
    const check = async (seed: readonly number[], restored: number): Promise<void> => {
      const disk = new Disk();
      const inFlight = new Map<number, number>();
      const retries = new Retries(hostOf(disk), 1, {
        due: () => undefined,
        isHeld: (seq) => inFlight.has(seq),
      });
      const waiting = new Map<number, { dueMs: number; attempts: number }>();
      const rowOf = (seq: number, dueMs: number, attempts: number) =>
        ({ group: 1, seq, dueMs, attempts, code: 0, reason: '', lane: null }) as const;
      for (let seq = 0; seq < restored; seq += 1) {
        const dueMs = (seq * 7919) % 3000;
        disk.rows.set(seq, rowOf(seq, dueMs, 1));
        waiting.set(seq, { dueMs, attempts: 1 });
      }
      if (restored > 0) retries.expectAll();
      const postpone = (seq: number, dueMs: number, attempts: number): void => {
        disk.note(() => disk.rows.set(seq, rowOf(seq, dueMs, attempts)));
        waiting.set(seq, { dueMs, attempts });
        retries.push({ ...due(seq, dueMs), attempts });
      };
      let turn = 0;
      const step = (): number => seed[(turn += 1) % seed.length] ?? 0;
      for (let i = 0; i < 6000; i += 1) postpone(restored + i, disk.clock.nowMs() + step() * 37, 1);
      for (let round = 0; waiting.size + inFlight.size > 0; round += 1) {
        expect(round).toBeLessThan(20_000);
        const taken = retries.takeDue();
        if (taken !== undefined) {
          const expected = waiting.get(taken.seq);
          expect({ seq: taken.seq, ...expected }).toEqual({
            seq: taken.seq,
            dueMs: taken.dueMs,
            attempts: taken.attempts,
          });
          expect(taken.dueMs).toBeLessThanOrEqual(disk.clock.nowMs());
          waiting.delete(taken.seq);
          inFlight.set(taken.seq, taken.attempts);
        }
        if (taken === undefined || inFlight.size > 8) {
          for (const [seq, attempts] of [...inFlight].slice(0, 1 + (step() % 4))) {
            inFlight.delete(seq);
            if (attempts < 2 && step() % 3 === 0)
              postpone(seq, disk.clock.nowMs() + step() * 11, attempts + 1);
            else disk.note(() => disk.rows.delete(seq));
            retries.left(seq);
          }
          disk.clock.advance(taken === undefined ? 50 : 0);
          await Promise.resolve();
        }
      }
    };
    const seeds = fc.array(fc.integer({ min: 0, max: 97 }), { minLength: 5, maxLength: 40 });
    const property = fc.asyncProperty(seeds, fc.constantFrom(0, 3000), check);
    await fc.assert(property, { numRuns: 12 });
  });
});
