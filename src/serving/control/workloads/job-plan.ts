import type { Job } from '../../../apis/batch/job.ts';

/** What has become of a Job's Pods. */
export type JobCounts = {
  readonly active: number;
  readonly ready: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Restarts of Pods that are started again in place (OnFailure). */
  readonly restarts: number;
  readonly lastFailureMs: number | undefined;
};

export type JobEnd =
  | { readonly kind: 'complete' }
  | { readonly kind: 'failed'; readonly reason: string; readonly message: string };

export type JobStep = {
  readonly end: JobEnd | undefined;
  /** How many Pods more (or, below zero, fewer) are to be active. */
  readonly change: number;
  /** When to look again. */
  readonly againAtMs: number | undefined;
};

const BACKOFF_FIRST_MS = 1000; // Kubernetes says 10 s; the platform's pauses begin at one
const BACKOFF_MAX_MS = 360_000;

/** What is to be done for a Job now (kubernetes pkg/controller/job); pure. */
export function planJob(job: Job, counts: JobCounts, startedMs: number, nowMs: number): JobStep {
  const { spec } = job;
  const { backoffLimit = 6, completions, parallelism = 1, activeDeadlineSeconds } = spec;
  const deadlineMs =
    activeDeadlineSeconds === undefined ? undefined : startedMs + activeDeadlineSeconds * 1000;
  const over = (end: JobEnd): JobStep => ({ end, change: -counts.active, againAtMs: undefined });
  if (counts.failed + counts.restarts > backoffLimit)
    return over({
      kind: 'failed',
      reason: 'BackoffLimitExceeded',
      message: 'Job has reached the specified backoff limit',
    });
  if (deadlineMs !== undefined && nowMs >= deadlineMs)
    return over({
      kind: 'failed',
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    });
  const isDone =
    completions === undefined ? counts.succeeded > 0 && counts.active === 0 : counts.succeeded >= completions;
  if (isDone) return over({ kind: 'complete' });
  if (spec.suspend === true) return { end: undefined, change: -counts.active, againAtMs: undefined };
  const wanted =
    completions === undefined
      ? counts.succeeded > 0
        ? counts.active // a work queue: nobody new once one has succeeded
        : parallelism
      : Math.min(parallelism, completions - counts.succeeded);
  const change = wanted - counts.active;
  const dueMs = nextTryMs(counts);
  const isWaiting = change > 0 && dueMs > nowMs;
  const again = [isWaiting ? dueMs : undefined, deadlineMs].filter((each) => each !== undefined);
  return {
    end: undefined,
    change: isWaiting ? 0 : change,
    againAtMs: again.length === 0 ? undefined : Math.min(...again),
  };
}

/** After a failure the next try waits: 1 s, 2 s, 4 s … up to six minutes. */
function nextTryMs({ failed, lastFailureMs }: JobCounts): number {
  if (lastFailureMs === undefined || failed === 0) return 0;
  return lastFailureMs + Math.min(BACKOFF_FIRST_MS * 2 ** (failed - 1), BACKOFF_MAX_MS);
}
