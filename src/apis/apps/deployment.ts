import { isDeepStrictEqual } from 'node:util';
import Type from 'typebox';
import { AGE, at, core, type Open } from '../core/core-kinds.ts';
import {
  invalid,
  notNegative,
  podSpecErrors,
  podTemplateSchema,
  requiredValue,
  unsupported,
  withTemplateDefaults,
  type PodTemplate,
} from '../core/pod-spec.ts';
import { podSpecWarnings } from '../core/pod-warnings.ts';
import type { AdmissionContext, FieldError } from '../kind.ts';
import { isSelected, labelSelector, type LabelSelector } from '../label-selector.ts';
import { WORKLOAD_RULES } from '../patch-rules.ts';
import { REPLICAS_SCALE } from './replicas-scale.ts';
import type { Resource } from '../resource.ts';
import { int32, openObject } from '../schema.ts';
import { selectorColumn, templateColumns } from './template-columns.ts';

/** apps/v1 Deployment, as far as it is read here. */
export type Deployment = Resource & {
  readonly spec: {
    readonly replicas?: number;
    readonly selector?: LabelSelector;
    readonly template?: PodTemplate;
    readonly strategy?: {
      readonly type?: string;
      readonly rollingUpdate?: {
        readonly maxSurge?: number | string;
        readonly maxUnavailable?: number | string;
      };
    };
    readonly minReadySeconds?: number;
    readonly revisionHistoryLimit?: number;
    readonly progressDeadlineSeconds?: number;
    readonly paused?: boolean;
  };
  readonly status?: DeploymentStatus;
};
export type DeploymentStatus = {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly updatedReplicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
  readonly unavailableReplicas?: number;
  readonly conditions?: readonly WorkloadCondition[];
};
export type WorkloadCondition = {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason?: string;
  readonly message?: string;
  readonly lastUpdateTime?: string;
  readonly lastProbeTime?: string;
  readonly lastTransitionTime?: string;
};

export const DEPLOYMENT = { apiVersion: 'apps/v1', kind: 'Deployment' } as const;

const count = (object: Open, ...path: string[]): number => Number(at(object, ...path) ?? 0);

export const deploymentKind = core({
  group: 'apps',
  kind: 'Deployment',
  plural: 'deployments',
  shortNames: ['deploy'],
  categories: ['all'],
  subresources: { status: true, scale: REPLICAS_SCALE },
  patchRules: WORKLOAD_RULES,
  schema: Type.Object({
    spec: Type.Object(
      {
        replicas: Type.Optional(int32('How many Pods there are to be.')),
        selector: Type.Optional(labelSelector('Whose Pods are its own.')),
        template: Type.Optional(podTemplateSchema),
        strategy: Type.Optional(openObject('RollingUpdate or Recreate.')),
        minReadySeconds: Type.Optional(int32('So long a Pod is ready before it counts as available.')),
        revisionHistoryLimit: Type.Optional(int32('How many former ReplicaSets are kept to go back to.')),
        progressDeadlineSeconds: Type.Optional(int32('After this long without progress it is said to hang.')),
        paused: Type.Optional(Type.Boolean({ description: 'Changes of the template wait.' })),
      },
      { description: 'What is wanted.' },
    ),
    status: Type.Optional(openObject('What there is.')),
  }),
  columns: [
    {
      name: 'Ready',
      type: 'string',
      from: (object) =>
        `${Number(at(object, 'status', 'readyReplicas') ?? 0)}/${Number(at(object, 'spec', 'replicas') ?? 0)}`,
    },
    {
      name: 'Up-to-date',
      type: 'integer',
      from: (object) => count(object as Open, 'status', 'updatedReplicas'),
    },
    {
      name: 'Available',
      type: 'integer',
      from: (object) => count(object as Open, 'status', 'availableReplicas'),
    },
    AGE,
    ...templateColumns('spec'),
    selectorColumn,
  ],
  setDefaults: (object) => withDefaults(object as unknown as Deployment) as unknown as Open,
  validate: (object, context) => deploymentErrors(object as unknown as Deployment, context),
  warn: (object) =>
    podSpecWarnings((object as unknown as Deployment).spec.template?.spec, 'spec.template.spec'),
});

