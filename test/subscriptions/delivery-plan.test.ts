import { describe, expect, it } from 'vitest';
import type { BackingChannel, SubscriberEntry } from '../../src/apis/duck.ts';
import { annotationOf, ANNOTATIONS, planDelivery } from '../../src/subscriptions/delivery-plan.ts';

const entry: SubscriberEntry = { uid: 'u-1', name: 'audit', subscriberUri: 'http://mailer.demo.test/' };

function channelWith(
  spec: NonNullable<BackingChannel['spec']> = {},
  annotations: Record<string, string> = {},
  deadLetterSinkUri?: string,
): BackingChannel {
  return {
    apiVersion: 'messaging.knative.dev/v1alpha1',
    kind: 'LogChannel',
    metadata: { namespace: 'demo', name: 'orders', annotations },
    spec,
    status: deadLetterSinkUri === undefined ? {} : { deadLetterSinkUri },
  };
}

describe('a delivery plan', () => {
  it('retries ten times from 0.2 s, ten minutes each, when nobody says anything', () => {
    expect(planDelivery(channelWith(), entry)).toMatchObject({
      kind: 'plan',
      group: 'u-1',
      namespace: 'demo',
      retriesMax: 10,
      backoff: { policy: 'exponential', delayMs: 200 },
      timeoutMs: 600_000,
      retryAfterMaxMs: 3_600_000,
      format: 'binary',
      options: { start: 'latest', inFlightMax: 100, isOrdered: false },
    });
  });

  it("takes the entry's delivery whole, else the channel's", () => {
    const orders = channelWith({ delivery: { retry: 3, timeout: 'PT5S' } }, {}, 'http://dead.test/');
    expect(planDelivery(orders, entry)).toMatchObject({
      retriesMax: 3,
      timeoutMs: 5000,
      deadLetterUrl: 'http://dead.test/',
    });
    expect(planDelivery(orders, { ...entry, delivery: { retry: 1 } })).toMatchObject({
      retriesMax: 1,
      timeoutMs: 600_000,
      backoff: { policy: 'exponential', delayMs: 200 },
    });
  });

  it('reads annotations that are meant for all, and those of one subscriber before them', () => {
    const annotations = {
      [ANNOTATIONS.ordered]: 'ordered',
      [ANNOTATIONS.inFlightMax]: '5',
      [annotationOf(ANNOTATIONS.inFlightMax, 'u-1')]: '7',
      [ANNOTATIONS.start]: '2026-01-02T03:04:05Z',
    };
    expect(planDelivery(channelWith({}, annotations), entry)).toMatchObject({
      options: { isOrdered: true, inFlightMax: 7, start: { sinceMs: Date.UTC(2026, 0, 2, 3, 4, 5) } },
    });
  });

  it.each<[string, SubscriberEntry, Record<string, string>, string]>([
    ['leads nowhere', { uid: 'u-1' }, {}, 'has neither subscriberUri nor replyUri'],
    ['has no URL', { ...entry, subscriberUri: 'mailer' }, {}, '"mailer" is no http or https URL'],
    ['has another scheme', { ...entry, replyUri: 'ftp://x/' }, {}, '"ftp://x/" is no http or https URL'],
    [
      'has a bad duration',
      { ...entry, delivery: { timeout: '5s' } },
      {},
      'delivery.timeout "5s" is no ISO 8601 duration',
    ],
    [
      'has no time at all',
      { ...entry, delivery: { timeout: 'PT0S' } },
      {},
      'delivery.timeout has to be longer',
    ],
    ['has a bad bound', entry, { [ANNOTATIONS.inFlightMax]: '0' }, 'has to be a whole number above 0'],
    ['has a bad order', entry, { [ANNOTATIONS.ordered]: 'yes' }, 'is ordered or unordered'],
    ['has a bad start', entry, { [ANNOTATIONS.start]: 'monday' }, 'is latest, earliest or an RFC 3339 time'],
  ])('names an entry that %s, and does not skip it', (_, bad, annotations, reason) => {
    const planned = planDelivery(channelWith({}, annotations), bad);
    expect(planned).toMatchObject({ kind: 'invalid', group: 'u-1', reason: expect.stringContaining(reason) });
    expect(planned).toHaveProperty('reason', expect.stringContaining('LogChannel demo/orders'));
  });
});
