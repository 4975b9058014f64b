import type { Clock } from '../base/clock.ts';
import type { Channel, DeadLetterStore } from './channel.ts';

/**
 * What is connected to a broker that the user runs: Kafka, RabbitMQ, Google Pub/Sub. One adapter a folder, each exporting
 * one BackendAdapter; src/platform/adapters.ts lists them. An adapter knows how to keep, offer, settle and delay; who
 * gets what, when it is tried again and what becomes of it is the dispatcher's. Adapters do not reconnect: `lost` says
 * that the broker is gone, and the supervisor opens anew.
 */
export interface BackendAdapter {
  /** The kind of the channel object: `KafkaChannel`. */
  readonly kind: string;
  /** The ConfigMap in `knative-eventing` that says where the broker is; its `auth.secret.ref.name` names the Secret. */
  readonly configMap: string;
  /**
   * Loads the client library, here and nowhere else, and connects. Rejects with a PlatformError: BACKEND_SETTINGS_INVALID
   * (names the key of the ConfigMap or Secret, and what it has to be), BACKEND_UNREACHABLE or BACKEND_REFUSED
   * (retryable; in the broker's words). Nothing it says holds a secret.
   */
  connect(settings: Settings, tools: BackendTools): Promise<Backend>;
}

/** The ConfigMap's data, and the Secret's, decoded to text; no Secret is an empty one. */
export type Settings = {
  readonly config: Readonly<Record<string, string>>;
  readonly secret: Readonly<Record<string, string>>;
};

export type BackendTools = {
  readonly clock: Clock;
  readonly random: () => number;
  /** What running consumers are given when a channel closes (C6), in milliseconds. */
  readonly graceMs: number;
};

/** A connected broker, shared by the channels of one kind. */
export interface Backend {
  /** Aborts, with a PlatformError that says why in the broker's words, when the broker is gone; so do its channels'. */
  readonly lost: AbortSignal;
  /**
   * Makes sure that what the channel needs is in the broker, and opens it. Rejects with a PlatformError:
   * CHANNEL_NAME_TAKEN (something of that name is there, and is not ours), CHANNEL_NOT_FOUND (an external name that is
   * not there), CHANNEL_SPEC_INVALID, BACKEND_REFUSED, BACKEND_UNREACHABLE.
   */
  open(channel: ChannelSpec): Promise<BackedChannel>;
  /** Closes what is open, in order; twice is as good as once. */
  close(): Promise<void>;
}

/** What a backend is asked to keep: one channel object, as far as an adapter needs to know it. */
export type ChannelSpec = {
  readonly key: string; // Kind/namespace/name, as signals name it
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** The kind's own fields, such as `numPartitions`; defaults are already in them. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** The topic's or exchange's name by the template of the ConfigMap, where one is set; else the adapter's own template. */
  readonly ownName?: string | undefined;
  /**
   * An existing topic or exchange that somebody else made: it is used as it is, has to be there, and is never removed.
   * What is made beside it for a group (queues, retry and dead-letter topics) is ours, and named after it.
   */
  readonly externalName: string | undefined;
  /** The groups that were served before, by any run: what the broker cannot list, backlog() starts from. */
  readonly groups: readonly string[];
  readonly claim: Claim;
};

/**
 * Whether the topic or exchange of this channel's own name was made for it. Brokers do not tell who made a thing, so the
 * claim is kept with the channel object, and made before the thing is: a crash between the two leaves nothing that is
 * taken for foreign.
 */
export interface Claim {
  readonly isOurs: boolean;
  make(): Promise<void>;
}

export interface BackedChannel extends Channel, DeadLetterStore {
  /**
   * Removes what was made for the channel, dead letters included; not what is external or shared by name. Closes it
   * first. Returns how many events were still owed, as far as the broker tells. Idempotent: what is gone is no error.
   */
  remove(): Promise<number>;
  /**
   * Whether what was made is still there and as it has to be; what is wrong in the broker's words, undefined when
   * nothing is. Called every some seconds: bounded in time, cheap, and it never rejects.
   */
  check(): Promise<string | undefined>;
}
