import { describe, expect, it } from 'vitest';
import type { Job } from '../../../../src/apis/batch/job.ts';
import { dueAt } from '../../../../src/serving/control/workloads/cron-jobs.ts';
import { indexesIn, indexesText } from '../../../../src/apis/batch/indexes.ts';
import {
  planJob,
  type IndexCounts,
  type JobCounts,
} from '../../../../src/serving/control/workloads/job-plan.ts';

const job = (spec: object): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'j', namespace: 'default' },
  spec: { parallelism: 1, completions: 1, backoffLimit: 6, ...spec },
});
const counts = (more: Partial<JobCounts> = {}): JobCounts => ({
  active: 0,
  ready: 0,
  succeeded: 0,
  failed: 0,
  restarts: 0,
  lastFailureMs: undefined,
  fault: undefined,
  indexes: undefined,
  ...more,
});
const plan = (spec: object, more: Partial<JobCounts> = {}, nowMs = 0) =>
  planJob(job(spec), counts(more), 0, nowMs);

describe('a Job', () => {
  it.each([
    ['starts as many as may run at once', { completions: 5, parallelism: 3 }, {}, 3],
    ['starts no more than are missing', { completions: 5, parallelism: 3 }, { succeeded: 4 }, 1],
    ['starts none beside those that run', { completions: 5, parallelism: 3 }, { active: 3 }, 0],
    ['ends those that are too many', { completions: 5, parallelism: 1 }, { active: 3 }, -2],
    ['of a work queue starts all of its workers', { completions: undefined, parallelism: 4 }, {}, 4],
    [
      'of a work queue starts nobody once one has succeeded',
      { completions: undefined, parallelism: 4 },
      { active: 2, succeeded: 1 },
      0,
    ],
    ['that is suspended ends what runs', { suspend: true }, { active: 1 }, -1],
    ['that is to have nobody has nobody', { parallelism: 0 }, {}, 0],
  ])('%s', (_, spec, more, change) => {
    expect(plan(spec, more)).toMatchObject({ end: undefined, change });
  });

  it.each([
    ['once all have succeeded', { completions: 2 }, { succeeded: 2 }],
    [
      'of a work queue once one has succeeded and the others have ended',
      { completions: undefined },
      { succeeded: 1 },
    ],
    ['of none at once', { completions: 0 }, {}],
  ])('is complete %s', (_, spec, more) => {
    expect(plan(spec, more).end).toEqual({ kind: 'complete' });
  });

  describe('that is indexed', () => {
    const set = (...all: readonly number[]): ReadonlySet<number> => new Set(all);
    const indexes = (more: Partial<IndexCounts> = {}): Partial<JobCounts> => {
      const of = { active: set(), succeeded: set(), failed: set(), failures: new Map(), ...more };
      return { active: of.active.size, succeeded: of.succeeded.size, indexes: of };
    };

    it('starts the lowest that neither run nor have ended', () => {
      const some = indexes({ active: set(1), succeeded: set(0), failed: set(2) });
      expect(plan({ completions: 9, parallelism: 3 }, some)).toMatchObject({ change: 2, starts: [3, 4] });
      expect(plan({ completions: 4, parallelism: 1 }, indexes({ active: set(0, 1) }))).toMatchObject({
        change: -1,
      });
    });

    it('lets one that failed wait, and the others not, when each is counted alone', () => {
      const failures = new Map([[0, { count: 2, lastMs: 1000 }]]);
      const spec = { completions: 3, parallelism: 3, backoffLimitPerIndex: 5 };
      expect(plan(spec, indexes({ failures }), 1500)).toMatchObject({ starts: [1, 2], againAtMs: 3000 });
      expect(plan(spec, indexes({ failures }), 3000)).toMatchObject({ starts: [0, 1, 2] });
    });

    it.each<[string, object, Partial<IndexCounts>, object | undefined]>([
      ['is complete once all have succeeded', {}, { succeeded: set(0, 1, 2) }, { kind: 'complete' }],
      [
        'goes on while one is given up and another runs',
        {},
        { failed: set(0), succeeded: set(1) },
        undefined,
      ],
      [
        'has failed once all have ended and one is given up',
        {},
        { failed: set(0), succeeded: set(1, 2) },
        { kind: 'failed', reason: 'FailedIndexes', message: 'Job has failed indexes' },
      ],
      [
        'fails once more are given up than may be',
        { maxFailedIndexes: 1 },
        { failed: set(0, 1) },
        {
          kind: 'failed',
          reason: 'MaxFailedIndexesExceeded',
          message: 'Job has exceeded the specified maximal number of failed indexes',
        },
      ],
      [
        'is complete by the first rule of its success policy that is met',
        {
          successPolicy: {
            rules: [{ succeededIndexes: '1-2' }, { succeededIndexes: '0,2', succeededCount: 1 }],
          },
        },
        { succeeded: set(0) },
        { kind: 'complete', rule: 1 },
      ],
      [
        'is complete by a number alone',
        { successPolicy: { rules: [{ succeededCount: 2 }] } },
        { succeeded: set(0, 2) },
        { kind: 'complete', rule: 0 },
      ],
      [
        'needs what its policy asks for',
        { successPolicy: { rules: [{ succeededCount: 2 }] } },
        { succeeded: set(0) },
        undefined,
      ],
    ])('%s', (_, spec, more, end) => {
      expect(plan({ completions: 3, backoffLimitPerIndex: 0, ...spec }, indexes(more)).end).toEqual(end);
    });

    it.each([
      ['0,3-5', [0, 3, 4, 5], '0,3-5'],
      ['1,2', [1, 2], '1,2'],
      ['', [], ''],
      ['7', [7], '7'],
    ])('tells %j as Kubernetes does', (text, all, again) => {
      expect([...indexesIn(text)]).toEqual(all);
      expect(indexesText(new Set(all.toReversed()))).toBe(again);
    });
  });

  it('fails when more have failed than may, restarts in place included', () => {
    const end = {
      kind: 'failed',
      reason: 'BackoffLimitExceeded',
      message: 'Job has reached the specified backoff limit',
    };
    expect(plan({ backoffLimit: 1 }, { failed: 1 }).end).toBeUndefined();
    expect(plan({ backoffLimit: 1 }, { failed: 2, active: 1 })).toEqual({
      end,
      change: -1,
      againAtMs: undefined,
    });
    expect(plan({ backoffLimit: 1 }, { failed: 1, restarts: 1 }).end).toEqual(end);
    expect(plan({ backoffLimit: 0 }, { failed: 1 }).end).toEqual(end);
  });

  it('fails when it takes too long, and is looked at then', () => {
    expect(plan({ activeDeadlineSeconds: 5 }, { active: 1 }, 4999)).toMatchObject({
      end: undefined,
      againAtMs: 5000,
    });
    expect(plan({ activeDeadlineSeconds: 5 }, { active: 1 }, 5000)).toMatchObject({
      end: { reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' },
      change: -1,
    });
  });

  it('waits longer after each failure', () => {
    const after = (failed: number) =>
      plan({ backoffLimit: 20 }, { failed, lastFailureMs: 1000 }, 1000).againAtMs;
    expect([1, 2, 3, 9, 15].map(after)).toEqual([2000, 3000, 5000, 257_000, 361_000]);
    expect(plan({}, { failed: 1, lastFailureMs: 1000 }, 1500)).toMatchObject({ change: 0 });
    expect(plan({}, { failed: 1, lastFailureMs: 1000 }, 2000)).toMatchObject({
      change: 1,
      againAtMs: undefined,
    });
  });
});

describe('a CronJob', () => {
  const everyMinute = (afterMs: number): number => (Math.floor(afterMs / 60_000) + 1) * 60_000;

  it('has nothing to do before its time, and knows when that is', () => {
    expect(dueAt(everyMinute, 0, 59_999, undefined)).toEqual({
      tickMs: undefined,
      missed: 0,
      nextMs: 60_000,
    });
  });

  it('starts one Job for each time, and of several missed ones for the last alone', () => {
    expect(dueAt(everyMinute, 0, 60_000, undefined)).toEqual({ tickMs: 60_000, missed: 0, nextMs: 120_000 });
    expect(dueAt(everyMinute, 0, 200_000, undefined)).toEqual({
      tickMs: 180_000,
      missed: 2,
      nextMs: 240_000,
    });
  });

  it('starts none that is later than it may be', () => {
    expect(dueAt(everyMinute, 0, 90_000, 20_000)).toEqual({ tickMs: undefined, missed: 0, nextMs: 120_000 });
    expect(dueAt(everyMinute, 0, 70_000, 20_000)).toMatchObject({ tickMs: 60_000 });
  });

  it('starts none when it has missed too many to count', () => {
    expect(dueAt(everyMinute, 0, 200 * 60_000, undefined)).toEqual({
      tickMs: undefined,
      missed: 101,
      nextMs: 201 * 60_000,
    });
  });

  it('of a schedule that is over has nothing to do any more', () => {
    expect(dueAt(() => undefined, 0, 1, undefined)).toEqual({
      tickMs: undefined,
      missed: 0,
      nextMs: undefined,
    });
  });
});
