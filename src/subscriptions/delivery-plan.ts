import type { BackingChannel, DeliverySpec, SubscriberEntry } from '../apis/duck.ts';
import { keyOf } from '../apis/resource.ts';
import type { Backoff } from '../base/backoff.ts';
import { parseIsoDuration } from '../base/duration.ts';
import type { GroupOptions, Start } from '../channels/channel.ts';

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
const IN_FLIGHT = 100;

export const ANNOTATIONS = {
  ordered: 'kafka.eventing.knative.dev/delivery.order',
  inFlightMax: 'delivery.millrace.dev/max-in-flight',
  backlogBytesMax: 'delivery.millrace.dev/max-backlog-bytes',
  start: 'delivery.millrace.dev/start',
} as const;

/** Where an annotation of one subscription stands on the channel object, beside those that are meant for all. */
export function annotationOf(annotation: string, uid: string): string {
  return `${annotation}.${uid}`;
}

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
  const deadLetterUrl = entry.delivery?.deadLetterSink?.uri ?? channel.status?.deadLetterSinkUri;
  const bad = [...urls, ...(deadLetterUrl === undefined ? [] : [deadLetterUrl])].find(
    (url) => !isHttpUrl(url),
  );
  if (bad !== undefined) return invalid(`${JSON.stringify(bad)} is no http or https URL`);
  const waits = waitsOf(delivery);
  if (typeof waits === 'string') return invalid(waits);
  const options = optionsOf(channel, group);
  if (typeof options === 'string') return invalid(options);
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

function isHttpUrl(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
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

/** What the channel's annotations say for all, and for this one subscriber. */
function optionsOf({ metadata }: BackingChannel, uid: string): GroupOptions | string {
  const { annotations = {} } = metadata;
  const read = (name: string): string | undefined =>
    annotations[annotationOf(name, uid)] ?? annotations[name];
  const inFlightMax = positive(read(ANNOTATIONS.inFlightMax) ?? String(IN_FLIGHT));
  if (inFlightMax === undefined)
    return `annotation ${ANNOTATIONS.inFlightMax} has to be a whole number above 0`;
  const bytes = read(ANNOTATIONS.backlogBytesMax);
  const backlogBytesMax = bytes === undefined ? undefined : positive(bytes);
  if (bytes !== undefined && backlogBytesMax === undefined) {
    return `annotation ${ANNOTATIONS.backlogBytesMax} has to be a whole number above 0`;
  }
  const order = read(ANNOTATIONS.ordered) ?? 'unordered';
  if (order !== 'ordered' && order !== 'unordered')
    return `annotation ${ANNOTATIONS.ordered} is ordered or unordered`;
  const start = startOf(read(ANNOTATIONS.start) ?? 'latest');
  if (start === undefined) return `annotation ${ANNOTATIONS.start} is latest, earliest or an RFC 3339 time`;
  return { start, inFlightMax, isOrdered: order === 'ordered', backlogBytesMax };
}

function startOf(text: string): Start | undefined {
  if (text === 'latest' || text === 'earliest') return text;
  const sinceMs = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(sinceMs) ? undefined : { sinceMs };
}

function positive(text: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}
