import { describe, expect, it } from 'vitest';
import { CRON_JOB } from '../../../../src/apis/batch/cron-job.ts';
import { JOB } from '../../../../src/apis/batch/job.ts';
import { POD } from '../../../../src/apis/core/pod.ts';
import { workloadWorlds } from '../../../kit/workload-world.ts';
import { conditionIn, type Stated } from '../../../kit/world.ts';

const open = workloadWorlds();

describe('a Job', () => {
  const succeeds = async (count: number) => {
    await expect.poll(() => open().runtime.started.length).toBeGreaterThanOrEqual(count);
    await open().runtime.started[count - 1]?.stop(0);
  };

  it('is complete once as many Pods have succeeded as it asks for', async () => {
    const of = open();
    await of.job({ completions: 2, parallelism: 1 });
    await succeeds(1);
    await succeeds(2);
    await expect
      .poll(() => of.statusOf(JOB, 'job'))
      .toMatchObject({
        succeeded: 2,
        completionTime: expect.any(String),
        conditions: [
          { type: 'SuccessCriteriaMet', status: 'True', reason: 'CompletionsReached' },
          { type: 'Complete', status: 'True', message: 'Reached expected number of succeeded pods' },
        ],
      });
    expect((await of.all(POD)).map(({ status }) => status?.['phase'])).toEqual(['Succeeded', 'Succeeded']);
    expect(of.world.table(JOB).rows[0]?.slice(0, 3)).toEqual(['job', 'Complete', '2/2']);
    expect(await of.told()).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^Job Normal SuccessfulCreate Created pod: job-\w{5}$/),
        'Job Normal Completed Job completed',
      ]),
    );
  });

  it('fails with its Pods, and goes when its time is over', async () => {
    const of = open();
    await of.job({ backoffLimit: 0, ttlSecondsAfterFinished: 10 });
    await expect.poll(() => of.runtime.started.length).toBe(1);
    of.runtime.started[0]?.crash();
    await expect
      .poll(() => of.statusOf(JOB, 'job'))
      .toMatchObject({
        failed: 1,
        conditions: [{ type: 'FailureTarget' }, { type: 'Failed', reason: 'BackoffLimitExceeded' }],
      });
    expect(await of.told()).toContain(
      'Job Warning BackoffLimitExceeded Job has reached the specified backoff limit',
    );
    of.world.clock.advance(11_000);
    await expect.poll(() => of.all(JOB)).toEqual([]);
  });

  it('gives each Pod of an indexed one its number, and keeps trying those that failed', async () => {
    const of = open();
    await of.job({ completions: 3, parallelism: 3, completionMode: 'Indexed', backoffLimitPerIndex: 1 });
    await expect.poll(() => of.runtime.started.length).toBe(3);
    const indexOf = (i: number): string | undefined =>
      of.runtime.specs[i]?.containers[0]?.env['JOB_COMPLETION_INDEX'];
    expect([0, 1, 2].map(indexOf)).toEqual(['0', '1', '2']);
    const names = await of.podNames();
    expect(names.map((name) => name.replace(/-\w{5}$/, '')).toSorted()).toEqual(['job-0', 'job-1', 'job-2']);
    await of.runtime.started[0]?.stop(0);
    of.runtime.started[1]?.crash();
    await of.runtime.started[2]?.stop(0);
    await expect.poll(() => of.statusOf(JOB, 'job')).toMatchObject({ completedIndexes: '0,2', failed: 1 });
    await expect
      .poll(() => {
        of.world.clock.advance(1000);
        return of.runtime.started.length;
      })
      .toBe(4);
    expect(indexOf(3)).toBe('1');
    of.runtime.started[3]?.crash();
    await expect
      .poll(() => of.statusOf(JOB, 'job'))
      .toMatchObject({
        completedIndexes: '0,2',
        failedIndexes: '1',
        conditions: [{ type: 'FailureTarget' }, { type: 'Failed', reason: 'FailedIndexes' }],
      });
  });

  it.each<[string, object, object]>([
    [
      'fails at once by an exit code that says so',
      { action: 'FailJob', onExitCodes: { operator: 'In', values: [3] } },
      {
        failed: 1,
        conditions: [
          { type: 'FailureTarget' },
          {
            type: 'Failed',
            reason: 'PodFailurePolicy',
            message: expect.stringMatching(
              /^Container c for pod default\/job-\w{5} failed with exit code 3 matching FailJob rule at index 0$/,
            ),
          },
        ],
      },
    ],
    [
      'does not count what is to be ignored',
      { action: 'Ignore', onExitCodes: { operator: 'NotIn', values: [42] } },
      { active: 1, failed: undefined, conditions: [] },
    ],
  ])('%s', async (_, rule, status) => {
    const of = open();
    await of.job({ backoffLimit: 0, podFailurePolicy: { rules: [rule] } });
    await expect.poll(() => of.runtime.started.length).toBe(1);
    of.runtime.started[0]?.crash();
    // Another may have come by then, whose name goes before.
    const phases = async () => (await of.all(POD)).map(({ status: is }) => is?.['phase']);
    await expect.poll(phases).toContain('Failed');
    await expect
      .poll(async () => {
        const { failed, active, conditions = [] } = await of.statusOf(JOB, 'job');
        return { failed, active, conditions };
      })
      .toMatchObject(status);
  });

  it.each<[string, object, string]>([
    [
      'an indexed one without completions',
      { completionMode: 'Indexed', parallelism: 2 },
      'spec.completions: Required value: when completion mode is Indexed',
    ],
    [
      'a mode that is none',
      { completionMode: 'Odd' },
      'Unsupported value: "Odd": supported values: "Indexed", "NonIndexed"',
    ],
    [
      'indexes of one that has none',
      { backoffLimitPerIndex: 1 },
      'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
    ],
    [
      'a rule that names nothing',
      { podFailurePolicy: { rules: [{ action: 'Ignore' }] } },
      'specifying one of OnExitCodes and OnPodConditions is required',
    ],
    ['success by rules that are none', { successPolicy: {} }, 'requires indexed completion mode'],
  ])('is refused: %s', async (_, spec, message) => {
    await expect(open().job(spec)).rejects.toThrow(message);
  });

  it('is left alone when somebody else runs it', async () => {
    const of = open();
    await of.job({ managedBy: 'example.com/queue' });
    await of.world.apply({
      ...POD,
      metadata: { name: 'later', namespace: 'default' },
      spec: { containers: [{ name: 'c', image: 'web' }] },
    });
    await expect.poll(() => of.runtime.started.length).toBe(1); // that of the Pod alone
    expect((await of.world.get(JOB, 'job')).status).toBeUndefined();
  });

  it('ends what takes too long', async () => {
    const of = open();
    await of.job({ activeDeadlineSeconds: 5 });
    await expect.poll(() => of.runtime.started.length).toBe(1);
    await expect
      .poll(async () => {
        of.world.clock.advance(1000);
        return of.statusOf(JOB, 'job');
      })
      .toMatchObject({
        conditions: [{ type: 'FailureTarget' }, { type: 'Failed', reason: 'DeadlineExceeded' }],
      });
    await expect.poll(() => of.podNames()).toEqual([]);
  });

  it('starts a Pod that failed again in place, if it says so', async () => {
    const of = open();
    await of.job({
      template: { spec: { restartPolicy: 'OnFailure', containers: [{ name: 'c', image: 'web' }] } },
    });
    await expect.poll(() => of.runtime.started.length).toBe(1);
    of.runtime.started[0]?.crash();
    await succeeds(2);
    await expect
      .poll(() => of.statusOf(JOB, 'job'))
      .toMatchObject({ succeeded: 1, conditions: [{}, { type: 'Complete' }] });
    expect(await of.podNames()).toHaveLength(1);
  });

  it('pauses and goes on', async () => {
    const of = open();
    const spec = { suspend: true };
    const paused = await of.job(spec);
    await expect
      .poll(async () => conditionIn(await of.world.get(JOB, 'job'), 'Suspended'))
      .toMatchObject({ status: 'True', reason: 'JobSuspended' });
    expect(await of.podNames()).toEqual([]);
    await of.world.apply({
      ...paused,
      metadata: { name: 'job', namespace: 'default' },
      spec: { ...Object(paused['spec']), suspend: false },
    });
    await succeeds(1);
    await expect
      .poll(async () => conditionIn(await of.world.get(JOB, 'job'), 'Complete'))
      .toMatchObject({ status: 'True' });
  });
});

