const PREFIX = 'autoscaling.knative.dev/';

/** Who computes the scale of a revision (annotation `class`). */
export const KPA = 'kpa.autoscaling.knative.dev';
export const HPA = 'hpa.autoscaling.knative.dev';

/** Former spellings; where both are given, the current one counts (serving pkg/apis/autoscaling/register.go). */
const FORMER: Readonly<Record<string, string>> = {
  minScale: 'min-scale',
  maxScale: 'max-scale',
  initialScale: 'initial-scale',
  scaleDownDelay: 'scale-down-delay',
  scaleToZeroPodRetentionPeriod: 'scale-to-zero-pod-retention-period',
  metricAggregationAlgorithm: 'metric-aggregation-algorithm',
  targetUtilizationPercentage: 'target-utilization-percentage',
  targetBurstCapacity: 'target-burst-capacity',
  panicWindowPercentage: 'panic-window-percentage',
  panicThresholdPercentage: 'panic-threshold-percentage',
};

/** An annotation as it was written: `key` is the whole name, in whichever spelling. */
export type Written = { readonly key: string; readonly value: string };

/** Autoscaling annotations by their current name without the prefix. */
export function writtenAnnotations(
  annotations: Readonly<Record<string, string>> = {},
): ReadonlyMap<string, Written> {
  const found = new Map<string, Written>();
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(PREFIX)) continue;
    const name = key.slice(PREFIX.length);
    const current = FORMER[name];
    if (current === undefined) found.set(name, { key, value });
    else if (annotations[PREFIX + current] === undefined) found.set(current, { key, value });
  }
  return found;
}

/** The values alone. */
export function autoscalingAnnotations(
  annotations?: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  return new Map([...writtenAnnotations(annotations)].map(([name, { value }]) => [name, value]));
}

/** The whole name of an annotation. */
export const keyOfAnnotation = (name: string): string => PREFIX + name;

/** What a revision of this class is scaled by when it does not say (podautoscaler defaults). */
export const defaultMetricOf = (scalerClass: string): string => (scalerClass === HPA ? 'cpu' : 'concurrency');
