import type { Clock } from '../base/clock.ts';
import type { EventRecorder } from '../control/recorder.ts';

/** Soon after the start, for platforms that never run for long, and then as often as this. */
const FIRST_MS = 30_000;
const EVERY_MS = 60_000;

/** Removes Events whose time is over, now and then, until `signal` aborts; never rejects. */
export async function removeOldEvents(
  recorder: EventRecorder,
  clock: Clock,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  for (let waitMs = FIRST_MS; ; waitMs = EVERY_MS) {
    await clock.until(clock.nowMs() + waitMs, signal);
    if (signal.aborted) return;
    await recorder.prune().catch(onError);
  }
}