describe('a CronJob', () => {
  const cronJob = (spec: object = {}) =>
    open().world.apply({
      ...CRON_JOB,
      metadata: { name: 'tick', namespace: 'default' },
      spec: {
        schedule: '* * * * *',
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'web' }] } } },
        },
        ...spec,
      },
    });
  const jobs = async () => (await open().all(JOB)).map(({ metadata }) => metadata.name);
  const minute = (ms: number): Promise<void> => {
    open().world.clock.advance(ms);
    return Promise.resolve();
  };

  it('starts a Job each time, keeps as many as it says, and tells of the last', async () => {
    const of = open();
    await cronJob({ successfulJobsHistoryLimit: 1 });
    for (const count of [1, 2, 3]) {
      await expect
        .poll(async () => {
          await minute(5000);
          return of.runtime.started.length;
        })
        .toBe(count);
      await of.runtime.started[count - 1]?.stop(0);
      await expect.poll(async () => (await of.statusOf(CRON_JOB, 'tick'))['active']).toBeUndefined();
    }
    await expect.poll(jobs).toHaveLength(1);
    expect((await jobs())[0]).toMatch(/^tick-\d+$/);
    expect(await of.statusOf(CRON_JOB, 'tick')).toMatchObject({
      lastScheduleTime: expect.any(String),
      lastSuccessfulTime: expect.any(String),
    });
  });

  it('starts none beside one that runs when it forbids that, and none while it pauses', async () => {
    const of = open();
    await cronJob({ concurrencyPolicy: 'Forbid' });
    await expect
      .poll(async () => {
        await minute(5000);
        return of.runtime.started.length;
      })
      .toBe(1);
    await minute(60_000);
    await expect
      .poll(async () =>
        (await of.world.controller.list<Stated>({ apiVersion: 'v1', kind: 'Event' }, 'default')).items.map(
          (event) => event['reason'],
        ),
      )
      .toContain('JobAlreadyActive');
    expect(await jobs()).toHaveLength(1);
    await cronJob({ concurrencyPolicy: 'Forbid', suspend: true });
    await of.runtime.started[0]?.stop(0);
    await minute(300_000);
    await expect.poll(async () => (await of.statusOf(CRON_JOB, 'tick'))['active']).toBeUndefined();
    expect(of.runtime.started).toHaveLength(1);
  });
});

