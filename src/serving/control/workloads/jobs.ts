import type { WorkloadCondition } from '../../../apis/apps/deployment.ts';
import { indexesText } from '../../../apis/batch/indexes.ts';
import { conditionOfJob, JOB, JOB_CONTROLLER, type Job } from '../../../apis/batch/job.ts';
import { rfc3339 } from '../../../apis/conditions.ts';
import { POD, type Pod } from '../../../apis/core/pod.ts';
import { childName } from '../../../apis/names.ts';
import { ownedBy } from '../../../control/controller.ts';
import { isOwnedBy } from '../../../control/owned.ts';
import { EventRecorder } from '../../../control/recorder.ts';
import type { Told } from '../../../control/reconciler.ts';
import { instanceSuffix } from '../../instance-name.ts';
import type { ResolveImage } from '../pin-image.ts';
import { withoutZeros } from './conditions.ts';
import { planJob, type IndexCounts, type JobEnd } from './job-plan.ts';
import { indexOf, jobCounts, withIndex } from './job-pods.ts';
import { startLoop, type Loop, type LoopTools, type Passed } from './loop.ts';
import { imagesIn, pinnedAnnotation } from './pinned-images.ts';
import { isOver } from './pod-status.ts';
import { normal, warning } from './told.ts';
import { podOfTemplate } from './template-pod.ts';

const PARALLEL_MAX = 100;

/** Runs Jobs by their Pods (kubernetes pkg/controller/job). */
export function startJobs(tools: LoopTools, resolveImage: ResolveImage): Loop {
  const recorder = new EventRecorder(tools.cluster, tools.clock, 'job-controller');
  const pass = (job: Job): Promise<Passed> => passOver({ ...tools, resolveImage, recorder }, job);
  return startLoop<Job>(tools, JOB, [{ kind: POD, concerns: ownedBy('Job') }], pass);
}

type JobTools = LoopTools & { readonly resolveImage: ResolveImage; readonly recorder: EventRecorder };

