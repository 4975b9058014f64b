import { CRON_JOB, type CronJob } from '../../../apis/batch/cron-job.ts';
import { conditionOfJob, JOB, type Job } from '../../../apis/batch/job.ts';
import { rfc3339 } from '../../../apis/conditions.ts';
import { parseCron, type CronSchedule } from '../../../apis/sources/ping-source/cron.ts';
import { ownedBy } from '../../../control/controller.ts';
import { isOwnedBy, ownerOf } from '../../../control/owned.ts';
import { EventRecorder } from '../../../control/recorder.ts';
import { endedMs } from './jobs.ts';
import { normal } from './told.ts';
import { startLoop, type Loop, type LoopTools, type Passed } from './loop.ts';

/** When a schedule comes true next, after a moment; undefined: never again. */
export type TicksOf = (schedule: CronSchedule) => (afterMs: number) => number | undefined;

export type Due = {
  /** The time that a Job is to be started for now. */
  readonly tickMs: number | undefined;
  readonly missed: number; // earlier ones, for which none is started any more
  readonly nextMs: number | undefined;
};

/** So many missed times are counted; beyond that it is only said that there were too many. */
const MISSED_MAX = 100;
const SCHEDULED_ANNOTATION = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

/** Starts Jobs as CronJobs say (kubernetes pkg/controller/cronjob). */
export function startCronJobs(tools: LoopTools, ticksOf: TicksOf): Loop {
  const recorder = new EventRecorder(tools.cluster, tools.clock, 'cronjob-controller');
  const pass = (cronJob: CronJob): Promise<Passed> => passOver(tools, ticksOf, recorder, cronJob);
  return startLoop<CronJob>(tools, CRON_JOB, [{ kind: JOB, concerns: ownedBy('CronJob') }], pass);
}

/** What has come due since the last time; pure. Of several missed times only the last is made up for. */
export function dueAt(
  next: (afterMs: number) => number | undefined,
  sinceMs: number,
  nowMs: number,
  startingDeadlineMs: number | undefined,
): Due {
  const fromMs = startingDeadlineMs === undefined ? sinceMs : Math.max(sinceMs, nowMs - startingDeadlineMs);
  let tickMs: number | undefined;
  let missed = 0;
  let upcoming = next(fromMs);
  while (upcoming !== undefined && upcoming <= nowMs && missed <= MISSED_MAX) {
    if (tickMs !== undefined) missed += 1;
    tickMs = upcoming;
    upcoming = next(upcoming);
  }
  const isTooMany = missed > MISSED_MAX;
  return { tickMs: isTooMany ? undefined : tickMs, missed, nextMs: isTooMany ? next(nowMs) : upcoming };
}

async function passOver(
  tools: LoopTools,
  ticksOf: TicksOf,
  recorder: EventRecorder,
  cronJob: CronJob,
): Promise<Passed> {
  const { cluster, clock } = tools;
  const { spec, status, metadata } = cronJob;
  const nowMs = clock.nowMs();
  const { items } = await cluster.list<Job>(JOB, metadata.namespace);
  const jobs = items.filter((job) => isOwnedBy(job, cronJob));
  await forgetOld(tools, recorder, cronJob, jobs);
  await tellEnded(recorder, cronJob, jobs);
  const active = jobs.filter((job) => endedMs(job) === undefined);
  const parsed = parseCron(spec.schedule ?? '', spec.timeZone ?? '');
  if (parsed.kind === 'fault' || spec.suspend === true)
    return { status: statusOf(cronJob, active, jobs, {}) };
  const sinceMs = Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp ?? '');
  const deadlineMs =
    spec.startingDeadlineSeconds === undefined ? undefined : spec.startingDeadlineSeconds * 1000;
  const { tickMs, missed, nextMs } = dueAt(ticksOf(parsed.schedule), sinceMs, nowMs, deadlineMs);
  const againAfterMs = nextMs === undefined ? undefined : Math.max(1, nextMs - nowMs);
  if (missed > MISSED_MAX)
    await recorder.tell(cronJob, {
      type: 'Warning',
      reason: 'TooManyMissedTimes',
      message: `too many missed start times: ${missed}. Set or decrease .spec.startingDeadlineSeconds or check clock skew`,
    });
  if (tickMs === undefined)
    return {
      status: statusOf(cronJob, active, jobs, missed > 0 ? { lastScheduleTime: rfc3339(nowMs) } : {}),
      againAfterMs,
    };
  if (spec.concurrencyPolicy === 'Forbid' && active.length > 0) {
    await recorder.tell(cronJob, {
      type: 'Normal',
      reason: 'JobAlreadyActive',
      message: 'Not starting job because prior execution is running and concurrency policy is Forbid',
    });
    return { status: statusOf(cronJob, active, jobs, {}), againAfterMs };
  }
  const replaced = spec.concurrencyPolicy === 'Replace' ? active : [];
  for (const job of replaced) await cluster.remove(JOB, job.metadata.namespace, job.metadata.name);
  const made = await cluster.apply(jobOf(cronJob, tickMs));
  await recorder.tell(cronJob, {
    type: 'Normal',
    reason: 'SuccessfulCreate',
    message: `Created job ${made.metadata.name}`,
  });
  const now = [...active.filter((job) => !replaced.includes(job)), made];
  return { status: statusOf(cronJob, now, jobs, { lastScheduleTime: rfc3339(tickMs) }), againAfterMs };
}

