import { backoffDelayMs } from '../../base/backoff.ts';
import { headerOf } from '../../events/message.ts';
import type { DeliveryPlan } from '../../subscriptions/delivery-plan.ts';
import type { AttemptResult } from './attempt.ts';

/** Which failures are worth another attempt (eventing pkg/kncloudevents/retries.go, SelectiveRetry). */
export function isRetriable({ outcome, code }: AttemptResult): boolean {
  if (outcome !== 'rejected') return true;
  return code >= 500 || code === 404 || code === 408 || code === 409 || code === 429;
}

/** When the attempt after number `attempt` is due: by the plan's back-off, or later when the subscriber asked for it. */
export function dueAfter(plan: DeliveryPlan, attempt: number, result: AttemptResult, nowMs: number): number {
  const ownMs = backoffDelayMs(plan.backoff, attempt - 1);
  const isBusy = result.code === 429 || result.code === 503;
  const askedMs = isBusy ? (retryAfterMs(headerOf(result.headers, 'retry-after'), nowMs) ?? 0) : 0;
  return nowMs + Math.max(ownMs, Math.min(askedMs, plan.retryAfterMaxMs));
}

/** RFC 9110, 10.2.3: seconds, or a date. */
function retryAfterMs(written: string | undefined, nowMs: number): number | undefined {
  if (written === undefined) return undefined;
  if (/^\d{1,9}$/.test(written.trim())) return Number(written) * 1000;
  const dateMs = /^[A-Z][a-z]{2}, /.test(written) ? Date.parse(written) : Number.NaN;
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}
