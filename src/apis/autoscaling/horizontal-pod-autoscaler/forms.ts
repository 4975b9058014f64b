import type { TSchema } from 'typebox';
import type { PrinterColumn, VersionForm } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import type { HorizontalPodAutoscaler, MetricSpec } from './horizontal-pod-autoscaler.ts';

/** autoscaling/v1: the CPU alone, and no conditions. `kubectl autoscale` writes it. */
type OfV1 = Resource & {
  readonly spec?: Pick<HorizontalPodAutoscaler['spec'], 'scaleTargetRef' | 'minReplicas' | 'maxReplicas'> & {
    readonly targetCPUUtilizationPercentage?: number;
  };
};

/** How its two versions are written (kubernetes pkg/apis/autoscaling/v1/conversion.go). */
export function horizontalForms(
  schema: TSchema,
  columns: readonly PrinterColumn[],
): Readonly<Record<string, VersionForm<HorizontalPodAutoscaler>>> {
  return {
    v2: {
      schema,
      columns,
      fromStored: (object) => object,
      toStored: (object) => object as HorizontalPodAutoscaler, // by its schema
    },
    v1: { schema, columns, fromStored, toStored },
  };
}

function fromStored({ spec, status, ...object }: HorizontalPodAutoscaler): Resource {
  const { metrics = [], behavior: _behavior, ...shared } = spec;
  const { currentMetrics = [], conditions: _conditions, ...counts } = status ?? {};
  const target = metrics.find(isCpu)?.resource.target.averageUtilization;
  const used = currentMetrics.find(isCpu)?.resource.current.averageUtilization;
  const told = {
    ...object,
    spec: { ...shared, ...(target !== undefined && { targetCPUUtilizationPercentage: target }) },
    status: { ...counts, ...(used !== undefined && { currentCPUUtilizationPercentage: used }) },
  };
  return told;
}

function toStored(object: Resource, stored?: HorizontalPodAutoscaler): HorizontalPodAutoscaler {
  const { spec, ...rest } = object as OfV1;
  const { targetCPUUtilizationPercentage: target, ...shared } = spec ?? {};
  const cpu: readonly MetricSpec[] =
    target === undefined
      ? []
      : [
          {
            type: 'Resource',
            resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: target } },
          },
        ];
  const others = (stored?.spec.metrics ?? []).filter((metric) => !isCpu(metric));
  return {
    ...rest,
    ...(stored?.status !== undefined && { status: stored.status }),
    spec: { ...stored?.spec, ...shared, metrics: [...cpu, ...others] },
  } as HorizontalPodAutoscaler; // by its schema
}

const isCpu = ({ resource }: { readonly resource: { readonly name: string } }): boolean =>
  resource.name === 'cpu';
