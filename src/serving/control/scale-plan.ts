import { autoscalingAnnotations, defaultMetricOf, HPA, KPA } from '../../apis/autoscaling/annotations.ts';
import { RPS_UTILIZATION, TARGET_MIN, type AutoscalerConfig } from '../../apis/autoscaling/config.ts';
import { quantityOf } from '../../apis/quantity.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import type { Revision } from '../../apis/serving/types.ts';
import { parseGoDuration } from '../../base/duration.ts';
import type { HorizontalPlan } from '../autoscaler/horizontal.ts';
import type { Scaler, ScalePlan } from '../plan.ts';

type Annotations = ReadonlyMap<string, string>;

/** What Kubernetes aims at where nobody says: percent of the CPU that was requested. */
const CPU_PERCENT = 80;
/** So long the highest recommendation of the class `hpa` holds (horizontal-pod-autoscaler-downscale-stabilization). */
const STABILIZATION_MS = 300_000;
const MIB = 1024 * 1024;

/** How a Revision scales: its annotations first, then config-autoscaler (serving pkg/reconciler/autoscaling). */
export function scalePlanOf(
  revision: Revision,
  config: AutoscalerConfig,
  progressDeadlineMs: number,
): ScalePlan {
  const annotations = autoscalingAnnotations(revision.metadata.annotations);
  const number = (name: string, otherwise: number): number => Number(annotations.get(name) ?? otherwise);
  const windowMs = span(annotations, 'window', config.windowMs);
  const panicPercent = number('panic-window-percentage', config.panicWindowPercent);
  const scaler = scalerOf(revision, annotations, config);
  const minScale = lowestOf(revision, scaler, annotations, config);
  const metric = annotations.get('metric') === 'rps' ? 'rps' : 'concurrency';
  return {
    scaler,
    isReachable: isReachable(revision),
    minScale,
    maxScale: number('max-scale', config.maxScale),
    initialScale: wasReady(revision) ? 0 : Math.max(minScale, initialScaleOf(annotations, config)),
    activationScale: number('activation-scale', 1),
    metric,
    ...targetOf(metric, revision.spec.containerConcurrency ?? 0, annotations, config),
    burstCapacity: number('target-burst-capacity', config.burstCapacity),
    algorithm: isWeighted(annotations.get('metric-aggregation-algorithm'))
      ? 'weighted-exponential'
      : 'linear',
    windowMs,
    panicWindowMs: Math.max(1000, Math.round((windowMs * panicPercent) / 100 / 1000) * 1000),
    panicThreshold: number('panic-threshold-percentage', config.panicThresholdPercent) / 100,
    maxScaleUpRate: config.maxScaleUpRate,
    maxScaleDownRate: config.maxScaleDownRate,
    scaleDownDelayMs: span(annotations, 'scale-down-delay', config.scaleDownDelayMs),
    retentionMs: span(annotations, 'scale-to-zero-pod-retention-period', config.retentionMs),
    progressDeadlineMs,
    isScaledToZero: config.isScaledToZero,
  };
}

/** Until a Route has said whether it leads to a revision, it counts as reachable. */
export function isReachable({ metadata }: Revision): boolean {
  return metadata.labels?.[LABELS.routingState] !== 'reserve';
}

/** As many as a new revision starts with; a zero that the cluster forbids counts as not said. */
export function initialScaleOf(annotations: Annotations, config: AutoscalerConfig): number {
  const written = Number(annotations.get('initial-scale') ?? Number.NaN);
  const isTaken = Number.isInteger(written) && (written > 0 || config.allowsZeroInitialScale);
  return isTaken ? written : config.initialScale;
}

/** A revision that has been ready once is not started again for nothing, when the platform comes back. */
function wasReady({ status }: Revision): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
}

function lowestOf(
  revision: Revision,
  scaler: Scaler,
  annotations: Annotations,
  config: AutoscalerConfig,
): number {
  const minScale = isReachable(revision) ? Number(annotations.get('min-scale') ?? config.minScale) : 0;
  switch (scaler.kind) {
    case 'kpa':
      return config.isScaledToZero ? minScale : Math.max(1, minScale);
    case 'hpa':
      return Math.max(1, minScale);
    case 'held':
      return Math.max(initialScaleOf(annotations, config), minScale);
  }
}

