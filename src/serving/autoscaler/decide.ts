import type { ScalePlan } from '../plan.ts';

/** What the autoscaler remembers of a revision between decisions. */
export type ScaleState = {
  /** Since when it panics; undefined: it does not. */
  readonly panicSinceMs: number | undefined;
  readonly panicScale: number;
  /** Recent decisions, for the scale-down delay. */
  readonly decisions: readonly { readonly atMs: number; readonly scale: number }[];
};

export const CALM: ScaleState = { panicSinceMs: undefined, panicScale: 0, decisions: [] };

export type Observed = {
  /** Means over the two windows, over all instances; undefined: nothing was measured, so nothing is decided. */
  readonly stable: number | undefined;
  readonly panic: number | undefined;
  readonly ready: number;
  readonly nowMs: number;
};

/**
 * How many instances a revision should have, as Knative's KPA computes it
 * (serving pkg/autoscaler/scaling/autoscaler.go): pure, one step of a machine.
 */
export function decideScale(
  plan: ScalePlan,
  state: ScaleState,
  observed: Observed,
): { readonly scale: number; readonly state: ScaleState } | undefined {
  const { stable, panic, nowMs } = observed;
  if (stable === undefined || panic === undefined) return undefined;
  const ready = Math.max(1, observed.ready);
  const maxUp = Math.ceil(plan.maxScaleUpRate * ready);
  const maxDown = Math.floor(ready / plan.maxScaleDownRate);
  const [stableWant, panicWant] = [Math.ceil(stable / plan.target), Math.ceil(panic / plan.target)];
  const within = (want: number): number => {
    const clamped = Math.min(Math.max(want, maxDown), maxUp);
    return plan.activationScale > 1 && want > 0 ? Math.max(clamped, plan.activationScale) : clamped;
  };
  const panicking = nextPanic(plan, state, panicWant / ready >= plan.panicThreshold, nowMs);
  // While it panics it never goes down.
  const panicScale =
    panicking === undefined ? 0 : Math.max(state.panicScale, within(stableWant), within(panicWant));
  const wanted = panicking === undefined ? within(stableWant) : panicScale;
  const decisions = remembered(state, plan.scaleDownDelayMs, { atMs: nowMs, scale: wanted });
  const delayed = Math.max(...decisions.map(({ scale }) => scale));
  return { scale: bounded(plan, delayed), state: { panicSinceMs: panicking, panicScale, decisions } };
}

/** Panic begins over the threshold, and ends a stable window after it was last over. */
function nextPanic(
  plan: ScalePlan,
  { panicSinceMs }: ScaleState,
  isOver: boolean,
  nowMs: number,
): number | undefined {
  if (isOver) return nowMs;
  return panicSinceMs !== undefined && nowMs <= panicSinceMs + plan.windowMs ? panicSinceMs : undefined;
}

function remembered(
  state: ScaleState,
  delayMs: number,
  now: { atMs: number; scale: number },
): ScaleState['decisions'] {
  if (delayMs === 0) return [now];
  return [...state.decisions.filter(({ atMs }) => atMs > now.atMs - delayMs), now];
}

function bounded({ minScale, maxScale, isScaledToZero }: ScalePlan, scale: number): number {
  const lowest = Math.max(minScale, isScaledToZero ? 0 : 1);
  const raised = Math.max(scale, lowest);
  return maxScale === 0 ? raised : Math.min(raised, maxScale);
}
