import { setTimeout as pause } from 'node:timers/promises';
import type { ProbeSpec } from '../../container-spec.ts';
import { ask, type ProbeTarget } from './ask.ts';
import { periodOf, timeoutOf } from './first-success.ts';

/**
 * Asks a probe every period until `over`, and tells each time that its verdict changes: after `failureThreshold` failures
 * in a row, and after `successThreshold` successes. It is taken to be well at first. `failing` is told of each failure.
 */
export async function watchProbe(
  probe: ProbeSpec,
  target: ProbeTarget,
  over: AbortSignal,
  tell: (isWell: boolean, fault: string) => void,
  failing: (fault: string) => void = () => undefined,
): Promise<void> {
  const { initialDelayMs, successThreshold, failureThreshold } = probe;
  let [isWell, successes, failures] = [true, 0, 0];
  try {
    if (initialDelayMs > 0) await pause(initialDelayMs, undefined, { signal: over });
    while (!over.aborted) {
      await pause(periodOf(probe), undefined, { signal: over });
      const fault = await ask(probe.action, timeoutOf(probe), target);
      if (over.aborted) return;
      if (fault !== undefined) failing(fault);
      [successes, failures] = fault === undefined ? [successes + 1, 0] : [0, failures + 1];
      const turns = isWell ? failures >= failureThreshold : successes >= successThreshold;
      if (!turns) continue;
      isWell = !isWell;
      tell(isWell, fault ?? '');
    }
  } catch (error) {
    if (!over.aborted) throw error;
  }
}
