import Type from 'typebox';
import { AGE, at, core, shown } from '../../core/core-kinds.ts';
import type { KindDefinition, PrinterColumn } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { openObject } from '../../schema.ts';
import { horizontalForms } from './forms.ts';
import type { ScaleTarget } from '../internal.ts';

export const HORIZONTAL_POD_AUTOSCALER = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
} as const;

/** autoscaling/v2, as far as it is written here: one resource metric. */
export type HorizontalPodAutoscaler = Resource & {
  readonly spec: {
    readonly scaleTargetRef: ScaleTarget;
    readonly minReplicas?: number;
    readonly maxReplicas: number;
    readonly metrics?: readonly MetricSpec[];
    readonly behavior?: Readonly<Record<'scaleUp' | 'scaleDown', { stabilizationWindowSeconds: number }>>;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly currentReplicas?: number;
    readonly desiredReplicas?: number;
    readonly currentMetrics?: readonly MetricStatus[];
    readonly conditions?: readonly object[];
  };
};
/** A share of what is requested in percent, or a quantity. */
type Value = { readonly averageUtilization?: number; readonly averageValue?: string };
export type MetricSpec = {
  readonly type: 'Resource';
  readonly resource: { readonly name: string; readonly target: Value & { readonly type: string } };
};
export type MetricStatus = {
  readonly type: 'Resource';
  readonly resource: { readonly name: string; readonly current: Value };
};

/** kubectl prints so many metrics, and how many more there are. */
const SHOWN_MAX = 2;

const SCHEMA = Type.Object({
  spec: openObject('What is scaled, by which metrics, between which bounds.'),
  status: Type.Optional(openObject('How many there are, and what was measured.')),
});
const COLUMNS: readonly PrinterColumn[] = [
  {
    name: 'Reference',
    type: 'string',
    from: (object) =>
      ['kind', 'name'].map((name) => String(at(object, 'spec', 'scaleTargetRef', name))).join('/'),
  },
  { name: 'Targets', type: 'string', from: (object) => targetsOf(object as HorizontalPodAutoscaler) },
  { name: 'MinPods', type: 'string', from: (object) => shown(object, '<unset>', 'spec', 'minReplicas') },
  { name: 'MaxPods', type: 'integer', from: '.spec.maxReplicas' },
  {
    name: 'Replicas',
    type: 'integer',
    from: (object) => Number(at(object, 'status', 'currentReplicas') ?? 0),
  },
  AGE,
];

/**
 * What a revision of class `hpa` is scaled by, as a Kubernetes would have it. The autoscaler makes them; one for anything
 * else would scale nothing, and is refused.
 */
export const horizontalPodAutoscalerKind: KindDefinition = {
  ...core({
    group: 'autoscaling',
    versions: ['v2', 'v1'],
    kind: 'HorizontalPodAutoscaler',
    plural: 'horizontalpodautoscalers',
    shortNames: ['hpa'],
    categories: ['all'],
    subresources: { status: true },
    schema: SCHEMA,
    columns: COLUMNS,
    validate: ({ metadata: { ownerReferences = [] } }) =>
      ownerReferences.some(({ kind }) => kind === 'PodAutoscaler')
        ? []
        : [{ message: `Forbidden: ${NOBODY}`, paths: ['spec.scaleTargetRef'] }],
  }),
  forms: horizontalForms(SCHEMA, COLUMNS),
};

const NOBODY =
  'nothing here scales by a HorizontalPodAutoscaler of yours; a Knative Service does, with the annotation autoscaling.knative.dev/class: hpa.autoscaling.knative.dev on its template, and kubectl scale sets the replicas of a Deployment';

/** kubernetes pkg/printers/internalversion/printers.go, formatHPAMetrics. */
function targetsOf({ spec, status }: HorizontalPodAutoscaler): string {
  const { metrics = [] } = spec;
  if (metrics.length === 0) return '<none>';
  const texts = metrics.slice(0, SHOWN_MAX).map(({ resource: { name, target } }) => {
    const current = status?.currentMetrics?.find(({ resource }) => resource.name === name)?.resource.current;
    return `${name}: ${valueText(current)}/${valueText(target)}`;
  });
  const more = metrics.length - SHOWN_MAX;
  return `${texts.join(', ')}${more > 0 ? ` + ${more} more...` : ''}`;
}

function valueText(value: Value | undefined): string {
  const { averageUtilization, averageValue } = value ?? {};
  return averageUtilization === undefined ? (averageValue ?? '<unknown>') : `${averageUtilization}%`;
}
