import type { BackingChannel, DeliverySpec, SubscriberEntry } from '../apis/duck.ts';
import { keyOf } from '../apis/resource.ts';
import type { Backoff } from '../base/backoff.ts';
import { parseIsoDuration } from '../base/duration.ts';
import type { GroupOptions } from '../channels/channel.ts';
import { groupOptions, groupTaken } from './annotations.ts';

/** What the dispatcher needs to serve one subscriber. Durations in milliseconds. */
export type DeliveryPlan = {
  readonly kind: 'plan';
  /** What the channel calls this subscriber: its uid. */
  readonly group: string;
  readonly name: string;
  readonly namespace: string;
  /** Without one the event itself goes to `replyUrl`. */
  readonly subscriberUrl: string | undefined;
  readonly replyUrl: string | undefined;
  readonly deadLetterUrl: string | undefined;
  readonly retriesMax: number;
  readonly backoff: Backoff;
  readonly timeoutMs: number;
  readonly retryAfterMaxMs: number;
  readonly format: 'json' | 'binary';
  readonly options: GroupOptions;
};
export type Planned =
  | DeliveryPlan
  | { readonly kind: 'invalid'; readonly group: string; readonly reason: string };

/** When neither the subscription nor the channel says anything (contract: Defaults; upstream's channels retry 0 times). */
const DEFAULT_DELIVERY: DeliverySpec = { retry: 10, backoffPolicy: 'exponential', backoffDelay: 'PT0.2S' };
const BACKOFF_DELAY = 'PT0.2S';
const TIMEOUT = 'PT10M';
const RETRY_AFTER_MAX = 'PT1H';

/** Depends on the channel object alone, so that an entry of a foreign controller counts as much as our own. */
export function planDelivery(channel: BackingChannel, entry: SubscriberEntry): Planned {
  const { uid: group, subscriberUri: subscriberUrl, replyUri: replyUrl } = entry;
  const invalid = (what: string): Planned => {
    const reason = `subscriber ${entry.name ?? group} of ${channel.kind} ${keyOf(channel)}: ${what}`;
    return { kind: 'invalid', group, reason };
  };
  const urls = [subscriberUrl, replyUrl].filter((url) => url !== undefined);
  if (urls.length === 0) return invalid('has neither subscriberUri nor replyUri');
  // An entry's delivery replaces the channel's as a whole (knative specs, control-plane.md).
  const delivery = entry.delivery ?? channel.spec?.delivery ?? DEFAULT_DELIVERY;
  const deadLetter = deadLetterOf(channel, entry);
  if (deadLetter === 'unresolved') return invalid('its dead-letter sink has no address yet');
  const { deadLetterUrl } = deadLetter;
  const bad = [...urls, ...(deadLetterUrl === undefined ? [] : [deadLetterUrl])].find(
    (url) => !isHttpUrl(url),
  );
  if (bad !== undefined) return invalid(`${JSON.stringify(masked(bad))} is no http or https URL`);
  const waits = waitsOf(delivery);
  if (typeof waits === 'string') return invalid(waits);
  const options = groupOptions(channel.metadata.annotations ?? {}, group);
  if (typeof options === 'string') return invalid(options);
  const taken = groupTaken(channel, group, options.sharedName);
  if (taken !== undefined) return invalid(taken);
  return {
    kind: 'plan',
    group,
    name: entry.name ?? group,
    namespace: entry.namespace ?? channel.metadata.namespace ?? '',
    subscriberUrl,
    replyUrl,
    deadLetterUrl,
    retriesMax: delivery.retry ?? 0,
    format: delivery.format ?? 'binary',
    options,
    ...waits,
  };
}

/**
 * The subscriber's own sink, else the channel's, even beside a delivery of its own (eventing subscription.go,
 * resolveDeadLetterSink). One that is named but has no address yet is not none: events wait for it.
 */
function deadLetterOf(
  { spec, status }: BackingChannel,
  entry: SubscriberEntry,
): { readonly deadLetterUrl: string | undefined } | 'unresolved' {
  const own = entry.delivery?.deadLetterSink;
  if (own !== undefined) return own.uri === undefined ? 'unresolved' : { deadLetterUrl: own.uri };
  const shared = spec?.delivery?.deadLetterSink;
  const deadLetterUrl = status?.deadLetterSinkUri ?? (shared?.ref === undefined ? shared?.uri : undefined);
  return shared !== undefined && deadLetterUrl === undefined ? 'unresolved' : { deadLetterUrl };
}

function isHttpUrl(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
}

/** Without user info: what is written about an object carries no secret. */
function masked(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//');
}

type Waits = Pick<DeliveryPlan, 'backoff' | 'timeoutMs' | 'retryAfterMaxMs'>;

/** The waits of a delivery in milliseconds, or which of them cannot be read. */
function waitsOf(delivery: DeliverySpec): Waits | string {
  const {
    backoffDelay = BACKOFF_DELAY,
    backoffMax,
    timeout = TIMEOUT,
    retryAfterMax = RETRY_AFTER_MAX,
  } = delivery;
  const written = { backoffDelay, backoffMax: backoffMax ?? 'P1D', timeout, retryAfterMax };
  const read = new Map(Object.entries(written).map(([field, text]) => [field, parseIsoDuration(text)]));
  for (const [field, text] of Object.entries(written)) {
    if (read.get(field) === undefined)
      return `delivery.${field} ${JSON.stringify(text)} is no ISO 8601 duration`;
  }
  const ms = (field: keyof typeof written): number => read.get(field) ?? 0;
  if (ms('timeout') === 0) return 'delivery.timeout has to be longer than nothing';
  return {
    backoff: {
      policy: delivery.backoffPolicy ?? 'exponential',
      delayMs: ms('backoffDelay'),
      maxMs: ms('backoffMax'),
    },
    timeoutMs: ms('timeout'),
    retryAfterMaxMs: ms('retryAfterMax'),
  };
}
