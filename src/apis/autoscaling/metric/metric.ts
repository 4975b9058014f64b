import Type from 'typebox';
import type { Status } from '../../duck.ts';
import { below, missingField } from '../../field-error.ts';
import type { AdmissionContext, FieldError, KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { int64, statusFields, text } from '../../schema.ts';
import { nameErrors } from '../../serving/metadata.ts';
import { READY_COLUMNS, WEBHOOK } from '../../serving/shared.ts';
import { autoscalerConfig } from '../config.ts';
import { CRD, INTERNAL_GROUP, isEmptySpec } from '../internal.ts';
import { autoscalingErrors } from '../validate.ts';

export const METRIC = { apiVersion: 'autoscaling.internal.knative.dev/v1alpha1', kind: 'Metric' } as const;

/** serving pkg/apis/autoscaling/v1alpha1/metric_types.go; windows in nanoseconds. */
export type Metric = Resource & {
  readonly spec: {
    readonly stableWindow: number;
    readonly panicWindow: number;
    readonly scrapeTarget: string;
  };
  readonly status?: Status;
};

/** serving config/core/300-resources/metric.yaml */
export const metricKind: KindDefinition<Metric> = {
  group: INTERNAL_GROUP,
  versions: ['v1alpha1'],
  kind: 'Metric',
  plural: 'metrics',
  singular: 'metric',
  shortNames: [],
  categories: ['knative-internal', 'autoscaling'],
  scope: 'Namespaced',
  schema: Type.Object({
    spec: Type.Object(
      {
        stableWindow: int64('Nanoseconds that a decision looks back.'),
        panicWindow: int64('Nanoseconds that a decision in panic looks back.'),
        scrapeTarget: text('The service whose instances are measured; here the gateway counts for all.'),
      },
      { description: 'What is measured.' },
    ),
    status: Type.Optional(Type.Object(statusFields, { description: 'How it is measured.' })),
  }),
  columns: READY_COLUMNS,
  subresources: { status: true },
  crd: CRD,
  webhook: WEBHOOK,
  isStamped: () => false,
  setDefaults: (metric) => metric,
  validate: metricErrors,
};

/** serving pkg/apis/autoscaling/v1alpha1/metric_validation.go */
function metricErrors({ metadata, spec }: Metric, context: AdmissionContext): readonly FieldError[] {
  const config = autoscalerConfig(context.configMap('knative-serving', 'config-autoscaler'));
  return [
    ...below('metadata', nameErrors(metadata)),
    ...below('metadata.annotations', autoscalingErrors(metadata.annotations, config)),
    ...(isEmptySpec(spec) ? [missingField('spec')] : []),
  ];
}
