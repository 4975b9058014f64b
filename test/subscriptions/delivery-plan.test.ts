import { describe, expect, it } from 'vitest';
import type { BackingChannel, SubscriberEntry } from '../../src/apis/duck.ts';
import { annotationOf, ANNOTATIONS } from '../../src/subscriptions/annotations.ts';
import { planDelivery } from '../../src/subscriptions/delivery-plan.ts';

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

  it("has the channel's dead-letter sink unless its entry names one, even beside a delivery of its own", () => {
    const orders = channelWith({ delivery: { retry: 3 } }, {}, 'http://dead.test/');
    const own = { retry: 1, deadLetterSink: { uri: 'http://own.test/' } };
    expect(planDelivery(orders, { ...entry, delivery: own })).toMatchObject({
      deadLetterUrl: 'http://own.test/',
    });
    expect(planDelivery(orders, { ...entry, delivery: { retry: 1 } })).toMatchObject({
      retriesMax: 1,
      deadLetterUrl: 'http://dead.test/',
    });
  });

  it('waits for the address of a dead-letter sink that its channel names', () => {
    const named = channelWith({ delivery: { deadLetterSink: { ref: { kind: 'Service', name: 'dead' } } } });
    expect(planDelivery(named, entry)).toMatchObject({ kind: 'invalid' });
    const plain = channelWith({ delivery: { deadLetterSink: { uri: 'http://dead.test/' } } });
    expect(planDelivery(plain, entry)).toMatchObject({ deadLetterUrl: 'http://dead.test/' });
  });

  it('backs off exponentially from 0.2 s when retries are asked for and no more is said', () => {
    expect(planDelivery(channelWith(), { ...entry, delivery: { retry: 4 } })).toMatchObject({
      retriesMax: 4,
      backoff: { policy: 'exponential', delayMs: 200 },
    });
  });

  it('does not retry when a delivery is given that says nothing of it, as upstream', () => {
    expect(planDelivery(channelWith(), { ...entry, delivery: { timeout: 'PT5S' } })).toMatchObject({
      retriesMax: 0,
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
    [
      'has a bad order',
      entry,
      { [ANNOTATIONS.ordered]: 'yes' },
      'has to be "ordered" or "unordered", not "yes"',
    ],
    [
      'has a bad bound of its own',
      entry,
      { [ANNOTATIONS.backlogBytesMax]: '9', [annotationOf(ANNOTATIONS.backlogBytesMax, 'u-1')]: '1GiB' },
      'annotation delivery.millrace.dev/max-backlog-bytes.u-1 has to be a whole number above 0, not "1GiB"',
    ],
    ['has a time without offset', entry, { [ANNOTATIONS.start]: '2026-01-02T03:04:05' }, 'an RFC 3339 time'],
    [
      'has an unresolved dead-letter sink',
      { ...entry, delivery: { deadLetterSink: { ref: { kind: 'Service', name: 'dead' } } } },
      {},
      'its dead-letter sink has no address yet',
    ],
    ['has a secret in a bad URL', { ...entry, replyUri: 'ftp://a:b@x/' }, {}, '"ftp://x/" is no http'],
    [
      'has a bad start',
      entry,
      { [ANNOTATIONS.start]: 'monday' },
      'has to be "latest", "earliest" or an RFC 3339 time',
    ],
  ])('names an entry that %s, and does not skip it', (_, bad, annotations, reason) => {
    const planned = planDelivery(channelWith({}, annotations), bad);
    expect(planned).toMatchObject({ kind: 'invalid', group: 'u-1', reason: expect.stringContaining(reason) });
    expect(planned).toHaveProperty('reason', expect.stringContaining('LogChannel demo/orders'));
  });

  it('is made for the first of two that have one consumer group, and for no other', () => {
    const second = { ...entry, uid: 'u-2', name: 'mails' };
    const named = Object.fromEntries(
      ['u-1', 'u-2'].map((uid) => [annotationOf(ANNOTATIONS.sharedName, uid), 'workers']),
    );
    const orders = channelWith({ subscribers: [entry, second] }, named);
    expect(planDelivery(orders, entry)).toMatchObject({ kind: 'plan', options: { sharedName: 'workers' } });
    expect(planDelivery(orders, second)).toMatchObject({
      kind: 'invalid',
      reason: expect.stringContaining(
        'consumer group workers is that of subscription audit of the same channel',
      ),
    });
    expect(planDelivery(channelWith({ subscribers: [second] }, named), second)).toMatchObject({
      kind: 'plan',
    });
  });
});
