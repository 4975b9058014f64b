import { describe, expect, it } from 'vitest';
import type { Job } from '../../../../src/apis/batch/job.ts';
import { dueAt } from '../../../../src/serving/control/workloads/cron-jobs.ts';
import { planJob, type JobCounts } from '../../../../src/serving/control/workloads/job-plan.ts';

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
