import type { Mark } from '../apis/conditions.ts';
import type { Destination } from '../apis/duck.ts';
import type { Resource } from '../apis/resource.ts';
import type { SourceObject } from '../apis/sources/source-kind.ts';
import type { Backoff } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import type { ResourceReader } from '../control/resource-client.ts';
import type { ClusterAccess, WatchedCluster } from '../control/watched-cluster.ts';
import type { CloudEvent } from '../events/event.ts';

/**
 * Turns what happens outside into CloudEvents. One folder a source; each exports one SourceAdapter, and
 * src/platform/sources.ts lists them. test/contracts/source.ts holds each of them to these promises:
 *   A1  open() returns at once; it connects behind that, and says by tell() how it goes.
 *   A2  what is read is acknowledged at its origin, or the bookmark moved past it, only once deliver() has resolved.
 *   A3  after a crash it goes on where the sink had taken everything: nothing that the origin still has is lost, and only
 *       what was in hand is repeated.
 *   A4  an origin that is away is tried again for ever, after a growing pause of at most 30 seconds, and tell() says so in the
 *       origin's words; what it sends that makes no sense is told, and skipped.
 *   A5  close() reads nothing more, waits for what is being delivered, and frees what it opened; twice is as good as once.
 *   A6  what is in hand is bounded, in events and bytes; an idle source costs nearly nothing.
 */
export interface SourceAdapter<Plan> {
  open(plan: Plan, tools: SourceTools): RunningSource;
  /** How often and when deliver() tries, where the source's object may say so; else until the sink takes the event. */
  patienceOf?(plan: Plan): Patience;
  /** Undoes at the origin what outlives the source: a webhook, a subscription. Rejects while that cannot be done. */
  remove?(plan: Plan, tools: Omit<SourceTools, 'deliver'>): Promise<void>;
}

export type Patience = {
  /** How often an event is tried again; undefined: until the sink takes it. */
  readonly retryMax?: number | undefined;
  /** Undefined: growing pauses of at most 30 seconds. */
  readonly backoff?: Backoff | undefined;
};

export interface RunningSource {
  close(): Promise<void>;
}

export type SourceTools = {
  readonly clock: Clock;
  readonly random: () => number;
  /**
   * Hands an event to the sink, with the source's overrides, and tries again until the sink takes it. 'refused': the sink
   * will never take it (a 4xx that is no wish for another try), or has not in as many tries as the adapter grants
   * (patienceOf); that is told, and the source goes on behind it. Rejects only when `signal` aborts. 'fetched': its
   * origin had not brought it; that stands in its trace.
   */
  deliver(event: CloudEvent, signal: AbortSignal, how?: 'fetched'): Promise<'taken' | 'refused'>;
  /** How far the source has come; durable, at most 64 KiB of text. */
  readonly bookmark: Bookmark;
  /** The API of this platform, read only. */
  readonly reader: ResourceReader;
  /** Opens a cluster to watch, the platform's own or another; who opens it closes it. */
  clusterAt(access: ClusterAccess): Promise<WatchedCluster>;
  tell(state: SourceState): void;
  /** What people should know although it is over: something was lost. It becomes a Warning Event of the object. */
  warn(reason: string, message: string): void;
};

export interface Bookmark {
  read(): Promise<string | undefined>;
  /** Resolves once it is durable. */
  write(text: string): Promise<void>;
}

/** How a running source stands; conditions are made of it. */
export type SourceState =
  /** `marks`: conditions that have come true already. */
  | { readonly kind: 'starting'; readonly marks?: readonly Mark[] }
  /** `fields` go into the object's status beside what all sources have; `marks` are conditions that say more than True. */
  | {
      readonly kind: 'running';
      readonly fields?: Readonly<Record<string, unknown>>;
      readonly marks?: readonly Mark[];
    }
  | {
      readonly kind: 'failing';
      readonly condition: string;
      readonly reason: string;
      readonly message: string;
    };

/** Reads a key of a Secret in a namespace; undefined: not there. */
export type ReadSecret = (namespace: string, name: string, key: string) => string | undefined;

export type Planned<Plan> =
  | { readonly kind: 'plan'; readonly plan: Plan }
  | { readonly kind: 'missing'; readonly mark: Mark };

/** A source kind as the platform runs it. Plans are plain data and compared by value: an equal one changes nothing. */
export type SourceKind<R extends SourceObject, Plan> = {
  readonly kind: { readonly apiVersion: string; readonly kind: string };
  /** The conditions that Ready depends on, `SinkProvided` among them, in the order in which they come true. */
  readonly conditions: readonly string[];
  /** Its sink, where that is not a destination in `spec.sink`. */
  readonly sinkOf?: (object: R) => Destination;
  readonly plan: (object: R, readSecret: ReadSecret, context: SourceContext) => Planned<Plan>;
  /** What its events look like, for `status.ceAttributes`. No plan: something is missing. */
  readonly ceAttributes: (
    object: R,
    context: SourceContext,
    plan?: Plan,
  ) => readonly { type: string; source: string }[];
  /** What else its status says, whether it runs or not. */
  readonly fields?: (object: R, context: SourceContext, plan?: Plan) => Readonly<Record<string, unknown>>;
  /** Whether something of it stays at its origin when it could not be undone: a webhook, a subscription. */
  readonly leavesSomething: boolean;
  /** Called once: all sources of the kind run by the same adapter. */
  readonly load: () => Promise<SourceAdapter<Plan>>;
};

/** What a plan may depend on beside its object. */
export type SourceContext = {
  /** `https://127.0.0.1:8443`: how the embedded API is called in the `source` of its events. */
  readonly apiUrl: string;
  /** How the gateway is reached from outside: webhooks are below it. */
  readonly publicUrl: string;
  /** The data of a ConfigMap in `knative-eventing`, as it is now; undefined: not there. */
  readonly configMap?: (name: string) => Readonly<Record<string, string>> | undefined;
  /** Why a source cannot have its address at the webhook door; undefined: it can. */
  readonly addressTaken?: (source: Resource) => string | undefined;
};
