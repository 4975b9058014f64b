/** What the class `hpa` is told: by which resource, and how much of it one instance should use. */
export type HorizontalPlan = {
  readonly resource: 'cpu' | 'memory';
  /** cpu: percent of `requested`; memory: bytes. */
  readonly target: number;
  readonly requested: number; // cores of one instance, for cpu
  readonly minScale: number; // at least 1: it never goes to zero
  readonly maxScale: number; // 0: no bound
  /** The highest recommendation of so long holds on the way down, the lowest on the way up. */
  readonly downWindowMs: number;
  readonly upWindowMs: number;
};

export type HorizontalState = readonly { readonly atMs: number; readonly scale: number }[];

export type Measured = {
  /** Cores or bytes of each instance that could be measured. */
  readonly values: readonly number[];
  readonly missing: number; // instances that could not
  readonly current: number; // as many as are wanted now
  readonly nowMs: number;
};

/** Deviations up to a tenth of the target change nothing. */
const TOLERANCE = 0.1;
/** In one step at most twice as many, or four where that is more. */
const UP_FACTOR = 2;
const UP_MIN = 4;

/**
 * How many instances a revision should have by what its processes use, as Kubernetes' HorizontalPodAutoscaler computes it
 * (pkg/controller/podautoscaler/{replica_calculator,horizontal}.go): pure, one step of a machine.
 */
export function decideHorizontal(
  plan: HorizontalPlan,
  state: HorizontalState,
  measured: Measured,
): { readonly scale: number; readonly state: HorizontalState } {
  const { current, nowMs } = measured;
  const kept = state.filter(({ atMs }) => atMs > nowMs - Math.max(plan.downWindowMs, plan.upWindowMs));
  const next = [...kept, { atMs: nowMs, scale: recommended(plan, measured) }];
  const within = (windowMs: number): number[] =>
    next.filter(({ atMs }) => atMs > nowMs - windowMs || atMs === nowMs).map(({ scale }) => scale);
  const raised = Math.max(current, Math.min(...within(plan.upWindowMs)));
  const steady = Math.min(raised, Math.max(...within(plan.downWindowMs)));
  return { scale: bounded(plan, current, steady), state: next };
}

function recommended(plan: HorizontalPlan, { values, missing, current }: Measured): number {
  if (values.length === 0) return current; // unknown is not zero
  const ratio = ratioOf(plan, values);
  if (missing === 0) return isNear(ratio) ? current : Math.ceil(ratio * values.length);
  // What could not be measured counts against the change: as full on the way down, as idle on the way up.
  const filler = ratio < 1 ? assumedOf(plan) : 0;
  const all = [...values, ...Array.from({ length: missing }, () => filler)];
  const careful = ratioOf(plan, all);
  const hasTurned = (ratio < 1 && careful > 1) || (ratio > 1 && careful < 1);
  const scale = Math.ceil(careful * all.length);
  const isBackwards = (careful < 1 && scale > current) || (careful > 1 && scale < current);
  return isNear(careful) || hasTurned || isBackwards ? current : scale;
}

const isNear = (ratio: number): boolean => Math.abs(1 - ratio) <= TOLERANCE;

/** Of the mean to the target; a utilization is a whole number of percent. */
function ratioOf({ resource, target, requested }: HorizontalPlan, values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return resource === 'cpu' ? Math.floor((mean / requested) * 100) / target : mean / target;
}

function assumedOf({ resource, target, requested }: HorizontalPlan): number {
  return resource === 'cpu' ? (requested * Math.max(100, target)) / 100 : target;
}

function bounded({ minScale, maxScale }: HorizontalPlan, current: number, scale: number): number {
  const fastest = Math.max(UP_FACTOR * current, UP_MIN);
  const raised = Math.max(Math.min(scale, fastest), minScale, 1);
  return maxScale === 0 ? raised : Math.min(raised, maxScale);
}
