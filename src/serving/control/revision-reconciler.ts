import { messageOf } from '../../base/errors.ts';
import { conditionOf, isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import { REVISION_CONDITIONS } from '../../apis/serving/revision/status.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import type { Resource } from '../../apis/resource.ts';
import { KINDS, type Container, type PinnedImage, type Revision } from '../../apis/serving/types.ts';
import { settled, type Outcome, type Reconciler } from '../../control/reconciler.ts';
import { isRefused, type ResourceClient } from '../../control/resource-client.ts';
import { ownerOf } from '../../control/owned.ts';
import { deploymentName } from '../instance-name.ts';
import type { ScalePlan } from '../plan.ts';
import type { ContainerSpec } from '../runtime/container-spec.ts';
import { activeFrom, activeMark } from './active.ts';
import { podAutoscalerOf } from './autoscaler-objects.ts';
import { deployedContainers } from './deployed-containers.ts';
import type { FetchImage } from './engine-image.ts';
import { coldReasons, idleAnnotations } from './own-start.ts';
import { pinContainers, type Missing, type ResolveImage } from './pin-image.ts';
import { unschedulable, type Machine } from './scheduling.ts';

/** How a revision's instances stand, as the activator knows. */
export type InstanceView = (key: string) => {
  readonly ready: number;
  readonly desired: number;
  /** Why none is ready, as long as none is. */
  readonly trouble: { readonly code: string; readonly reason: string } | undefined;
  /** Whether it has had in this run as many ready instances as it starts with. */
  readonly hasBeenReady: boolean;
  /** How it scales; absent while the data plane has no plan of it. */
  readonly scale?: ScalePlan | undefined;
  /** What of its spec is not done where it runs, each with what to do about it. */
  readonly ignored?: readonly string[];
  /** Of its plan; absent or none while there is none. */
  readonly containers?: readonly ContainerSpec[];
};

export type RevisionSettings = {
  readonly resolveImage: ResolveImage;
  /** Of a container engine; absent: there is none. */
  readonly fetchImage?: FetchImage | undefined;
  readonly instances: InstanceView;
  /** What a new revision has to fit on; absent: anything fits. */
  readonly machine?: Machine;
  /** Where the logs of a revision are, `${REVISION_UID}` for its uid; undefined: `kubectl logs` has them. */
  readonly logUrlTemplate?: () => string | undefined;
};

const LOOK_AGAIN_MS = 10_000;
const PENDING_MS = 500;
/** Of a revision that the data plane has no plan of. */
const UNPLANNED = { scaler: { kind: 'kpa' }, minScale: 0, initialScale: 1 } as const;

/** Pins the image, makes the Deployment, and tells how the instances stand (serving pkg/reconciler/revision). */
export function revisionReconciler(
  cluster: ResourceClient,
  settings: RevisionSettings,
): Reconciler<Revision> {
  return {
    kind: KINDS.revision,
    conditions: REVISION_CONDITIONS,
    async reconcile(revision) {
      const { spec, status: before } = revision;
      const { containers = [], initContainers = [] } = spec;
      const unfit = settings.machine && unschedulable(containers, initContainers, settings.machine);
      const isNew = before?.containerStatuses === undefined;
      if (unfit !== undefined && isNew) return cannotBe('Unschedulable', unfit);
      const { fetchImage } = settings;
      const fetch = fetchImage && ((container: Container) => fetchImage(revision, container));
      const pin = (containers: readonly Container[] | undefined, known: readonly PinnedImage[] | undefined) =>
        pinContainers(settings.resolveImage, fetch, containers ?? [], known);
      const pinned = await pin(spec.containers, before?.containerStatuses);
      if (pinned === undefined) return imagePending();
      if ('message' in pinned) return imageMissing(pinned);
      const pinnedInits = await pin(spec.initContainers, before?.initContainerStatuses);
      if (pinnedInits === undefined) return imagePending();
      if ('message' in pinnedInits) return imageMissing(pinnedInits);
      const { namespace = '', name } = revision.metadata;
      const view = settings.instances(`${namespace}/${name}`);
      const deployment = await cluster
        .apply(deploymentOf(revision, pinned, view.desired))
        .catch((error: unknown) => (isRefused(error) ? messageOf(error) : Promise.reject(error)));
      if (typeof deployment === 'string') return cannotBe('FailedCreate', deployment);
      await cluster.patchStatus({ ...deployment, status: deploymentStatus(deployment, view) });
      await cluster.apply(podAutoscalerOf(revision));
      const status = {
        containerStatuses: pinned,
        ...(pinnedInits.length > 0 && { initContainerStatuses: pinnedInits }),
        ...logUrlOf(revision, settings),
        actualReplicas: view.ready,
        desiredReplicas: view.desired,
      };
      return outcomeOf(revision, view, status);
    },
  };
}

/** serving pkg/reconciler/revision/revision.go. */
const BECAME_READY = {
  type: 'Normal',
  reason: 'RevisionReady',
  message: 'Revision becomes ready upon all resources being ready',
} as const;

/** Upstream's reason while digests are being found (serving pkg/apis/serving/v1: ReasonResolvingDigests). */
function imagePending(): Outcome {
  const marks = [
    isUnknown('ContainerHealthy', 'ResolvingDigests'),
    isUnknown('ResourcesAvailable', 'ResolvingDigests'),
  ];
  return { ...settled({}, ...marks), next: { afterMs: PENDING_MS } };
}

/** There is nothing to wait for: its spec can run nowhere here. */
function cannotBe(reason: string, message: string): Outcome {
  return settled(
    {},
    isUnknown('ContainerHealthy', reason, message),
    isFalse('ResourcesAvailable', reason, message),
  );
}

function logUrlOf({ metadata }: Revision, { logUrlTemplate }: RevisionSettings): { logUrl?: string } {
  const template = logUrlTemplate?.();
  return template === undefined ? {} : { logUrl: template.replaceAll('${REVISION_UID}', metadata.uid ?? '') };
}

function imageMissing({ reason, message }: Missing): Outcome {
  const marks = [
    isFalse('ContainerHealthy', reason, message),
    isUnknown('ResourcesAvailable', reason, message),
  ];
  return { ...settled({}, ...marks), next: { afterMs: LOOK_AGAIN_MS } };
}

function outcomeOf(revision: Revision, view: ReturnType<InstanceView>, status: Outcome['status']): Outcome {
  const active = activeOf(revision, view);
  const told = [active, ...ignoredMark(revision, view), ...coldMark(view)];
  if (view.trouble !== undefined) {
    const { code, reason } = view.trouble;
    const message = code.startsWith('ExitCode') ? `Container failed with: ${reason}` : reason;
    return settled(
      status,
      isFalse('ContainerHealthy', code, message),
      isFalse('ResourcesAvailable', code, message),
      ...told,
    );
  }
  const wasReady =
    revision.status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
  const isStarted = view.ready >= activeFrom(view.scale ?? UNPLANNED, false) || view.hasBeenReady;
  if (isStarted || wasReady) {
    const outcome = settled(status, isTrue('ContainerHealthy'), isTrue('ResourcesAvailable'), ...told);
    return wasReady ? outcome : { ...outcome, events: [BECAME_READY] };
  }
  return settled(
    status,
    isUnknown('ContainerHealthy', 'Deploying', starting(view)),
    isUnknown('ResourcesAvailable', 'Deploying', starting(view)),
    ...told,
  );
}

/** Upstream says nothing here. */
function starting({ ready, scale }: ReturnType<InstanceView>): string {
  if (scale === undefined) return 'its first instance is to be started';
  const withinS = scale.progressDeadlineMs / 1000;
  return `${ready} of ${activeFrom(scale, false)} instances ready; each has ${withinS} s to become so (annotation serving.knative.dev/progress-deadline)`;
}

/** Informs, and is no part of Ready: that something which was asked for is not done is never kept quiet. */
function ignoredMark(
  { metadata: { annotations = {} } }: Revision,
  { ignored = [], containers = [] }: ReturnType<InstanceView>,
): readonly Mark[] {
  const all = [...ignored, ...containers.flatMap((container) => idleAnnotations(annotations, container))];
  if (all.length === 0) return [];
  return [{ ...isFalse('SpecHonoured', 'PartlyIgnored', all.join('\n')), severity: 'Info' }];
}

/** Informs: its wakes take longer than those of other functions, and this is why. */
function coldMark({ containers = [] }: ReturnType<InstanceView>): readonly Mark[] {
  const reasons = coldReasons(containers);
  if (reasons.length === 0) return [];
  const message = `each instance starts by a process of its own, not from a warm runner, because of ${reasons.join(', ')}`;
  return [{ ...isFalse('WarmStart', 'OwnProcess', message), severity: 'Info' }];
}

/** Informs, and is no part of Ready: a revision at zero is as good as any. The PodAutoscaler says the same. */
function activeOf(revision: Revision, view: ReturnType<InstanceView>): Mark {
  const { ready, desired, trouble, hasBeenReady, scale = UNPLANNED } = view;
  const wasReady = conditionOf(revision.status, 'Ready')?.status === 'True';
  const standing = { ready, desired, hasFailed: trouble !== undefined, scale };
  const before = conditionOf(revision.status, 'Active');
  return { ...activeMark(standing, wasReady || hasBeenReady, before), severity: 'Info' };
}

function deploymentOf(
  revision: Revision,
  images: readonly PinnedImage[],
  replicas: number,
): Parameters<ResourceClient['apply']>[0] {
  const { name, namespace, labels = {} } = revision.metadata;
  const own = {
    ...labels,
    app: name,
    [LABELS.revision]: name,
    [LABELS.revisionUid]: revision.metadata.uid ?? '',
  };
  const containers = deployedContainers(revision.spec.containers ?? [], images);
  return {
    ...KINDS.deployment,
    metadata: {
      name: deploymentName(name),
      ...(namespace !== undefined && { namespace }),
      labels: own,
      ownerReferences: [ownerOf(revision)],
    },
    spec: {
      replicas,
      selector: { matchLabels: { [LABELS.revisionUid]: revision.metadata.uid } },
      template: { metadata: { labels: own }, spec: { containers } },
    },
  } as Parameters<ResourceClient['apply']>[0];
}

/** What `kubectl get deploy` and upstream's tests read (apps/v1 DeploymentStatus). */
function deploymentStatus(
  { metadata }: Resource,
  { ready, desired }: ReturnType<InstanceView>,
): Record<string, unknown> {
  const replicas = Math.max(ready, desired);
  const isAvailable = ready >= desired;
  return {
    observedGeneration: metadata.generation ?? 1,
    ...(replicas > 0 && { replicas, updatedReplicas: replicas }),
    ...(ready > 0 && { readyReplicas: ready, availableReplicas: ready }),
    conditions: [
      {
        type: 'Available',
        status: isAvailable ? 'True' : 'False',
        reason: isAvailable ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
      },
      { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' },
    ],
  };
}
