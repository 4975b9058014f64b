import Type from 'typebox';
import { AGE, at, core, type Open } from '../core/core-kinds.ts';
import {
  notNegative,
  podSpecErrors,
  podTemplateSchema,
  withTemplateDefaults,
  type PodTemplate,
} from '../core/pod-spec.ts';
import type { FieldError } from '../kind.ts';
import { labelSelector, type LabelSelector } from '../label-selector.ts';
import { WORKLOAD_RULES } from '../patch-rules.ts';
import { REPLICAS_SCALE } from './replicas-scale.ts';
import type { Resource } from '../resource.ts';
import { int32, openObject } from '../schema.ts';
import { selectorErrorsOf } from './deployment.ts';
import { selectorColumn, templateColumns } from './template-columns.ts';

/** apps/v1 ReplicaSet, as far as it is read here. */
export type ReplicaSet = Resource & {
  readonly spec: {
    readonly replicas?: number;
    readonly selector?: LabelSelector;
    readonly template?: PodTemplate;
    readonly minReadySeconds?: number;
  };
  readonly status?: {
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly availableReplicas?: number;
    readonly observedGeneration?: number;
  };
};

export const REPLICA_SET = { apiVersion: 'apps/v1', kind: 'ReplicaSet' } as const;

export const replicaSetKind = core({
  group: 'apps',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  shortNames: ['rs'],
  categories: ['all'],
  subresources: { status: true, scale: REPLICAS_SCALE },
  patchRules: WORKLOAD_RULES,
  schema: Type.Object({
    spec: Type.Object(
      {
        replicas: Type.Optional(int32('How many Pods there are to be.')),
        selector: Type.Optional(labelSelector('Whose Pods are its own.')),
        template: Type.Optional(podTemplateSchema),
        minReadySeconds: Type.Optional(int32('So long a Pod is ready before it counts as available.')),
      },
      { description: 'What is wanted.' },
    ),
    status: Type.Optional(openObject('What there is.')),
  }),
  columns: [
    { name: 'Desired', type: 'integer', from: (object) => Number(at(object, 'spec', 'replicas') ?? 0) },
    { name: 'Current', type: 'integer', from: (object) => Number(at(object, 'status', 'replicas') ?? 0) },
    { name: 'Ready', type: 'integer', from: (object) => Number(at(object, 'status', 'readyReplicas') ?? 0) },
    AGE,
    ...templateColumns('spec'),
    selectorColumn,
  ],
  setDefaults: (object) => withDefaults(object as unknown as ReplicaSet) as unknown as Open,
  validate: (object) => errorsOf(object as unknown as ReplicaSet),
});

function withDefaults(set: ReplicaSet): ReplicaSet {
  return { ...set, spec: { replicas: 1, ...set.spec, template: withTemplateDefaults(set.spec.template) } };
}

function errorsOf({ spec }: ReplicaSet): readonly FieldError[] {
  return [
    ...notNegative(spec.replicas, 'spec.replicas'),
    ...selectorErrorsOf(spec.selector, spec.template, 'replicaset'),
    ...podSpecErrors(spec.template?.spec ?? {}, 'spec.template.spec', ['Always']),
  ];
}