describe('a Pod of its own', () => {
  const pod = (restartPolicy: string) =>
    open().world.apply({
      ...POD,
      metadata: { name: 'alone', namespace: 'default' },
      spec: { restartPolicy, containers: [{ name: 'c', image: 'web' }] },
    });

  it('runs once when it is never to be started again, and says how it ended', async () => {
    const of = open();
    await pod('Never');
    await expect.poll(() => of.runtime.started.length).toBe(1);
    of.runtime.started[0]?.crash();
    await expect
      .poll(() => of.statusOf(POD, 'alone'))
      .toMatchObject({
        phase: 'Failed',
        containerStatuses: [
          { state: { terminated: { exitCode: 3, reason: 'Error', message: 'exited with code 3' } } },
        ],
      });
    expect(of.world.table(POD).rows[0]?.slice(0, 4)).toEqual(['alone', '0/1', 'Error', 0]);
  });

  it('ends when it is deleted, and another of its name can come', async () => {
    const of = open();
    await pod('Always');
    await expect.poll(() => of.runtime.started.length).toBe(1);
    await of.world.admin.remove(POD, 'default', 'alone');
    await expect.poll(() => of.runtime.started[0]?.busyAtStop()).toBe(0);
    await pod('Always');
    await expect.poll(() => of.statusOf(POD, 'alone')).toMatchObject({ phase: 'Running' });
    expect(of.runtime.started).toHaveLength(2);
  });
});
