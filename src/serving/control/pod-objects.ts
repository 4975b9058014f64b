import { rfc3339 } from '../../apis/conditions.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import { KINDS, type Container, type Revision } from '../../apis/serving/types.ts';
import { NODE_NAME } from '../../apis/core/node.ts';
import { TERMINATING } from '../../apis/core/pod.ts';
import type { Resource } from '../../apis/resource.ts';
import { ownerOf } from '../../control/owned.ts';
import type { ContainerStatus, InstanceStatus } from '../runtime/instance-status.ts';
import { deployedContainers, pinned } from './deployed-containers.ts';
import { stateOf, terminatedOf } from './container-state.ts';
import { explained } from './pod-conditions.ts';

/** What is known of an instance, from which the status of its Pod is made. */
export type PodFacts = {
  readonly id: string;
  readonly startedMs: number;
  readonly atMs: number; // when the last of it became known
  readonly phase: 'starting' | 'ready' | 'draining' | 'crashed';
  /** As its runtime tells, if it does. */
  readonly status: InstanceStatus | undefined;
};

type Fields = Record<string, unknown>;

const DRAINING = 'it answers the requests that it has, and gets no new ones';

/** The Pod that stands for an instance of a revision (serving pkg/reconciler/revision/resources/deploy.go). */
export function podOf(revision: Revision, id: string): Resource {
  const { name, namespace, labels = {} } = revision.metadata;
  const { containers = [], initContainers = [], volumes, serviceAccountName } = revision.spec;
  const { containerStatuses = [], initContainerStatuses = [] } = revision.status ?? {};
  return {
    ...KINDS.pod,
    metadata: {
      name: id,
      ...(namespace !== undefined && { namespace }),
      labels: {
        ...labels,
        app: name,
        [LABELS.revision]: name,
        [LABELS.revisionUid]: revision.metadata.uid ?? '',
      },
      ownerReferences: [ownerOf(revision)],
    },
    spec: {
      nodeName: NODE_NAME,
      ...(serviceAccountName !== undefined && { serviceAccountName }),
      ...(initContainers.length > 0 && {
        initContainers: pinned(initContainers, initContainerStatuses),
      }),
      containers: deployedContainers(containers, containerStatuses),
      ...(volumes !== undefined && { volumes }),
    },
  } as Resource;
}

/** core/v1 PodStatus, as kubelet would write it. */
export function podStatusOf({ spec }: Revision, facts: PodFacts): Fields {
  const { startedMs, atMs, phase, status } = facts;
  const isReady = phase === 'ready' && (status?.isReady ?? true);
  const namesOf = (containers: readonly Container[] = []): readonly string[] =>
    containers.map(({ name = 'user-container' }) => name);
  const shown = (name: string, known: readonly ContainerStatus[] = []): Fields =>
    containerStatus(known.find((each) => each.name === name) ?? unknownStatus(name, facts), facts);
  const initNames = namesOf(spec.initContainers);
  const isInitialized = initNames.length === 0 || phase === 'ready' || isPastInit(status);
  const hasStarted =
    phase !== 'starting' || (status?.containers.some(({ state }) => state.kind !== 'waiting') ?? false);
  const conditions = {
    Initialized: isInitialized,
    PodScheduled: true,
    ContainersReady: isReady,
    Ready: isReady,
  };
  const initContainers = initNames.map((name) => shown(name, status?.initContainers));
  const containers = [
    ...namesOf(spec.containers).map((name) => shown(name, status?.containers)),
    containerStatus({ ...unknownStatus('queue-proxy', facts), isReady }, facts),
  ];
  const stated = Object.entries(conditions).map(([type, is]) => ({
    type,
    status: is ? 'True' : 'False',
    lastTransitionTime: rfc3339(atMs),
  }));
  return {
    phase: hasStarted ? 'Running' : 'Pending',
    // The object goes when the instance is gone; until then kubectl shows this in place of the phase.
    ...(phase === 'draining' && { reason: TERMINATING, message: DRAINING }),
    podIP: '127.0.0.1',
    hostIP: '127.0.0.1',
    startTime: rfc3339(startedMs),
    conditions: explained(stated, { containers, initContainers }),
    ...(initNames.length > 0 && { initContainerStatuses: initContainers }),
    containerStatuses: containers,
  };
}

function isPastInit(status: InstanceStatus | undefined): boolean {
  const { initContainers = [] } = status ?? {};
  return (
    initContainers.length > 0 &&
    initContainers.every(({ state }) => state.kind === 'terminated' && state.exitCode === 0)
  );
}

/** Of a container that its runtime tells nothing of: what is known of the whole. */
function unknownStatus(name: string, { phase, startedMs }: PodFacts): ContainerStatus {
  const isUp = phase === 'ready' || phase === 'draining';
  return {
    name,
    state: isUp ? { kind: 'running', startedMs } : { kind: 'waiting', reason: 'ContainerCreating' },
    isReady: phase === 'ready',
    isStarted: isUp,
    restarts: 0,
    last: undefined,
  };
}

function containerStatus(
  { name, state, isReady, isStarted, restarts, last }: ContainerStatus,
  { id, phase }: PodFacts,
): Fields {
  const isBackingOff = phase === 'crashed' && state.kind === 'terminated';
  const ended = isBackingOff ? state : last;
  const message = `back-off restarting failed container=${name} pod=${id}`;
  return {
    name,
    image: name,
    ready: isReady && phase === 'ready',
    started: isStarted,
    restartCount: restarts,
    state: isBackingOff ? { waiting: { reason: 'CrashLoopBackOff', message } } : stateOf(state),
    ...(ended !== undefined && { lastState: { terminated: terminatedOf(ended) } }),
  };
}
