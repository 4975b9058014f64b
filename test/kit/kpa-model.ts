import type { ScalePlan } from '../../src/serving/plan.ts';

/**
 * The KPA as its formulas are published (knative serving docs/scaling, pkg/autoscaler), written from them for tests: it
 * keeps the whole history, and works out every value anew. `loads[i]` is the mean over second i + 1.
 */
export type Model = {
  /** Loads of every second so far. */
  readonly loads: number[];
  panicTime: number | undefined; // in seconds
  maxPanicPods: number;
  readonly decided: { readonly second: number; readonly pods: number }[];
};

export const newModel = (): Model => ({
  loads: [],
  panicTime: undefined,
  maxPanicPods: 0,
  decided: [],
});

/** The desired pods at the end of `second`, with `readyPods` of them up. */
export function modelScale(model: Model, plan: ScalePlan, second: number, readyPods: number): number {
  const stable = average(model.loads, plan.windowMs / 1000, plan.algorithm);
  const panic = average(model.loads, plan.panicWindowMs / 1000, plan.algorithm);
  const ready = Math.max(1, readyPods);
  const highest = Math.ceil(plan.maxScaleUpRate * ready);
  const lowest = plan.isReachable ? Math.floor(ready / plan.maxScaleDownRate) : 0;
  const pods = (value: number): number => {
    const desired = Math.ceil(value / plan.target);
    const clamped = Math.max(Math.min(Math.max(desired, lowest), highest), 0);
    return desired > 0 ? Math.max(clamped, plan.activationScale > 1 ? plan.activationScale : 0) : clamped;
  };
  let desired = pods(stable);
  if (Math.ceil(panic / plan.target) / ready >= plan.panicThreshold) model.panicTime = second;
  else if (model.panicTime !== undefined && second > model.panicTime + plan.windowMs / 1000) {
    model.panicTime = undefined;
    model.maxPanicPods = 0;
  }
  if (model.panicTime !== undefined) {
    model.maxPanicPods = Math.max(model.maxPanicPods, desired, pods(panic));
    desired = model.maxPanicPods;
  }
  model.decided.push({ second, pods: desired });
  const delay = plan.isReachable ? plan.scaleDownDelayMs / 1000 : 0;
  const held = model.decided.slice(-1 - delay / 2).filter((each) => each.second > second - delay);
  desired = Math.max(desired, ...held.map((each) => each.pods));
  desired = Math.max(desired, plan.minScale, plan.isScaledToZero ? 0 : 1);
  return plan.maxScale > 0 ? Math.min(desired, plan.maxScale) : desired;
}

function average(loads: readonly number[], seconds: number, algorithm: ScalePlan['algorithm']): number {
  const recent = loads.slice(-seconds);
  if (algorithm === 'linear') {
    let total = 0;
    for (const load of recent) total += load;
    return Math.round((total / recent.length) * 1e6) / 1e6;
  }
  const alpha = Math.max(0.2, 1 - 0.0001 ** (1 / seconds));
  let value = 0;
  for (const [i, load] of recent.entries()) value += alpha * (1 - alpha) ** (recent.length - 1 - i) * load;
  return value;
}
