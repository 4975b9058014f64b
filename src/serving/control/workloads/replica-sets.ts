import { REPLICA_SET, type ReplicaSet } from '../../../apis/apps/replica-set.ts';
import { POD, SELF_LABEL, type Pod } from '../../../apis/core/pod.ts';
import { ownedBy } from '../../../control/controller.ts';
import { EventRecorder } from '../../../control/recorder.ts';
import { instanceSuffix } from '../../instance-name.ts';
import type { ResolveImage } from '../pin-image.ts';
import { claim, claimants } from './claim.ts';
import { withoutZeros } from './conditions.ts';
import { normal } from './told.ts';
import { startLoop, type Loop, type LoopTools, type Passed } from './loop.ts';
import { imagesIn, pinnedAnnotation } from './pinned-images.ts';
import { isOver, isReadyPod } from './pod-status.ts';
import { podOfTemplate } from './template-pod.ts';

/** Kubernetes says 0; then a program that has no readiness probe and ends at once is available for a moment, each time. */
const LEAST_READY_MS = 1000;
/** So many Pods one ReplicaSet may have: they are processes of one machine. */
export const REPLICAS_MAX = 100;

/** Keeps as many Pods as each ReplicaSet wants (kubernetes pkg/controller/replicaset). */
export function startReplicaSets(tools: LoopTools, resolveImage: ResolveImage): Loop {
  const { cluster, clock, random } = tools;
  const recorder = new EventRecorder(cluster, clock, 'replicaset-controller');
  const pass = async (set: ReplicaSet): Promise<Passed> => {
    const { namespace } = set.metadata;
    const pods = await claim<Pod>(cluster, set, POD, isAdoptable);
    for (const pod of pods.filter(isOver)) await cluster.remove(POD, namespace, pod.metadata.name);
    const active = pods.filter((pod) => !isOver(pod));
    const wanted = Math.min(set.spec.replicas ?? 1, REPLICAS_MAX);
    const pinned = await pin(set);
    for (let count = active.length; count < wanted; count += 1) {
      const made = await cluster.apply(
        podOfTemplate(pinned, `${set.metadata.name}-${instanceSuffix(random)}`),
      );
      await recorder.tell(set, normal('SuccessfulCreate', `Created pod: ${made.metadata.name}`));
    }
    const spare = active.toSorted(byWorth).slice(0, Math.max(0, active.length - wanted));
    for (const pod of spare) {
      await cluster.remove(POD, namespace, pod.metadata.name);
      await recorder.tell(set, normal('SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`));
    }
    return statusOf(
      set,
      active.filter((pod) => !spare.includes(pod)),
      clock.nowMs(),
    );
  };
  /** Of the template that it has for good. */
  const pin = async (set: ReplicaSet): Promise<ReplicaSet> => {
    const annotations = pinnedAnnotation(set.spec.template ?? {}, imagesIn(set), resolveImage);
    const metadata = { ...set.metadata, annotations: { ...set.metadata.annotations, ...annotations } };
    return cluster.apply({ ...set, metadata });
  };
  const watches = [
    { kind: POD, concerns: ownedBy('ReplicaSet') },
    { kind: POD, concerns: claimants(tools.informers, REPLICA_SET) },
  ];
  return startLoop<ReplicaSet>(tools, REPLICA_SET, watches, pass);
}

/** One that is over is of no use to anybody, and what stands for the platform's own parts is no Pod that runs. */
function isAdoptable(pod: Pod): boolean {
  return !isOver(pod) && pod.metadata.labels?.[SELF_LABEL] === undefined;
}

/** Those that are not ready go first, then the youngest. */
function byWorth(a: Pod, b: Pod): number {
  if (isReadyPod(a) !== isReadyPod(b)) return isReadyPod(a) ? 1 : -1;
  return (b.metadata.creationTimestamp ?? '') < (a.metadata.creationTimestamp ?? '') ? -1 : 1;
}

function statusOf(set: ReplicaSet, pods: readonly Pod[], nowMs: number): Passed {
  const ready = pods.filter(isReadyPod);
  const untilMs = ready.map((pod) => availableAtMs(pod, set.spec.minReadySeconds ?? 0));
  const available = untilMs.filter((ms) => ms <= nowMs).length;
  const next = Math.min(...untilMs.filter((ms) => ms > nowMs));
  return {
    status: {
      observedGeneration: set.metadata.generation ?? 1,
      replicas: pods.length,
      ...withoutZeros({
        fullyLabeledReplicas: pods.length,
        readyReplicas: ready.length,
        availableReplicas: available,
      }),
    },
    againAfterMs: Number.isFinite(next) ? Math.max(1, next - nowMs) : undefined,
  };
}

/** A time is written in whole seconds, so up to one of them may be missing. */
function availableAtMs({ spec, status }: Pod, minReadySeconds: number): number {
  const since = status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? '';
  const isProbed = (spec?.containers ?? []).some(
    ({ readinessProbe, ports = [] }) => readinessProbe !== undefined || ports.length > 0,
  );
  const leastMs = Math.max(minReadySeconds * 1000, isProbed ? 0 : LEAST_READY_MS);
  return Date.parse(since) + leastMs + (leastMs > 0 ? 1000 : 0);
}