function jobOf(cronJob: CronJob, tickMs: number): Job {
  const { name, namespace } = cronJob.metadata;
  const { metadata = {}, spec = {} } = cronJob.spec.jobTemplate ?? {};
  return {
    ...JOB,
    metadata: {
      name: `${name}-${Math.floor(tickMs / 60_000)}`,
      ...(namespace !== undefined && { namespace }),
      labels: { ...metadata.labels },
      annotations: { ...metadata.annotations, [SCHEDULED_ANNOTATION]: rfc3339(tickMs) },
      ownerReferences: [ownerOf(cronJob)],
    },
    spec,
  };
}

function statusOf(
  { status }: CronJob,
  active: readonly Job[],
  jobs: readonly Job[],
  fresh: { readonly lastScheduleTime?: string },
): object {
  const succeeded = jobs.flatMap((job) =>
    conditionOfJob(job, 'Complete') === undefined ? [] : [job.status?.completionTime ?? ''],
  );
  const lastSuccessfulTime = [status?.lastSuccessfulTime ?? '', ...succeeded].toSorted().at(-1);
  return {
    ...(active.length > 0 && {
      active: active.map(({ apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } }) => ({
        apiVersion,
        kind,
        name,
        namespace,
        uid,
        resourceVersion,
      })),
    }),
    lastScheduleTime: fresh.lastScheduleTime ?? status?.lastScheduleTime,
    lastSuccessfulTime: lastSuccessfulTime || undefined,
  };
}

/** Of those that were active at the last pass. */
async function tellEnded(recorder: EventRecorder, cronJob: CronJob, jobs: readonly Job[]): Promise<void> {
  for (const { uid, name } of cronJob.status?.active ?? []) {
    const job = jobs.find(({ metadata }) => metadata.uid === uid);
    if (job === undefined)
      await recorder.tell(cronJob, normal('MissingJob', `Active job went missing: ${name}`));
    else if (endedMs(job) !== undefined) {
      const end = conditionOfJob(job, 'Complete') === undefined ? 'Failed' : 'Complete';
      await recorder.tell(
        cronJob,
        normal('SawCompletedJob', `Saw completed job: ${name}, condition: ${end}`),
      );
    }
  }
}

/** The oldest beyond what is kept of each outcome. */
async function forgetOld(
  { cluster }: LoopTools,
  recorder: EventRecorder,
  cronJob: CronJob,
  jobs: readonly Job[],
): Promise<void> {
  const { spec } = cronJob;
  const kept = {
    Complete: spec.successfulJobsHistoryLimit ?? 3,
    Failed: spec.failedJobsHistoryLimit ?? 1,
  };
  for (const [type, limit] of Object.entries(kept)) {
    const ended = jobs
      .filter((job) => conditionOfJob(job, type) !== undefined)
      .toSorted((a, b) => (endedMs(a) ?? 0) - (endedMs(b) ?? 0));
    for (const { metadata } of ended.slice(0, Math.max(0, ended.length - limit))) {
      await cluster.remove(JOB, metadata.namespace, metadata.name);
      await recorder.tell(cronJob, normal('SuccessfulDelete', `Deleted job ${metadata.name}`));
    }
  }
}
