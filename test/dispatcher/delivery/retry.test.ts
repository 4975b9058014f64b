import { describe, expect, it } from 'vitest';
import type { AttemptResult } from '../../../src/dispatcher/delivery/attempt.ts';
import { dueAfter, isRetriable } from '../../../src/dispatcher/delivery/retry.ts';
import { planDelivery, type DeliveryPlan } from '../../../src/subscriptions/delivery-plan.ts';
import { OBJECT } from '../../kit/delivery.ts';

const NOW = Date.UTC(2026, 0, 1);

function answered(code: number, retryAfter?: string): AttemptResult {
  const headers = retryAfter === undefined ? [] : ['retry-after', retryAfter];
  const outcome = code < 300 ? 'delivered' : 'rejected';
  return { outcome, code, reason: undefined, headers, body: Buffer.alloc(0) };
}

function planWith(delivery: object): DeliveryPlan {
  const planned = planDelivery(OBJECT, { uid: 'u', subscriberUri: 'http://mailer.test/', delivery });
  if (planned.kind !== 'plan') throw new Error(planned.reason);
  return planned;
}

const waitMs = (delivery: object, result: AttemptResult, attempt = 1): number =>
  dueAfter(planWith(delivery), attempt, result, NOW) - NOW;

describe('a failure is worth another attempt (SelectiveRetry)', () => {
  it.each([404, 408, 409, 429, 500, 502, 503, 504, 599])('when the answer is %d', (code) => {
    expect(isRetriable(answered(code))).toBe(true);
  });
  it.each([301, 302, 307, 400, 401, 403, 405, 410, 413, 415, 422, 451])('not when it is %d', (code) => {
    expect(isRetriable(answered(code))).toBe(false);
  });
  it.each(['unreachable', 'timedOut'] as const)('when there was none: %s', (outcome) => {
    expect(isRetriable({ ...answered(0), outcome })).toBe(true);
  });
});

describe('the next attempt is due', () => {
  const delivery = { retry: 5, backoffPolicy: 'exponential', backoffDelay: 'PT1S' };

  it('after delay × 2^n, counted from 0 (eventing retries.go)', () => {
    expect([1, 2, 3].map((attempt) => waitMs(delivery, answered(500), attempt))).toEqual([1000, 2000, 4000]);
  });

  it('after delay × n when linear, so the first one at once', () => {
    const linear = { ...delivery, backoffPolicy: 'linear' };
    expect([1, 2, 3].map((attempt) => waitMs(linear, answered(500), attempt))).toEqual([0, 1000, 2000]);
  });

  it('no later than backoffMax', () => {
    expect(waitMs({ ...delivery, backoffMax: 'PT3S' }, answered(500), 4)).toBe(3000);
  });

  it.each([429, 503])('when Retry-After says, on %d, in seconds or as a date', (code) => {
    expect(waitMs(delivery, answered(code, '120'))).toBe(120_000);
    expect(waitMs(delivery, answered(code, new Date(NOW + 120_000).toUTCString()))).toBe(120_000);
  });

  it('by the back-off when that is longer than Retry-After asks', () => {
    expect(waitMs(delivery, answered(429, '1'), 3)).toBe(4000);
  });

  it('no later than retryAfterMax, an hour unless given, and PT0S ignores the header', () => {
    expect(waitMs(delivery, answered(503, '86400'))).toBe(3_600_000);
    expect(waitMs({ ...delivery, retryAfterMax: 'PT10S' }, answered(503, '86400'))).toBe(10_000);
    expect(waitMs({ ...delivery, retryAfterMax: 'PT0S' }, answered(503, '86400'))).toBe(1000);
  });

  it.each([
    ['on another status', answered(500, '120')],
    ['when it is in the past', answered(503, new Date(NOW - 120_000).toUTCString())],
    ['when it is neither number nor date', answered(503, 'soon')],
    ['when it is negative', answered(503, '-5')],
  ])('by the back-off alone %s', (_, result) => {
    expect(waitMs(delivery, result)).toBe(1000);
  });
});