/** kubernetes pkg/apis/apps/v1/defaults.go. */
function withDefaults(deployment: Deployment): Deployment {
  const { spec } = deployment;
  const { type = 'RollingUpdate', rollingUpdate } = spec.strategy ?? {};
  const rolling = { maxSurge: '25%', maxUnavailable: '25%', ...rollingUpdate };
  return {
    ...deployment,
    spec: {
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      ...spec,
      strategy: type === 'RollingUpdate' ? { type, rollingUpdate: rolling } : { ...spec.strategy, type },
      template: withTemplateDefaults(spec.template),
    },
  };
}

/** kubernetes pkg/apis/apps/validation; what the platform makes for a Revision only shows what the activator runs. */
function deploymentErrors(deployment: Deployment, { old }: AdmissionContext): readonly FieldError[] {
  const { spec } = deployment;
  const { strategy = {} } = spec;
  const before = (old as Deployment | undefined)?.spec?.selector;
  const isMade = (deployment.metadata.ownerReferences ?? []).length > 0;
  if (isMade && spec.selector === undefined) return [];
  return [
    ...notNegative(spec.replicas, 'spec.replicas'),
    ...selectorErrorsOf(spec.selector, spec.template, 'deployment'),
    ...(before === undefined || isDeepStrictEqual(before, spec.selector)
      ? []
      : [invalid(spec.selector, 'spec.selector', 'field is immutable')]),
    ...podSpecErrors(spec.template?.spec ?? {}, 'spec.template.spec', ['Always']),
    ...strategyErrors(strategy),
    ...notNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...notNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
    ...((spec.progressDeadlineSeconds ?? 600) > (spec.minReadySeconds ?? 0)
      ? []
      : [
          invalid(
            spec.progressDeadlineSeconds,
            'spec.progressDeadlineSeconds',
            'must be greater than minReadySeconds',
          ),
        ]),
  ];
}

export function selectorErrorsOf(
  selector: LabelSelector | undefined,
  template: PodTemplate | undefined,
  what: string,
): FieldError[] {
  if (selector === undefined) return [requiredValue('spec.selector'), ...mismatch({}, template)];
  const { matchLabels = {}, matchExpressions = [] } = selector;
  if (Object.keys(matchLabels).length + matchExpressions.length === 0)
    return [invalid(selector, 'spec.selector', `empty selector is invalid for ${what}`)];
  return mismatch(selector, template);
}

function mismatch(selector: LabelSelector, template: PodTemplate | undefined): FieldError[] {
  const labels = template?.metadata?.labels ?? {};
  return Object.keys(selector).length > 0 && isSelected(selector, labels)
    ? []
    : [invalid(labels, 'spec.template.metadata.labels', '`selector` does not match template `labels`')];
}

function strategyErrors({
  type = '',
  rollingUpdate = {},
}: NonNullable<Deployment['spec']['strategy']>): FieldError[] {
  if (type === 'Recreate')
    return Object.keys(rollingUpdate).length === 0
      ? []
      : [
          {
            message: "Forbidden: may not be specified when strategy `type` is 'Recreate'",
            paths: ['spec.strategy.rollingUpdate'],
          },
        ];
  if (type !== 'RollingUpdate')
    return [unsupported(type, 'spec.strategy.type', ['Recreate', 'RollingUpdate'])];
  const { maxSurge, maxUnavailable } = rollingUpdate;
  const isZero = (value: number | string | undefined): boolean =>
    Number.parseInt(String(value ?? 0), 10) === 0;
  return [
    ...amountErrors(maxUnavailable, 'spec.strategy.rollingUpdate.maxUnavailable'),
    ...amountErrors(maxSurge, 'spec.strategy.rollingUpdate.maxSurge'),
    ...(isZero(maxSurge) && isZero(maxUnavailable)
      ? [
          invalid(
            maxUnavailable,
            'spec.strategy.rollingUpdate.maxUnavailable',
            'may not be 0 when `maxSurge` is 0',
          ),
        ]
      : []),
  ];
}

function amountErrors(value: number | string | undefined, path: string): FieldError[] {
  if (typeof value === 'number') return notNegative(value, path);
  return value === undefined || /^\d+%$/.test(value)
    ? []
    : [
        invalid(
          value,
          path,
          "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        ),
      ];
}

/** How many an amount is, of so many replicas. */
export function amountOf(value: number | string | undefined, of: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return value;
  const exact = (Number.parseInt(value ?? '0', 10) * of) / 100;
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact);
}

export const REVISION_ANNOTATION = 'deployment.kubernetes.io/revision';
