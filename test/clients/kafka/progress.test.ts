import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NOTED_MAX, UNFINISHED_MAX } from '../../../src/clients/kafka/partition.ts';
import { METADATA_CHARS_MAX, Progress } from '../../../src/clients/kafka/progress.ts';

const note = (attempts: number, dueMs = 1_790_000_000_000, stageAt?: number) => ({
  attempts,
  dueMs,
  stageAt,
});

/** Takes so many from where it is, and finishes those at these indices. */
function progressWith(from: number, count: number, finished: readonly number[]): Progress {
  const progress = new Progress(from);
  for (let offset = from; offset < from + count; offset += 1) progress.take(offset);
  for (const index of finished) progress.finish(from + index);
  return progress;
}

describe('progress in a partition', () => {
  it('G1 commits the first unfinished event, and counts what is finished beyond it', () => {
    const progress = progressWith(10, 5, [0, 2, 3]);
    expect(progress).toMatchObject({ committed: 11, unfinished: 2, finishedAbove: 2, next: 15 });
    progress.finish(11);
    expect(progress).toMatchObject({ committed: 14, unfinished: 1, finishedAbove: 0 });
    progress.finish(14);
    expect(progress).toMatchObject({ committed: 15, unfinished: 0, finishedAbove: 0 });
    expect(progress.encode()).toBe('');
  });

  it('G2 after a restart takes what was unfinished, with its notes, and nothing that was finished', () => {
    const before = progressWith(100, 6, [1, 3]);
    before.note(102, note(3, 1_790_000_000_500, 7));
    before.note(104, note(1));
    const after = new Progress(before.committed, before.encode());
    expect(after.wanted).toBe(100);
    expect([100, 101, 102, 103, 104, 105, 106].filter((offset) => after.take(offset))).toEqual([
      100, 102, 104, 105, 106,
    ]);
    expect(after.noteOf(102)).toEqual(note(3, 1_790_000_000_500, 7));
    expect(after.noteOf(104)).toEqual(note(1));
    expect(after.noteOf(100)).toBeUndefined();
    expect(after.firstStage).toBe(7);
    expect(after.noted).toBe(2);
  });

  it('counts what the topic has removed, and waits for none of it', () => {
    const before = progressWith(0, 5, [1]);
    const after = new Progress(before.committed, before.encode());
    let missing = 0;
    expect(after.take(3, (count) => (missing += count))).toBe(true);
    expect(missing).toBe(2); // 0 and 2; 1 was finished
    expect(after.committed).toBe(3);
    expect(after.skipTo(9)).toBe(1 + 4); // 4, and 5 to 8, which nobody had read
    expect(after.next).toBe(9);
    expect(new Progress(5).skipTo(9)).toBe(4);
  });

  it('takes the metadata of others for none', () => {
    expect(new Progress(5, 'set by an operator')).toMatchObject({ committed: 5, next: 5, unfinished: 0 });
    expect(new Progress(5, null)).toMatchObject({ committed: 5, next: 5 });
    expect(new Progress(5, 'm1:AA')).toMatchObject({ committed: 5, next: 5 });
  });

  it('G2 reads back whatever it has written', () => {
    const anyNote = fc.record({
      attempts: fc.nat(10_000),
      dueMs: fc.integer({ min: 1_700_000_000_000, max: 2_000_000_000_000 }),
      stageAt: fc.option(fc.nat(1e9), { nil: undefined }),
    });
    const steps = fc.array(fc.record({ isFinished: fc.boolean(), note: fc.option(anyNote) }), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(fc.nat(2 ** 40), steps, (from, taken) => {
        const before = progressWith(from, taken.length, []);
        for (const [index, step] of taken.entries()) {
          if (step.isFinished) before.finish(from + index);
          else if (step.note !== null) before.note(from + index, step.note);
        }
        const after = new Progress(before.committed, before.encode());
        expect(after).toMatchObject({ committed: before.committed, finishedAbove: before.finishedAbove });
        for (const [index, step] of taken.entries()) {
          if (before.encode() !== '') expect(after.take(from + index)).toBe(!step.isFinished);
          if (!step.isFinished) expect(after.noteOf(from + index)).toEqual(step.note ?? undefined);
        }
      }),
      { numRuns: 200 },
    );
  });

  it(`G3 fits into Kafka's bound with ${UNFINISHED_MAX} unfinished events far apart, ${NOTED_MAX} of them noted`, () => {
    const progress = new Progress(2 ** 40);
    for (let index = 0; index < UNFINISHED_MAX; index += 1) {
      const offset = 2 ** 40 + index * 2_000_000;
      progress.take(offset);
      if (index < NOTED_MAX)
        progress.note(offset, note(9999, 1_790_000_000_000 + index * 300_000_000, 1e6 + index * 1e7));
    }
    expect(progress.encode().length).toBeLessThanOrEqual(METADATA_CHARS_MAX);
  });
});
