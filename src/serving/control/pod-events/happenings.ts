import type { ContainerStatusFields, Pod } from '../../../apis/core/pod.ts';
import type { Told } from '../../../control/reconciler.ts';
import type { ProbeFault } from '../../../telemetry/signals.ts';

/** What kubelet or the scheduler would say of a Pod; `fieldPath` names the container. */
export type Happening = Told & {
  readonly component: 'kubelet' | 'default-scheduler';
  readonly fieldPath?: string;
};

type Role = 'containers' | 'initContainers';
type Fields = Readonly<Record<string, unknown>>;

/** It stands for the gateway: nothing is pulled or started for it. */
const GATEWAY = 'queue-proxy';

/**
 * What happened to a Pod between two of its states, in the words of Kubernetes 1.34 (pkg/kubelet, pkg/scheduler); `before`
 * is undefined of a new one. What came and went in between is not told.
 */
export function happenings(before: Pod | undefined, after: Pod): readonly Happening[] {
  const { namespace, name } = after.metadata;
  const message = `Successfully assigned ${namespace}/${name} to ${nodeOf(after)}`;
  const scheduled: Happening = { ...normal('Scheduled', message), component: 'default-scheduler' };
  return [
    ...(before === undefined ? [scheduled] : []),
    ...containersOf(before, after).flatMap((each) => ofContainer(after, each)),
    ...ofWhole(before, after),
  ];
}

export function nodeOf({ spec }: Pod): string {
  return String(Reflect.get(Object(spec), 'nodeName') ?? 'localhost');
}

/** What is said of a Pod that is gone, or is to go. One that waits for another start has nothing to be stopped. */
export function stopping(pod: Pod): readonly Happening[] {
  const { phase } = pod.status ?? {};
  if (phase === 'Succeeded' || phase === 'Failed') return [];
  return containersOf(undefined, pod)
    .filter(({ role, now }) => role === 'containers' && !('waiting' in now.state))
    .map(({ now, role }) => ({
      ...normal('Killing', `Stopping container ${now.name}`),
      ...place(role, now.name),
    }));
}

export function ofProbe(container: string, { probe, fault, isLast }: ProbeFault): Happening {
  const told = isLast
    ? normal('Killing', `Container ${container} failed ${probe.toLowerCase()} probe, will be restarted`)
    : warning('Unhealthy', `${probe} probe failed: ${fault}`);
  return { ...told, ...place('containers', container) };
}

type Seen = {
  readonly role: Role;
  readonly image: string;
  readonly was: ContainerStatusFields | undefined;
  readonly now: ContainerStatusFields;
};

function containersOf(before: Pod | undefined, { spec, status }: Pod): readonly Seen[] {
  const of = (
    role: Role,
    statuses: readonly ContainerStatusFields[] = [],
    former: readonly ContainerStatusFields[] = [],
  ): readonly Seen[] =>
    statuses
      .filter(({ name }) => name !== GATEWAY)
      .map((now) => ({
        role,
        image: spec?.[role]?.find(({ name = 'user-container' }) => name === now.name)?.image ?? now.image,
        was: former.find(({ name }) => name === now.name),
        now,
      }));
  return [
    ...of('initContainers', status?.initContainerStatuses, before?.status?.initContainerStatuses),
    ...of('containers', status?.containerStatuses, before?.status?.containerStatuses),
  ];
}

function ofContainer(pod: Pod, seen: Seen): readonly Happening[] {
  const { role, image, was, now } = seen;
  const told = [
    ...(hasStarted(was, now)
      ? [
          normal('Pulled', `Container image ${JSON.stringify(image)} already present on machine`),
          normal('Created', `Created container: ${now.name}`),
          normal('Started', `Started container ${now.name}`),
        ]
      : []),
    ...outOfMemory(was, now),
    ...waiting(pod, seen),
  ];
  return told.map((each) => ({ ...each, ...place(role, now.name) }));
}

/** It runs, or has run, and is not the run that was seen before. */
function hasStarted(was: ContainerStatusFields | undefined, now: ContainerStatusFields): boolean {
  const ran = ({ state }: ContainerStatusFields): boolean =>
    'running' in state || (stateOf(state, 'terminated')?.['exitCode'] ?? START_ERROR) !== START_ERROR;
  const isAnother = was === undefined || !ran(was) || was.restartCount !== now.restartCount;
  return ran(now) && isAnother;
}
/** Kubernetes' exit code of a container that could not be started. */
const START_ERROR = 128;

function outOfMemory(was: ContainerStatusFields | undefined, now: ContainerStatusFields): readonly Told[] {
  const ended = lastEnd(now);
  const isNew = ended?.['finishedAt'] !== (was && lastEnd(was))?.['finishedAt'];
  if (ended?.['reason'] !== 'OOMKilled' || !isNew) return [];
  const message = textOf(ended['message']) || 'it used more memory than its limit';
  return [warning('OOMKilling', `Container ${now.name}: ${message}`)];
}

function lastEnd({ state, lastState = {} }: ContainerStatusFields): Fields | undefined {
  return stateOf(state, 'terminated') ?? stateOf(lastState, 'terminated');
}

function waiting({ metadata }: Pod, { image, was, now }: Seen): readonly Told[] {
  const [before, after] = [was && stateOf(was.state, 'waiting'), stateOf(now.state, 'waiting')];
  const isNew = before?.['reason'] !== after?.['reason'] || was?.restartCount !== now.restartCount;
  if (after === undefined || !isNew) return [];
  const message = textOf(after['message']);
  switch (after['reason']) {
    case 'CrashLoopBackOff': {
      const { name, namespace, uid } = metadata;
      const where = `${name}_${namespace}(${uid})`;
      return [warning('BackOff', `Back-off restarting failed container ${now.name} in pod ${where}`)];
    }
    case 'ErrImagePull':
      return [
        warning('Failed', `Failed to pull image ${JSON.stringify(image)}: ${message}`),
        warning('Failed', 'Error: ErrImagePull'),
      ];
    case 'ImagePullBackOff':
      return [
        normal('BackOff', `Back-off pulling image ${JSON.stringify(image)}`),
        warning('Failed', 'Error: ImagePullBackOff'),
      ];
    case 'ErrImageNeverPull':
      return [warning('ErrImageNeverPull', message), warning('Failed', 'Error: ErrImageNeverPull')];
    case 'CreateContainerConfigError':
    case 'RunContainerError':
      return [warning('Failed', `Error: ${message}`)];
    default:
      return [];
  }
}

function ofWhole(before: Pod | undefined, after: Pod): readonly Happening[] {
  const { reason, message = '' } = after.status ?? {};
  if (reason !== 'DeadlineExceeded' || before?.status?.reason === reason) return [];
  return [{ ...normal(reason, message), component: 'kubelet' }];
}

function place(role: Role, name: string): Pick<Happening, 'component' | 'fieldPath'> {
  return { component: 'kubelet', fieldPath: `spec.${role}{${name}}` };
}

function stateOf(state: Fields, kind: 'waiting' | 'terminated'): Fields | undefined {
  const found = state[kind];
  return typeof found === 'object' && found !== null ? (found as Fields) : undefined;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const normal = (reason: string, message: string): Told => ({ type: 'Normal', reason, message });
const warning = (reason: string, message: string): Told => ({ type: 'Warning', reason, message });