/**
 * What one instance should have (serving pkg/reconciler/autoscaling): the annotation, never above
 * what an instance takes at all, else all that it takes, else the default of the metric; times the utilization.
 */
function targetOf(
  metric: ScalePlan['metric'],
  containerConcurrency: number,
  annotations: Annotations,
  config: AutoscalerConfig,
): { readonly target: number; readonly total: number } {
  const bound = metric === 'concurrency' && containerConcurrency > 0 ? containerConcurrency : undefined;
  const byDefault = metric === 'rps' ? config.rpsTarget : (bound ?? config.concurrencyTarget);
  const total = Math.min(Number(annotations.get('target') ?? byDefault), bound ?? Number.POSITIVE_INFINITY);
  const utilization = metric === 'rps' ? RPS_UTILIZATION : config.concurrencyUtilization;
  const percent = annotations.get('target-utilization-percentage');
  const share = percent === undefined ? utilization : Number(percent) / 100;
  return { total, target: Math.max(TARGET_MIN, total * share) };
}

function scalerOf(revision: Revision, annotations: Annotations, config: AutoscalerConfig): Scaler {
  const scalerClass = annotations.get('class') ?? config.scalerClass;
  if (scalerClass === KPA) return { kind: 'kpa' };
  if (scalerClass !== HPA) {
    const message = `no autoscaler of class ${JSON.stringify(scalerClass)} runs here, so the number of instances stays; use ${KPA} or ${HPA}`;
    return { kind: 'held', reason: 'ClassUnknown', message };
  }
  const metric = annotations.get('metric') ?? defaultMetricOf(scalerClass);
  if (metric === 'cpu' || metric === 'memory')
    return { kind: 'hpa', plan: horizontalOf(revision, metric, annotations, config) };
  const message = `metric ${JSON.stringify(metric)} is not measured here, so the number of instances stays; class ${HPA} knows cpu and memory`;
  return { kind: 'held', reason: 'MetricUnknown', message };
}

/** serving pkg/reconciler/autoscaling/hpa/resources/hpa.go: without a target, Kubernetes' own, which is of the CPU. */
function horizontalOf(
  revision: Revision,
  metric: 'cpu' | 'memory',
  annotations: Annotations,
  config: AutoscalerConfig,
): HorizontalPlan {
  const target = annotations.get('target');
  const windowMs = parseGoDuration(annotations.get('window') ?? '');
  const minScale = isReachable(revision) ? Number(annotations.get('min-scale') ?? config.minScale) : 0;
  return {
    resource: target === undefined ? 'cpu' : metric,
    target: aimOf(metric, target),
    requested: requestedCores(revision),
    minScale: Math.max(1, minScale),
    maxScale: Number(annotations.get('max-scale') ?? config.maxScale),
    downWindowMs: windowMs ?? STABILIZATION_MS,
    upWindowMs: windowMs ?? 0,
  };
}

function aimOf(metric: 'cpu' | 'memory', target: string | undefined): number {
  if (target === undefined) return CPU_PERCENT;
  return metric === 'cpu' ? Math.ceil(Number(target)) : Math.max(1, Math.trunc(Number(target))) * MIB;
}

/** Of all containers; a core for each where nothing is requested and nothing limits it. */
function requestedCores({ spec }: Revision): number {
  const cores = (spec.containers ?? []).map(({ resources = {} }) => {
    const of = (part: 'requests' | 'limits'): unknown => Reflect.get(Object(resources[part]), 'cpu');
    return quantityOf(of('requests') ?? of('limits')) ?? 1;
  });
  return Math.max(
    0.001,
    cores.reduce((sum, each) => sum + each, 0),
  );
}

function span(annotations: Annotations, name: string, otherwise: number): number {
  return parseGoDuration(annotations.get(name) ?? '') ?? otherwise;
}

/** The second is its former spelling. */
const isWeighted = (algorithm: string | undefined): boolean =>
  algorithm === 'weighted-exponential' || algorithm === 'weightedExponential';
