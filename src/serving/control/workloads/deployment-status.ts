import type { Deployment, DeploymentStatus, WorkloadCondition } from '../../../apis/apps/deployment.ts';
import type { ReplicaSet } from '../../../apis/apps/replica-set.ts';
import { rfc3339 } from '../../../apis/conditions.ts';
import { conditionsWith, withoutZeros, type NewCondition } from './conditions.ts';
import { boundsOf } from './rolling.ts';

const UNAVAILABLE = 'Deployment does not have minimum availability.';

/** apps/v1 DeploymentStatus; `trouble` is why its newest Pods are not ready, if that is known. */
export function deploymentStatus(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  fresh: ReplicaSet | undefined,
  trouble: string | undefined,
  nowMs: number,
): DeploymentStatus {
  const sum = (of: (set: ReplicaSet) => number | undefined): number =>
    sets.reduce((total, set) => total + (of(set) ?? 0), 0);
  const replicas = sum(({ status }) => status?.replicas);
  const available = sum(({ status }) => status?.availableReplicas);
  const counts = {
    replicas,
    updatedReplicas: fresh?.status?.replicas ?? 0,
    readyReplicas: sum(({ status }) => status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, Math.max(replicas, deployment.spec.replicas ?? 1) - available),
  };
  const before = deployment.status ?? {};
  const hasMoved =
    counts.updatedReplicas > (before.updatedReplicas ?? 0) ||
    counts.readyReplicas > (before.readyReplicas ?? 0) ||
    available > (before.availableReplicas ?? 0) ||
    replicas < (before.replicas ?? 0);
  const progressing = progressOf(deployment, fresh, counts, hasMoved, nowMs);
  const said = [
    availabilityOf(deployment, available, trouble),
    ...(progressing === undefined ? [] : [progressing]),
  ];
  const conditions = conditionsWith(before.conditions ?? [], said, nowMs);
  return {
    observedGeneration: deployment.metadata.generation ?? 1,
    ...withoutZeros(counts),
    conditions: hasMoved ? conditions.map((each) => moved(each, nowMs)) : conditions,
  };
}

/** Progress is what its deadline is counted from. */
function moved(condition: WorkloadCondition, nowMs: number): WorkloadCondition {
  return condition.type === 'Progressing' ? { ...condition, lastUpdateTime: rfc3339(nowMs) } : condition;
}

function availabilityOf(
  deployment: Deployment,
  available: number,
  trouble: string | undefined,
): NewCondition {
  const is = available >= boundsOf(deployment).minAvailable;
  return {
    type: 'Available',
    status: is ? 'True' : 'False',
    reason: is ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: is ? 'Deployment has minimum availability.' : (trouble ?? UNAVAILABLE),
  };
}

type Counts = Readonly<Record<'replicas' | 'updatedReplicas' | 'availableReplicas', number>>;

function progressOf(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  { replicas, updatedReplicas, availableReplicas }: Counts,
  hasMoved: boolean,
  nowMs: number,
): NewCondition | undefined {
  const { spec, status } = deployment;
  if (spec.paused === true)
    return {
      type: 'Progressing',
      status: 'Unknown',
      reason: 'DeploymentPaused',
      message: 'Deployment is paused',
    };
  if (fresh === undefined) return undefined;
  const named = `ReplicaSet ${JSON.stringify(fresh.metadata.name)}`;
  const desired = spec.replicas ?? 1;
  const isComplete = updatedReplicas === desired && replicas === desired && availableReplicas === desired;
  const said = (reason: string, message: string, is: 'True' | 'False' = 'True'): NewCondition => ({
    type: 'Progressing',
    status: is,
    reason,
    message,
  });
  if (isComplete) return said('NewReplicaSetAvailable', `${named} has successfully progressed.`);
  const known = status?.conditions?.find(({ type }) => type === 'Progressing');
  const sinceMs = Date.parse(known?.lastUpdateTime ?? '');
  const isSame = !hasMoved && status?.observedGeneration === deployment.metadata.generation;
  const isLate =
    isSame &&
    known !== undefined &&
    (known.reason === 'ProgressDeadlineExceeded' ||
      (known.reason !== 'NewReplicaSetAvailable' &&
        nowMs - sinceMs >= (spec.progressDeadlineSeconds ?? 600) * 1000));
  if (isLate) return said('ProgressDeadlineExceeded', `${named} has timed out progressing.`, 'False');
  return fresh.status?.replicas === undefined
    ? said('NewReplicaSetCreated', `Created new replica set ${JSON.stringify(fresh.metadata.name)}`)
    : said('ReplicaSetUpdated', `${named} is progressing.`);
}

/** When to look again whether it still makes progress. */
export function progressDeadlineAfterMs(
  { spec }: Deployment,
  { conditions = [] }: DeploymentStatus,
  nowMs: number,
): number | undefined {
  const progressing = conditions.find(({ type }) => type === 'Progressing');
  if (
    progressing === undefined ||
    !/^(?:NewReplicaSetCreated|ReplicaSetUpdated)$/.test(progressing.reason ?? '')
  )
    return undefined;
  const dueMs = Date.parse(progressing.lastUpdateTime ?? '') + (spec.progressDeadlineSeconds ?? 600) * 1000;
  return Math.max(1000, dueMs - nowMs);
}
