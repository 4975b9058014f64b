import type { Resource } from './resource.ts';

/**
 * Knative's duck types: shapes that many kinds share, so that a Subscription can name any Addressable and a dispatcher
 * can serve any Channelable (knative pkg/apis/duck/v1, eventing pkg/apis/duck/v1).
 */
export type ConditionStatus = 'True' | 'False' | 'Unknown';

export type Condition = {
  readonly type: string;
  readonly status: ConditionStatus;
  /** Absent means Error: then a False makes the aggregate False. */
  readonly severity?: 'Warning' | 'Info';
  readonly lastTransitionTime?: string;
  readonly reason?: string;
  readonly message?: string;
};

export type Status = {
  readonly observedGeneration?: number;
  readonly conditions?: readonly Condition[];
  readonly annotations?: Readonly<Record<string, string>>;
};

export type KReference = {
  readonly apiVersion?: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly group?: string;
  readonly address?: string; // the name of one of several addresses
};

/** Where events go: an object that has an address, an absolute URI, or a URI relative to that address. */
export type Destination = {
  readonly ref?: KReference;
  readonly uri?: string;
  readonly CACerts?: string;
  readonly audience?: string;
};

export type Addressable = {
  readonly name?: string;
  readonly url?: string;
  readonly CACerts?: string;
  readonly audience?: string;
};

/** How hard to try, and what becomes of an event that nobody takes (eventing delivery_types.go). Durations: ISO 8601. */
export type DeliverySpec = {
  readonly deadLetterSink?: Destination;
  readonly retry?: number; // further attempts after the first
  readonly backoffPolicy?: 'linear' | 'exponential';
  readonly backoffDelay?: string;
  readonly backoffMax?: string;
  readonly timeout?: string; // of one attempt
  readonly retryAfterMax?: string;
  readonly format?: 'json' | 'binary';
};

/** The truth about one subscriber of a backing channel, whoever wrote it: foreign controllers patch these too. */
export type SubscriberEntry = {
  readonly uid: string;
  readonly generation?: number;
  readonly name?: string;
  readonly namespace?: string;
  readonly subscriberUri?: string;
  readonly replyUri?: string;
  readonly delivery?: DeliverySpec; // its deadLetterSink is resolved to a uri
};

export type SubscriberStatus = {
  readonly uid: string;
  readonly observedGeneration?: number;
  readonly ready: ConditionStatus;
  readonly message?: string;
};

/** What every channel kind that keeps events looks like (Channelable). */
export type BackingChannel = Resource & {
  readonly spec?: {
    readonly subscribers?: readonly SubscriberEntry[];
    readonly delivery?: DeliverySpec;
  };
  readonly status?: Status & {
    readonly address?: Addressable;
    readonly subscribers?: readonly SubscriberStatus[];
    readonly deadLetterSinkUri?: string;
  };
};
