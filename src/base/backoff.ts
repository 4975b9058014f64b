export type Backoff = {
  readonly policy: 'linear' | 'exponential';
  readonly delayMs: number;
  /** Caps the computed delay (`backoffMax`, eventing#9278); undefined means no cap but the platform's own. */
  readonly maxMs?: number | undefined;
};

/** A delay is never longer than this, whatever was asked for: beyond it `2^n` says nothing a user meant. */
const DELAY_MAX_MS = 24 * 3_600_000;

/**
 * How long to wait before retry number `retry` (counted from 0), as upstream's code has it, which differs from the text
 * of its spec: exponential is `delay × 2^n`, linear is `delay × n`, so the first linear retry comes at once
 * (eventing pkg/kncloudevents/retries.go).
 */
export function backoffDelayMs({ policy, delayMs, maxMs = DELAY_MAX_MS }: Backoff, retry: number): number {
  const factor = policy === 'linear' ? retry : 2 ** retry;
  return Math.min(delayMs * factor, maxMs, DELAY_MAX_MS);
}

/**
 * The pause after so many failures in a row (0: after the first): it doubles from `firstMs` up to `maxMs`, and up to half of it
 * is chance, so that many who failed together do not come back together.
 */
export function growingPauseMs(
  failures: number,
  { firstMs, maxMs }: { readonly firstMs: number; readonly maxMs: number },
  random: () => number,
): number {
  return Math.min(firstMs * 2 ** failures, maxMs) * (0.5 + random() / 2);
}
