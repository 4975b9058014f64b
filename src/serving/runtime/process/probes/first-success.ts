import { setTimeout as pause } from 'node:timers/promises';
import type { ProbeSpec } from '../../container-spec.ts';
import { ask, type ProbeTarget } from './ask.ts';

/** Tried every millisecond at first, when most programs come up, then ever more slowly. */
const FAST_FOR_MS = 300;
const SLOW_EVERY_MS = 25;
/** How often whoever waits is asked whether it is worth waiting for. */
const LOOK_EVERY_MS = 500;
/** How often kubelet asks when nothing else is said. */
const USUAL_PERIOD_MS = 10_000;

/**
 * Resolves when a probe has succeeded as often in a row as it says. Nobody can be ready before that, so it is asked for much
 * more often than its period: a wake waits for it. `look` may throw, and then so does this. `failing` is told once a period.
 */
export async function firstSuccess(
  probe: ProbeSpec,
  target: ProbeTarget,
  over: AbortSignal,
  look: (waitedMs: number, fault: string) => void,
  failing: (fault: string) => void = () => undefined,
): Promise<void> {
  if (probe.initialDelayMs > 0) await pause(probe.initialDelayMs, undefined, { signal: over });
  const startMs = performance.now();
  let lookedMs = 0;
  let toldMs = 0;
  for (let successes = 0; !over.aborted;) {
    const waitedMs = performance.now() - startMs;
    const fault = await ask(probe.action, timeoutOf(probe), target);
    successes = fault === undefined ? successes + 1 : 0;
    if (successes >= probe.successThreshold) return;
    if (fault !== undefined && waitedMs >= toldMs + periodOf(probe)) {
      toldMs = waitedMs;
      failing(fault);
    }
    if (successes === 0 && waitedMs > lookedMs + LOOK_EVERY_MS) {
      lookedMs = waitedMs;
      look(waitedMs, fault ?? '');
    }
    const everyMs = waitedMs < FAST_FOR_MS ? 1 : SLOW_EVERY_MS;
    await pause(successes > 0 ? Math.max(everyMs, probe.periodMs) : everyMs, undefined, { signal: over });
  }
}

export function periodOf({ periodMs }: ProbeSpec): number {
  return periodMs === 0 ? USUAL_PERIOD_MS : periodMs;
}

/** Knative gives an aggressive probe 100 ms (serving pkg/queue/readiness/probe.go); ours need not be so short, as none waits for the next. */
export function timeoutOf({ timeoutMs }: ProbeSpec): number {
  return Math.max(1, timeoutMs);
}
