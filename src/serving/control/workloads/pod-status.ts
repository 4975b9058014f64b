import { rfc3339 } from '../../../apis/conditions.ts';
import type { ContainerStatusFields, Pod, PodStatus } from '../../../apis/core/pod.ts';
import { qosClassOf } from '../../../apis/core/qos-class.ts';
import type { Container } from '../../../apis/serving/types.ts';
import type { PodStanding } from '../../pods/pod-life.ts';
import type { Terminated } from '../../runtime/instance-status.ts';
import { stateOf, terminatedOf } from '../container-state.ts';
import { explained } from '../pod-conditions.ts';

/** Why a Pod cannot be started yet, in kubelet's word and in ours. */
export type PodProblem = { readonly reason: string; readonly message: string };
type Fields = Readonly<Record<string, unknown>>;

/** Of which container the whole stands and falls: the one with ports, else the first (runtime.ts, mainContainer). */
export function mainContainerOf({ spec = {} }: Pod): Container {
  const { containers = [] } = spec;
  return containers.find(({ ports = [] }) => ports.length > 0) ?? containers[0] ?? {};
}

/** Where all of them are. */
const PLACE: object = {
  hostIP: '127.0.0.1',
  hostIPs: [{ ip: '127.0.0.1' }],
  podIP: '127.0.0.1',
  podIPs: [{ ip: '127.0.0.1' }],
};

export type PodFacts = {
  readonly standing: PodStanding | undefined; // it runs, or did
  readonly problem: PodProblem | undefined;
  readonly images: ReadonlyMap<string, string>; // by container
  /** What of it is not done here: each a sentence. */
  readonly ignored: readonly string[];
  readonly nowMs: number;
};

/** core/v1 PodStatus, as kubelet would write it. */
export function podStatusOf(pod: Pod, facts: PodFacts): PodStatus {
  const { standing, nowMs } = facts;
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const { result } = standing ?? {};
  const isReady = standing?.isReady ?? false;
  const isInitialized =
    initContainers.length === 0 || (standing !== undefined && standing.state !== 'starting');
  const conditions = {
    Initialized: isInitialized,
    Ready: isReady,
    ContainersReady: isReady,
    PodScheduled: true,
  };
  const hasRun = standing !== undefined && (standing.state !== 'starting' || standing.restarts > 0);
  const isLate = result?.reason === 'DeadlineExceeded';
  const phase = result?.phase ?? (hasRun ? 'Running' : 'Pending');
  const inits = initContainers.map((each) => statusOf(each, pod, facts, 'init'));
  const mains = containers.map((each) => statusOf(each, pod, facts, 'main'));
  const stated = Object.entries(conditions).map(([type, is]) => conditionOf(pod, type, is, nowMs));
  return {
    phase,
    ...(result?.reason !== undefined && { reason: result.reason }),
    ...(isLate && { message: 'Pod was active on the node longer than the specified deadline' }),
    ...PLACE,
    qosClass: qosClassOf(pod.spec),
    startTime: pod.status?.startTime ?? rfc3339(standing?.startedMs ?? nowMs),
    conditions: [
      ...explained(stated, { phase, containers: mains, initContainers: inits }),
      ...honouredOf(pod, facts),
    ],
    ...(inits.length > 0 && { initContainerStatuses: inits }),
    containerStatuses: mains,
  };
}

/** What was asked for and is not done is never kept quiet. */
function honouredOf(pod: Pod, { ignored, nowMs }: PodFacts): NonNullable<PodStatus['conditions']> {
  if (ignored.length === 0) return [];
  const told = conditionOf(pod, 'SpecHonoured', false, nowMs);
  return [{ ...told, reason: 'PartlyIgnored', message: ignored.join('\n') }];
}

function conditionOf(
  { status }: Pod,
  type: string,
  is: boolean,
  nowMs: number,
): { readonly type: string; readonly status: string; readonly lastTransitionTime: string } {
  const known = status?.conditions?.find((each) => each.type === type);
  const value = is ? 'True' : 'False';
  const since = known?.status === value ? known.lastTransitionTime : undefined;
  return { type, status: value, lastTransitionTime: since ?? rfc3339(nowMs) };
}

function statusOf(
  container: Container,
  pod: Pod,
  { standing, problem, images }: PodFacts,
  role: 'init' | 'main',
): ContainerStatusFields {
  const { name = '', image = '' } = container;
  const told = (role === 'init' ? standing?.told?.initContainers : standing?.told?.containers)?.find(
    (each) => each.name === name,
  );
  const isMain = role === 'main' && mainContainerOf(pod).name === name;
  const state =
    isMain || told === undefined ? stateBy(standing, problem, name, pod, role) : stateOf(told.state);
  const last = isMain ? lastOf(standing) : told?.last;
  const isRunning = 'running' in state;
  return {
    name,
    image,
    imageID: images.get(name) ?? '',
    ready:
      role === 'init'
        ? standing?.state === 'running'
        : isRunning && (isMain ? standing?.isReady : (told?.isReady ?? standing?.isReady)) === true,
    started: isRunning,
    restartCount: isMain ? (standing?.restarts ?? 0) : (told?.restarts ?? 0),
    state,
    ...(last !== undefined && { lastState: { terminated: terminatedOf(last) } }),
  };
}

/** What is known of the whole, of a container that its runtime has told nothing of. */
function stateBy(
  standing: PodStanding | undefined,
  problem: PodProblem | undefined,
  name: string,
  { metadata }: Pod,
  role: 'init' | 'main',
): Fields {
  if (standing === undefined) return { waiting: problem ?? { reason: 'ContainerCreating' } };
  const { state, last, trouble, sinceMs, startedMs } = standing;
  if (state === 'starting')
    return { waiting: { reason: role === 'init' ? 'PodInitializing' : 'ContainerCreating' } };
  if (role === 'init')
    return {
      terminated: {
        exitCode: 0,
        reason: 'Completed',
        startedAt: rfc3339(startedMs),
        finishedAt: rfc3339(sinceMs),
      },
    };
  if (state === 'over' && last !== undefined) return { terminated: terminatedOf(last) };
  if (state !== 'pausing') return { running: { startedAt: rfc3339(sinceMs) } };
  const isUnstartable = trouble?.kind === 'start' && !trouble.code.startsWith('ExitCode');
  const message = isUnstartable
    ? trouble.reason
    : `back-off restarting failed container=${name} pod=${metadata.name}_${metadata.namespace ?? ''}(${metadata.uid ?? ''})`;
  return { waiting: { reason: isUnstartable ? 'RunContainerError' : 'CrashLoopBackOff', message } };
}

/** One that is over stands in its state. */
function lastOf(standing: PodStanding | undefined): Terminated | undefined {
  return standing?.state === 'over' ? undefined : standing?.last;
}

/** Why a Pod is not ready, for people who look at what has made it; undefined: nothing is known to be wrong. */
export function whyNotReady({ status }: Pod): string | undefined {
  for (const { state, lastState } of status?.containerStatuses ?? []) {
    const [waiting, terminated] = [state['waiting'], lastState?.['terminated'] ?? state['terminated']];
    const ended: unknown = Reflect.get(Object(terminated), 'message');
    if (typeof ended === 'string' && !('running' in state)) return `Container failed with: ${ended}`;
    const message: unknown = Reflect.get(Object(waiting), 'message');
    if (typeof message === 'string') return message;
  }
  return undefined;
}

export function isReadyPod({ status }: Pod): boolean {
  return (status?.conditions ?? []).some(({ type, status: is }) => type === 'Ready' && is === 'True');
}

/** It will not run again. */
export function isOver({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
