import Type from 'typebox';
import type { AdmissionContext, KindDefinition } from '../../kind.ts';
import { int32, int64, statusFields, text } from '../../schema.ts';
import { READY_COLUMNS, WEBHOOK } from '../../serving/shared.ts';
import { autoscalingAnnotations, defaultMetricOf, keyOfAnnotation } from '../annotations.ts';
import { autoscalerConfig } from '../config.ts';
import { CRD, INTERNAL_GROUP, scaleTarget } from '../internal.ts';
import type { PodAutoscaler } from './types.ts';
import { podAutoscalerErrors } from './validate.ts';

const spec = Type.Object(
  {
    containerConcurrency: Type.Optional(int64('Requests that one instance has at a time; 0: no bound.')),
    protocolType: text('What instances speak: http1 or h2c.'),
    reachability: Type.Optional(
      Type.Unsafe<'Reachable' | 'Unreachable' | ''>({
        type: 'string',
        description: 'Whether a Route leads to it: Reachable, Unreachable, or empty while nobody has said.',
      }),
    ),
    scaleTargetRef: scaleTarget('What is scaled.'),
  },
  { description: 'What is scaled, and what of.' },
);

const status = Type.Object(
  {
    ...statusFields,
    serviceName: Type.Optional(text('The service that its requests are for.')),
    metricsServiceName: Type.Optional(text('The service whose instances are measured.')),
    desiredScale: Type.Optional(int32('Instances that are wanted; -1 before the first decision.')),
    actualScale: Type.Optional(int32('Instances that are ready.')),
  },
  { description: 'How it is scaled.' },
);

/** serving config/core/300-resources/podautoscaler.yaml */
export const podAutoscalerKind: KindDefinition<PodAutoscaler> = {
  group: INTERNAL_GROUP,
  versions: ['v1alpha1'],
  kind: 'PodAutoscaler',
  plural: 'podautoscalers',
  singular: 'podautoscaler',
  shortNames: ['kpa', 'pa'],
  categories: ['knative-internal', 'autoscaling'],
  scope: 'Namespaced',
  schema: Type.Object({ spec, status: Type.Optional(status) }),
  columns: [
    { name: 'DesiredScale', type: 'integer', from: '.status.desiredScale' },
    { name: 'ActualScale', type: 'integer', from: '.status.actualScale' },
    ...READY_COLUMNS,
  ],
  subresources: { status: true },
  crd: CRD,
  webhook: WEBHOOK,
  setDefaults: withClass,
  validate: podAutoscalerErrors,
};

/** Class and metric stand in it, where the Revision leaves them to the cluster (pa_defaults.go). */
function withClass(podAutoscaler: PodAutoscaler, context: AdmissionContext): PodAutoscaler {
  const { metadata } = podAutoscaler;
  const written = autoscalingAnnotations(metadata.annotations);
  const config = autoscalerConfig(context.configMap('knative-serving', 'config-autoscaler'));
  const scalerClass = written.get('class') ?? config.scalerClass;
  const annotations = {
    ...metadata.annotations,
    [keyOfAnnotation('class')]: scalerClass,
    [keyOfAnnotation('metric')]: written.get('metric') ?? defaultMetricOf(scalerClass),
  };
  return { ...podAutoscaler, metadata: { ...metadata, annotations } };
}
