import { indexesIn } from '../../../apis/batch/indexes.ts';
import type { SuccessRule } from '../../../apis/batch/job-policies.ts';
import type { Job, JobSpec } from '../../../apis/batch/job.ts';

/** What has become of a Job's Pods. */
export type JobCounts = {
  readonly active: number;
  readonly ready: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Restarts of Pods that are started again in place (OnFailure). */
  readonly restarts: number;
  readonly lastFailureMs: number | undefined;
  /** Why it fails at once (podFailurePolicy). */
  readonly fault: string | undefined;
  /** Of an indexed Job. */
  readonly indexes: IndexCounts | undefined;
};
export type IndexCounts = {
  readonly active: ReadonlySet<number>;
  readonly succeeded: ReadonlySet<number>;
  /** Those that are given up. */
  readonly failed: ReadonlySet<number>;
  readonly failures: ReadonlyMap<number, { readonly count: number; readonly lastMs: number }>;
};

export type JobEnd =
  /** `rule` of its success policy, when that ended it. */
  | { readonly kind: 'complete'; readonly rule?: number }
  | { readonly kind: 'failed'; readonly reason: string; readonly message: string };

export type JobStep = {
  readonly end: JobEnd | undefined;
  /** How many Pods more (or, below zero, fewer) are to be active. */
  readonly change: number;
  /** Of an indexed Job: which of them are to be started. */
  readonly starts?: readonly number[];
  /** When to look again. */
  readonly againAtMs: number | undefined;
};

const BACKOFF_FIRST_MS = 1000; // Kubernetes says 10 s; the platform's pauses begin at one
const BACKOFF_MAX_MS = 360_000;

/** What is to be done for a Job now (kubernetes pkg/controller/job); pure. */
export function planJob(job: Job, counts: JobCounts, startedMs: number, nowMs: number): JobStep {
  const { spec } = job;
  const { completions, parallelism = 1, activeDeadlineSeconds } = spec;
  const deadlineMs =
    activeDeadlineSeconds === undefined ? undefined : startedMs + activeDeadlineSeconds * 1000;
  const end = endOf(spec, counts, deadlineMs !== undefined && nowMs >= deadlineMs);
  if (end !== undefined) return { end, change: -counts.active, againAtMs: undefined };
  if (spec.suspend === true) return { end: undefined, change: -counts.active, againAtMs: undefined };
  if (counts.indexes !== undefined) return planIndexes(spec, counts, counts.indexes, deadlineMs, nowMs);
  const wanted =
    completions === undefined
      ? counts.succeeded > 0
        ? counts.active // a work queue: nobody new once one has succeeded
        : parallelism
      : Math.min(parallelism, completions - counts.succeeded);
  const change = wanted - counts.active;
  const dueMs = nextTryMs(counts);
  const isWaiting = change > 0 && dueMs > nowMs;
  return {
    end: undefined,
    change: isWaiting ? 0 : change,
    againAtMs: earliest([isWaiting ? dueMs : undefined, deadlineMs]),
  };
}

/** Each index has one Pod at a time, the lowest first; one that failed waits for itself alone when it is counted alone. */
function planIndexes(
  { completions = 0, parallelism = 1, backoffLimitPerIndex }: JobSpec,
  counts: JobCounts,
  { active, succeeded, failed, failures }: IndexCounts,
  deadlineMs: number | undefined,
  nowMs: number,
): JobStep {
  const open = Array.from({ length: completions }, (_, index) => index).filter(
    (index) => !active.has(index) && !succeeded.has(index) && !failed.has(index),
  );
  const room = Math.min(parallelism, counts.active + open.length) - counts.active;
  const dueMs = (index: number): number => {
    if (backoffLimitPerIndex === undefined) return nextTryMs(counts);
    const { count = 0, lastMs } = failures.get(index) ?? {};
    return nextTryMs({ failed: count, lastFailureMs: lastMs });
  };
  const starts = open.filter((index) => dueMs(index) <= nowMs).slice(0, Math.max(0, room));
  const later = open.map(dueMs).filter((ms) => ms > nowMs);
  return {
    end: undefined,
    change: room < 0 ? room : starts.length,
    starts,
    againAtMs: earliest([starts.length < room ? earliest(later) : undefined, deadlineMs]),
  };
}

function endOf(spec: JobSpec, counts: JobCounts, isLate: boolean): JobEnd | undefined {
  const { backoffLimit = 6, completions } = spec;
  if (counts.fault !== undefined) return failed('PodFailurePolicy', counts.fault);
  if (counts.failed + counts.restarts > backoffLimit)
    return failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  if (isLate) return failed('DeadlineExceeded', 'Job was active longer than specified deadline');
  if (counts.indexes !== undefined) return endOfIndexes(spec, counts.indexes);
  const isDone =
    completions === undefined ? counts.succeeded > 0 && counts.active === 0 : counts.succeeded >= completions;
  return isDone ? { kind: 'complete' } : undefined;
}

function endOfIndexes(spec: JobSpec, { succeeded, failed: givenUp }: IndexCounts): JobEnd | undefined {
  const { completions = 0, maxFailedIndexes, successPolicy } = spec;
  if (givenUp.size > (maxFailedIndexes ?? completions))
    return failed(
      'MaxFailedIndexesExceeded',
      'Job has exceeded the specified maximal number of failed indexes',
    );
  if (succeeded.size >= completions) return { kind: 'complete' };
  const rule = (successPolicy?.rules ?? []).findIndex((each) => isMet(each, succeeded));
  if (rule >= 0) return { kind: 'complete', rule };
  return givenUp.size > 0 && succeeded.size + givenUp.size >= completions
    ? failed('FailedIndexes', 'Job has failed indexes')
    : undefined;
}

function isMet({ succeededIndexes, succeededCount }: SuccessRule, succeeded: ReadonlySet<number>): boolean {
  const meant = succeededIndexes === undefined ? succeeded : indexesIn(succeededIndexes);
  const met = [...meant].filter((index) => succeeded.has(index)).length;
  return met >= (succeededCount ?? meant.size) && met > 0;
}

const failed = (reason: string, message: string): JobEnd => ({ kind: 'failed', reason, message });

function earliest(times: readonly (number | undefined)[]): number | undefined {
  const all = times.filter((each) => each !== undefined);
  return all.length === 0 ? undefined : Math.min(...all);
}

type Failures = { readonly failed: number; readonly lastFailureMs: number | undefined };

/** After a failure the next try waits: 1 s, 2 s, 4 s … up to six minutes. */
function nextTryMs({ failed: count, lastFailureMs }: Failures): number {
  if (lastFailureMs === undefined || count === 0) return 0;
  return lastFailureMs + Math.min(BACKOFF_FIRST_MS * 2 ** (count - 1), BACKOFF_MAX_MS);
}
