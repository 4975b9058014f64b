import Type from 'typebox';
import type { FieldError } from '../kind.ts';
import { POD_RULES } from '../patch-rules.ts';
import type { Resource } from '../resource.ts';
import { openObject } from '../schema.ts';
import { AGE, at, core, shown, type Open } from './core-kinds.ts';
import { NODE_NAME } from './node.ts';
import { podSpecWarnings } from './pod-warnings.ts';
import { podSpecErrors, podSpecSchema, withPodDefaults, type PodSpec } from './pod-spec.ts';

/** core/v1 Pod, as far as it is read here. */
export type Pod = Resource & {
  readonly spec?: PodSpec;
  readonly status?: PodStatus;
};
export type PodStatus = {
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
  readonly reason?: string;
  readonly message?: string;
  readonly startTime?: string;
  readonly qosClass?: string;
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason?: string;
    readonly message?: string;
    readonly lastTransitionTime?: string;
  }[];
  readonly containerStatuses?: readonly ContainerStatusFields[];
  readonly initContainerStatuses?: readonly ContainerStatusFields[];
};
/** core/v1 ContainerStatus. */
export type ContainerStatusFields = {
  readonly name: string;
  readonly image: string;
  readonly imageID: string;
  readonly ready: boolean;
  readonly started: boolean;
  readonly restartCount: number;
  readonly state: Readonly<Record<string, unknown>>;
  readonly lastState?: Readonly<Record<string, unknown>>;
};

/** The platform's own objects have it. */
export const SELF_LABEL = 'platform.millrace.dev/self';

/** The reason of a Pod whose instance is on its way out. */
export const TERMINATING = 'Terminating';

export const POD = { apiVersion: 'v1', kind: 'Pod' } as const;

export const podKind = core({
  kind: 'Pod',
  plural: 'pods',
  shortNames: ['po'],
  categories: ['all'],
  subresources: { status: true },
  patchRules: POD_RULES,
  schema: Type.Object({
    spec: Type.Optional(podSpecSchema),
    status: Type.Optional(openObject('How it runs.')),
  }),
  columns: [
    { name: 'Ready', type: 'string', from: readyContainers },
    { name: 'Status', type: 'string', from: podStatus },
    {
      name: 'Restarts',
      type: 'integer',
      from: (pod) =>
        containerStatuses(pod).reduce<number>((sum, each) => sum + Number(at(each, 'restartCount') ?? 0), 0),
    },
    AGE,
    { name: 'IP', type: 'string', from: '.status.podIP', priority: 1 },
    { name: 'Node', type: 'string', from: '.spec.nodeName', priority: 1 },
    { name: 'Nominated Node', type: 'string', from: () => '<none>', priority: 1 },
    { name: 'Readiness Gates', type: 'string', from: () => '<none>', priority: 1 },
  ],
  setDefaults: (object) => (isBare(object) ? withDefaults(object) : object),
  validate: (object) => (isBare(object) ? podErrors(object) : []),
  warn: (object) => podSpecWarnings((object as Pod).spec, 'spec'),
});

function containerStatuses(pod: Resource): unknown[] {
  const found = at(pod, 'status', 'containerStatuses');
  return Array.isArray(found) ? found : [];
}

function readyContainers(pod: Resource): string {
  const all = containerStatuses(pod);
  const wanted = at(pod, 'spec', 'containers');
  const total = Array.isArray(wanted) ? wanted.length : all.length;
  return `${all.filter((each) => at(each, 'ready') === true).length}/${total}`;
}

/** A user's own; what the platform makes says all there is to say. */
function isBare({ metadata }: Resource): boolean {
  return (metadata.ownerReferences ?? []).length === 0 && metadata.labels?.[SELF_LABEL] === undefined;
}

function withDefaults(object: Open): Open {
  return { ...object, spec: withPlace(withPodDefaults((object['spec'] ?? {}) as PodSpec)) };
}

/** What a scheduler and the admission of service accounts add to what a Pod says. */
export function withPlace(spec: PodSpec): PodSpec {
  const account = spec.serviceAccountName || 'default';
  return { nodeName: NODE_NAME, ...spec, serviceAccountName: account, serviceAccount: account };
}

function podErrors(object: Open): readonly FieldError[] {
  return podSpecErrors((object['spec'] ?? {}) as PodSpec, 'spec', ['Always', 'OnFailure', 'Never']);
}

/** What kubectl shows in STATUS: a waiting or terminated reason before the phase. */
function podStatus(pod: Resource): string {
  const whole = at(pod, 'status', 'reason');
  if (pod.metadata.deletionTimestamp !== undefined || whole === TERMINATING) return TERMINATING;
  const reasons = containerStatuses(pod).flatMap((each) => [
    at(each, 'state', 'waiting', 'reason'),
    at(each, 'state', 'terminated', 'reason'),
  ]);
  const told = [...reasons, whole].find((reason) => typeof reason === 'string');
  return told ?? shown(pod, 'Pending', 'status', 'phase');
}