async function passOver(tools: JobTools, job: Job): Promise<Passed> {
  const { cluster, clock, recorder } = tools;
  const nowMs = clock.nowMs();
  if ((job.spec.managedBy ?? JOB_CONTROLLER) !== JOB_CONTROLLER) return {}; // somebody else's
  const finishedMs = endedMs(job);
  if (finishedMs !== undefined) return expire(tools, job, finishedMs);
  const { items } = await cluster.list<Pod>(POD, job.metadata.namespace);
  const pods = items.filter((pod) => isOwnedBy(pod, job));
  const isSuspended = job.spec.suspend === true;
  const startTime = isSuspended ? undefined : (job.status?.startTime ?? rfc3339(nowMs));
  const counts = jobCounts(job, pods);
  const step = planJob(job, counts, Date.parse(startTime ?? rfc3339(nowMs)), nowMs);
  const pinned = step.change > 0 ? await pin(tools, job) : job;
  for (let i = 0; i < Math.min(step.change, PARALLEL_MAX); i += 1) {
    const index = step.starts?.[i];
    const suffix = `${index === undefined ? '' : `-${index}`}-${instanceSuffix(tools.random)}`;
    const name = childName(job.metadata.name, suffix);
    const pod = podOfTemplate(pinned, name);
    await cluster.apply(index === undefined ? pod : withIndex(pod, index));
    await recorder.tell(job, normal('SuccessfulCreate', `Created pod: ${name}`));
  }
  const active = pods.filter((pod) => !isOver(pod)).toSorted((a, b) => indexOf(b) - indexOf(a));
  const spare = active.slice(0, Math.max(0, -step.change));
  for (const pod of spare) {
    await cluster.remove(POD, pod.metadata.namespace, pod.metadata.name);
    await recorder.tell(job, normal('SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`));
  }
  const failed = counts.failed + (step.end?.kind === 'failed' ? spare.length : 0);
  const status = {
    ...withoutZeros({
      active: Math.max(0, counts.active + (step.end === undefined ? step.change : -counts.active)),
      ready: step.end === undefined ? counts.ready : 0,
      succeeded: counts.succeeded,
      failed,
    }),
    ...indexesOf(job, counts.indexes),
    terminating: 0,
    uncountedTerminatedPods: {},
    ...(startTime !== undefined && { startTime }),
    ...(step.end?.kind === 'complete' && { completionTime: rfc3339(nowMs) }),
    conditions: conditionsOf(job, step.end, nowMs),
  };
  for (const told of toldOf(job, status.conditions)) await recorder.tell(job, told);
  return {
    status,
    againAfterMs: step.againAtMs === undefined ? undefined : Math.max(1, step.againAtMs - nowMs),
  };
}

function indexesOf({ spec }: Job, indexes: IndexCounts | undefined): object {
  if (indexes === undefined) return {};
  const { succeeded, failed } = indexes;
  return {
    ...(succeeded.size > 0 && { completedIndexes: indexesText(succeeded) }),
    ...(spec.backoffLimitPerIndex !== undefined && { failedIndexes: indexesText(failed) }),
  };
}

/** A Job that has ended stays, unless it says for how long. */
async function expire({ cluster, clock }: LoopTools, job: Job, finishedMs: number): Promise<Passed> {
  const { ttlSecondsAfterFinished } = job.spec;
  if (ttlSecondsAfterFinished === undefined) return {};
  const leftMs = finishedMs + ttlSecondsAfterFinished * 1000 - clock.nowMs();
  if (leftMs > 0) return { againAfterMs: leftMs };
  await cluster.remove(JOB, job.metadata.namespace, job.metadata.name);
  return {};
}

export function endedMs(job: Job): number | undefined {
  const end = conditionOfJob(job, 'Complete') ?? conditionOfJob(job, 'Failed');
  return end === undefined ? undefined : Date.parse(end.lastTransitionTime ?? '');
}

/** Of conditions that are new: its end, a pause, the end of one. */
function toldOf({ status }: Job, conditions: readonly WorkloadCondition[]): readonly Told[] {
  const fresh = conditions.filter((each) => !(status?.conditions ?? []).includes(each));
  return fresh.flatMap(({ type, status: is, reason = '', message = '' }) => {
    if (type === 'Complete') return [normal('Completed', 'Job completed')];
    if (type === 'Failed') return [warning(reason, message)];
    return type === 'Suspended' ? [normal(is === 'True' ? 'Suspended' : 'Resumed', message)] : [];
  });
}

async function pin({ cluster, resolveImage }: JobTools, job: Job): Promise<Job> {
  const annotations = pinnedAnnotation(job.spec.template ?? {}, imagesIn(job), resolveImage);
  return cluster.apply<Job>({
    ...job,
    metadata: { ...job.metadata, annotations: { ...job.metadata.annotations, ...annotations } },
  });
}

function conditionsOf(job: Job, end: JobEnd | undefined, nowMs: number): readonly WorkloadCondition[] {
  const at = rfc3339(nowMs);
  const said = (
    type: string,
    status: 'True' | 'False',
    reason: string,
    message: string,
  ): WorkloadCondition => ({
    type,
    status,
    reason,
    message,
    lastProbeTime: at,
    lastTransitionTime: at,
  });
  const before = job.status?.conditions ?? [];
  if (end?.kind === 'complete') {
    const [reason, message] =
      end.rule === undefined
        ? ['CompletionsReached', 'Reached expected number of succeeded pods']
        : ['SuccessPolicy', `Matched rules at index ${end.rule}`];
    return [
      ...before,
      said('SuccessCriteriaMet', 'True', reason, message),
      said('Complete', 'True', reason, message),
    ];
  }
  if (end?.kind === 'failed')
    return [
      ...before,
      said('FailureTarget', 'True', end.reason, end.message),
      said('Failed', 'True', end.reason, end.message),
    ];
  const known = before.find(({ type }) => type === 'Suspended');
  const isSuspended = job.spec.suspend === true;
  if (known === undefined && !isSuspended) return before;
  if (known?.status === (isSuspended ? 'True' : 'False')) return before;
  const told = isSuspended
    ? said('Suspended', 'True', 'JobSuspended', 'Job suspended')
    : said('Suspended', 'False', 'JobResumed', 'Job resumed');
  return [...before.filter(({ type }) => type !== 'Suspended'), told];
}
