import type { FailureRule } from '../../../apis/batch/job-policies.ts';
import { indexesIn } from '../../../apis/batch/indexes.ts';
import type { Job } from '../../../apis/batch/job.ts';
import type { Pod } from '../../../apis/core/pod.ts';
import type { IndexCounts, JobCounts } from './job-plan.ts';
import { isOver, isReadyPod } from './pod-status.ts';

/** Which index a Pod of an indexed Job is (batch/v1); a label, too, which its variable reads. */
export const INDEX_ANNOTATION = 'batch.kubernetes.io/job-completion-index';
const INDEX_VARIABLE = 'JOB_COMPLETION_INDEX';

/** What has become of a Job by its Pods, as its policies have it; pure. */
export function jobCounts(job: Job, pods: readonly Pod[]): JobCounts {
  const failures = pods
    .filter(({ status }) => status?.phase === 'Failed')
    .map((pod) => ({ pod, verdict: verdictOn(job, pod) }));
  const counted = failures.filter(({ verdict }) => verdict.action !== 'Ignore');
  const active = pods.filter((pod) => !isOver(pod));
  const succeeded = pods.filter(({ status }) => status?.phase === 'Succeeded');
  const indexes = job.spec.completionMode === 'Indexed' ? indexCounts(job, pods, counted) : undefined;
  return {
    active: active.length,
    ready: active.filter(isReadyPod).length,
    succeeded: indexes?.succeeded.size ?? succeeded.length,
    failed: counted.length,
    restarts: active.reduce((sum, pod) => sum + restartsOf(pod), 0),
    lastFailureMs: lastOf(counted.map(({ pod }) => pod)),
    fault: counted.find(({ verdict }) => verdict.action === 'FailJob')?.verdict.message,
    indexes,
  };
}

/** A Pod with a number of its own among those of its Job. */
export function withIndex(pod: Pod, index: number): Pod {
  const { metadata, spec = {} } = pod;
  const own = { [INDEX_ANNOTATION]: String(index) };
  const variable = {
    name: INDEX_VARIABLE,
    valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${INDEX_ANNOTATION}']` } },
  };
  const numbered = (containers: NonNullable<typeof spec.containers>): typeof containers =>
    containers.map((container) => {
      const { env = [] } = container;
      return env.some(({ name }) => name === INDEX_VARIABLE)
        ? container
        : { ...container, env: [...env, variable] };
    });
  const { containers = [], initContainers } = spec;
  return {
    ...pod,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, ...own },
      annotations: { ...metadata.annotations, ...own },
    },
    spec: {
      ...spec,
      containers: numbered(containers),
      ...(initContainers !== undefined && { initContainers: numbered(initContainers) }),
    },
  };
}

export function indexOf({ metadata }: Pod): number {
  return Number(metadata.annotations?.[INDEX_ANNOTATION] ?? -1);
}

type Verdict = { readonly action: string; readonly message: string };
type Failure = { readonly pod: Pod; readonly verdict: Verdict };

function indexCounts(job: Job, pods: readonly Pod[], failures: readonly Failure[]): IndexCounts {
  const { completions = 0, backoffLimitPerIndex } = job.spec;
  const isOne = (index: number): boolean => index >= 0 && index < completions;
  const of = (some: readonly Pod[]): ReadonlySet<number> => new Set(some.map(indexOf).filter(isOne));
  const ended = pods.filter(({ status }) => status?.phase === 'Succeeded');
  const succeeded = new Set([...of(ended), ...[...indexesIn(job.status?.completedIndexes)].filter(isOne)]);
  const byIndex = Map.groupBy(failures, ({ pod }) => indexOf(pod));
  const isFailed = ([index, all]: readonly [number, readonly Failure[]]): boolean =>
    backoffLimitPerIndex !== undefined &&
    !succeeded.has(index) &&
    (all.length > backoffLimitPerIndex || all.some(({ verdict }) => verdict.action === 'FailIndex'));
  const failed = [...byIndex].filter(isFailed).map(([index]) => index);
  const before = backoffLimitPerIndex === undefined ? [] : [...indexesIn(job.status?.failedIndexes)];
  return {
    succeeded,
    active: of(pods.filter((pod) => !isOver(pod))),
    failed: new Set([...failed, ...before].filter(isOne)),
    failures: new Map(
      [...byIndex].map(([index, all]) => [
        index,
        { count: all.length, lastMs: lastOf(all.map(({ pod }) => pod)) ?? 0 },
      ]),
    ),
  };
}

/** By the first rule that fits (kubernetes pkg/controller/job, pod_failure_policy.go). */
function verdictOn({ spec }: Job, pod: Pod): Verdict {
  for (const [i, rule] of (spec.podFailurePolicy?.rules ?? []).entries()) {
    const what = fits(rule, pod);
    const { action = 'Count' } = rule;
    if (what !== undefined) return { action, message: `${what} matching ${action} rule at index ${i}` };
  }
  return { action: 'Count', message: '' };
}

function fits({ onExitCodes, onPodConditions = [] }: FailureRule, pod: Pod): string | undefined {
  const { namespace, name } = pod.metadata;
  const { conditions = [], containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  if (onExitCodes !== undefined) {
    const { containerName, operator, values = [] } = onExitCodes;
    for (const { name: container, state } of [...containerStatuses, ...initContainerStatuses]) {
      const code = Number(Reflect.get(Object(state['terminated']), 'exitCode') ?? 0);
      const isMeant = code !== 0 && (containerName === undefined || containerName === container);
      if (isMeant && values.includes(code) === (operator === 'In'))
        return `Container ${container} for pod ${namespace}/${name} failed with exit code ${code}`;
    }
  }
  const met = onPodConditions.find((wanted) =>
    conditions.some(({ type, status }) => type === wanted.type && status === (wanted.status ?? 'True')),
  );
  return met === undefined ? undefined : `Pod ${namespace}/${name} has condition ${met.type}`;
}

function restartsOf({ status }: Pod): number {
  return (status?.containerStatuses ?? []).reduce((all, each) => all + each.restartCount, 0);
}

/** When the last of them ended. */
function lastOf(pods: readonly Pod[]): number | undefined {
  const ends = pods.flatMap(({ status }) =>
    (status?.conditions ?? []).flatMap(({ type, lastTransitionTime }) =>
      type === 'Ready' && lastTransitionTime !== undefined ? [Date.parse(lastTransitionTime)] : [],
    ),
  );
  return ends.length === 0 ? undefined : Math.max(...ends);
}
