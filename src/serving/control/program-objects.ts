import { rfc3339 } from '../../apis/conditions.ts';
import { KINDS } from '../../apis/serving/types.ts';
import type { Resource } from '../../apis/resource.ts';
import { ownerOf } from '../../control/owned.ts';
import type { Standing } from '../programs/program.ts';
import type { Deployment } from './program-plan.ts';

const UNAVAILABLE = 'Deployment does not have minimum availability.';

/** The Pod that stands for an instance of a program (core/v1). */
export function programPod(deployment: Deployment, { id, generation }: Standing): Resource {
  const { namespace } = deployment.metadata;
  const { template } = deployment.spec ?? {};
  return {
    ...KINDS.pod,
    metadata: {
      name: id,
      ...(namespace !== undefined && { namespace }),
      labels: { ...template?.metadata?.labels, 'pod-template-hash': generation },
      ownerReferences: [ownerOf(deployment)],
    },
    spec: { nodeName: 'localhost', containers: template?.spec?.containers ?? [] },
  } as Resource;
}

export function programPodStatus(deployment: Deployment, standing: Standing): Record<string, unknown> {
  const { state, restarts, sinceMs, trouble } = standing;
  const ready = state === 'running';
  const at = rfc3339(sinceMs);
  const isUp = ready || state === 'stopping';
  const waiting = {
    reason: state === 'pausing' ? 'CrashLoopBackOff' : 'ContainerCreating',
    message: trouble?.reason,
  };
  const containers = deployment.spec?.template?.spec?.containers ?? [];
  return {
    phase: isUp || restarts > 0 ? 'Running' : 'Pending',
    podIP: '127.0.0.1',
    hostIP: '127.0.0.1',
    conditions: ['Initialized', 'PodScheduled', 'ContainersReady', 'Ready'].map((type) => ({
      type,
      status: ready || !/Ready/.test(type) ? 'True' : 'False',
    })),
    containerStatuses: containers.map(({ name = '', image = '' }) => ({
      name,
      image,
      ready,
      restartCount: restarts,
      state: isUp ? { running: { startedAt: at } } : { waiting },
    })),
  };
}

/** What `kubectl get deploy` and the ContainerSource read (apps/v1 DeploymentStatus); `problem` is why it has no plan. */
export function programStatus(
  deployment: Deployment,
  all: readonly Standing[],
  generation: string,
  problem: string | undefined,
): Record<string, unknown> {
  const standing = all.filter(({ state }) => state !== 'stopping');
  const count = (is: (each: Standing) => boolean): number => standing.filter(is).length;
  const ready = count(({ state }) => state === 'running');
  const available = count(({ isAvailable }) => isAvailable);
  const trouble = standing.find((each) => !each.isAvailable && each.trouble !== undefined)?.trouble;
  const isAvailable = problem === undefined && available >= (deployment.spec?.replicas ?? 1);
  return {
    observedGeneration: deployment.metadata.generation ?? 1,
    ...withoutZeros({
      replicas: standing.length,
      updatedReplicas: count((each) => each.generation === generation),
      readyReplicas: ready,
      availableReplicas: available,
      unavailableReplicas: standing.length - available,
    }),
    conditions: [
      {
        type: 'Available',
        status: isAvailable ? 'True' : 'False',
        reason: isAvailable ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
        message: isAvailable
          ? 'Deployment has minimum availability.'
          : (problem ?? (trouble === undefined ? UNAVAILABLE : `Container failed with: ${trouble.reason}`)),
      },
      { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' },
    ],
  };
}

/** As Go leaves them out. */
function withoutZeros(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
