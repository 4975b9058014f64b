import type { ScalePlan } from '../plan.ts';

/** What the autoscaler remembers of a revision between decisions. */
export type ScaleState = {
  /** When it was last over the panic threshold; undefined: it does not panic. */
  readonly panicSinceMs: number | undefined;
  readonly panicScale: number;
  /** Decisions of the scale-down delay that may still count: each is higher than all that came after it. */
  readonly decisions: readonly { readonly atMs: number; readonly scale: number }[];
};

export type Observed = {
  /** Means over the two windows, over all instances; undefined: nothing was measured, so nothing is decided. */
  readonly stable: number | undefined;
  readonly panic: number | undefined;
  readonly ready: number;
  readonly nowMs: number;
};

export type Decision = {
  readonly scale: number;
  /** How many more requests at once find room, beyond the burst that is to find some; below 0: too few. */
  readonly excess: number;
  readonly state: ScaleState;
};

/** Without history, what has several instances keeps them until there is some: it begins in panic. */
export function initialState(ready: number, nowMs: number): ScaleState {
  return { panicSinceMs: ready > 1 ? nowMs : undefined, panicScale: ready, decisions: [] };
}

/**
 * How many instances a revision should have, as Knative's KPA computes it
 * (serving pkg/autoscaler/scaling/autoscaler.go): pure, one step of a machine.
 */
export function decideScale(plan: ScalePlan, state: ScaleState, observed: Observed): Decision | undefined {
  const { stable, panic, nowMs } = observed;
  if (stable === undefined || panic === undefined) return undefined;
  const ready = Math.max(1, observed.ready);
  const [stableWant, panicWant] = [Math.ceil(stable / plan.target), Math.ceil(panic / plan.target)];
  const panicSinceMs = nextPanic(plan, state, panicWant / ready >= plan.panicThreshold, nowMs);
  const calm = withinRates(plan, ready, stableWant);
  // While it panics it never goes down.
  const panicScale =
    panicSinceMs === undefined ? 0 : Math.max(state.panicScale, calm, withinRates(plan, ready, panicWant));
  const wanted = panicSinceMs === undefined ? calm : panicScale;
  const decisions = remembered(plan, state, { atMs: nowMs, scale: wanted });
  return {
    scale: bounded(plan, Math.max(wanted, decisions[0]?.scale ?? 0)),
    excess: excessBurstCapacity(plan, observed.ready, panic),
    state: { panicSinceMs, panicScale, decisions },
  };
}

/** No faster up or down than the rates allow, but always by one; and from zero at once to the activation scale. */
function withinRates(plan: ScalePlan, ready: number, want: number): number {
  const up = Math.ceil(plan.maxScaleUpRate * ready);
  const down = plan.isReachable ? Math.floor(ready / plan.maxScaleDownRate) : 0;
  const clamped = Math.min(Math.max(want, down), up);
  return plan.activationScale > 1 && want > 0 ? Math.max(clamped, plan.activationScale) : clamped;
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

/** The highest first. A decision that a later one reaches says nothing any more. */
function remembered(
  { isReachable, scaleDownDelayMs }: ScalePlan,
  { decisions }: ScaleState,
  now: { readonly atMs: number; readonly scale: number },
): ScaleState['decisions'] {
  if (scaleDownDelayMs === 0 || !isReachable) return [];
  const oldest = now.atMs - scaleDownDelayMs;
  return [...decisions.filter(({ atMs, scale }) => atMs > oldest && scale > now.scale), now];
}

function bounded({ minScale, maxScale, isScaledToZero }: ScalePlan, scale: number): number {
  const raised = Math.max(scale, minScale, isScaledToZero ? 0 : 1);
  return maxScale === 0 ? raised : Math.min(raised, maxScale);
}

/** What all instances take, less the burst that is to find room and what is under way; below 0: there is too little. */
export function excessBurstCapacity(
  { burstCapacity, total }: ScalePlan,
  ready: number,
  panic: number,
): number {
  if (burstCapacity === 0) return 0;
  return burstCapacity < 0 ? -1 : Math.floor(ready * total - burstCapacity - panic);
}
