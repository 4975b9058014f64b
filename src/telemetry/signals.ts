import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';

/**
 * What the data plane says about an event, one signal for each step it takes. Whoever listens (journal, metrics, logs)
 * is none of the publisher's business; with no listener a signal costs one property read.
 *
 * Every signal of an event names it by `id` and `source` (CloudEvents 1.0, 3.1.1: together they are unique) and its time in
 * milliseconds since the epoch. Addresses are URLs without user info, so that no signal carries a secret.
 */
export type EventKey = { readonly id: string; readonly source: string; readonly type: string };

export type Signals = {
  /** A source has handed an event to its sink, and the sink has taken it. */
  'source.sent': EventKey & {
    readonly atMs: number;
    readonly origin: string;
    readonly sinkUrl: string;
    /** The source has read it from its origin's records, since the origin had not brought it. */
    readonly fetched?: true;
  };
  /** A source has turned something away; `reason` is what the sender was told. */
  'source.refused': {
    readonly atMs: number;
    readonly origin: string;
    readonly code: number;
    readonly reason: string;
  };
  /** A channel has made an event durable; from here on 202 may be answered. `seq` is its place in the channel. */
  'channel.accepted': EventKey & {
    readonly atMs: number; // when its last byte had come in
    readonly durableMs: number;
    readonly channel: string; // kind/namespace/name
    readonly seq: number;
    readonly bytes: number;
    /** The groups it is kept for. */
    readonly groups: readonly string[];
  };
  /** A channel keeps nothing for a group any more: its subscription, or the channel itself, was deleted. */
  'channel.forgot': {
    readonly atMs: number;
    readonly channel: string;
    readonly group: string;
    readonly subscription: string; // namespace/name
  };
  /** A channel did not take an event. */
  'channel.refused': {
    readonly atMs: number;
    readonly channel: string;
    readonly code: number;
    readonly reason: string;
  };
  /** One attempt to deliver has ended. */
  'dispatcher.attempted': EventKey & {
    readonly atMs: number; // when it began
    readonly tookMs: number;
    readonly channel: string;
    readonly group: string;
    readonly stage: 'deliver' | 'reply' | 'deadLetter';
    readonly attempt: number;
    readonly url: string;
    /** HTTP status, or 0 when there was no answer. */
    readonly code: number;
    readonly outcome: 'delivered' | 'rejected' | 'unreachable' | 'timedOut';
    readonly reason: string | undefined;
    /** What happens next. */
    readonly next: 'settled' | 'retry' | 'reply' | 'deadLetter' | 'dead';
    readonly dueMs: number | undefined;
  };
  /** An event was given up and is in the dead-letter store. */
  'dispatcher.dead': EventKey & {
    readonly atMs: number;
    readonly channel: string;
    readonly group: string;
    readonly code: number;
    readonly reason: string;
  };
  /** A subscriber's reply: sent on, or dropped with the reason. */
  'reply.sent': EventKey & {
    readonly atMs: number;
    readonly channel: string;
    readonly group: string;
    /** The event that it answers. */
    readonly inReplyTo: string;
    readonly url: string | undefined;
    readonly dropped: string | undefined;
  };
  /** Serving has answered a request; `id` is that of the event it carried, or empty for plain HTTP. */
  'serving.answered': EventKey & {
    readonly atMs: number;
    readonly revision: string; // namespace/name
    readonly instance: string;
    readonly code: number;
    readonly wake: Wake | undefined;
    readonly tookMs: number;
  };
  /** An instance has changed its state. */
  'serving.instance': {
    readonly atMs: number;
    readonly revision: string;
    readonly instance: string;
    readonly state: 'starting' | 'ready' | 'draining' | 'stopped' | 'failed';
    readonly reason: string | undefined;
  };
  /** An object of one of Knative's kinds was written, or refused: what its webhooks would have answered. */
  'api.admitted': {
    readonly atMs: number;
    readonly operation: 'CREATE' | 'UPDATE';
    readonly apiVersion: string;
    readonly kind: string;
    readonly isAllowed: boolean;
    readonly tookMs: number;
  };
  /** A probe of a container has failed; of one that is not ready yet, once a period. */
  'serving.unhealthy': ProbeFault & {
    readonly atMs: number;
    readonly namespace: string;
    readonly instance: string;
    readonly container: string;
  };
};

/** What a probe said, as its container's Pod tells it. */
export type ProbeFault = {
  readonly probe: 'Readiness' | 'Liveness' | 'Startup';
  readonly fault: string; // in its words
  /** The container is ended for it. */
  readonly isLast: boolean;
};

/** A wake from zero, split into its phases; milliseconds since the request came in. */
export type Wake = {
  readonly queuedMs: number; // the activator asked the runtime for an instance
  /** Where its process came from: a warm runner that waited, or one that was spawned for it. */
  readonly from: 'pool' | 'spawned';
  readonly startedMs: number; // a process had the function or program
  readonly loadedMs: number; // it had imported the function; of a program as startedMs
  readonly readyMs: number; // it reported ready
  readonly firstByteMs: number; // its answer began; 0: it never did
};

export type SignalName = keyof Signals;

const channels = new Map<SignalName, ReturnType<typeof channel>>();

function channelOf(name: SignalName): ReturnType<typeof channel> {
  let found = channels.get(name);
  if (found === undefined) channels.set(name, (found = channel(`millrace.${name}`)));
  return found;
}

/** Whether anyone listens; ask before building a costly signal. */
export function isHeard(name: SignalName): boolean {
  return channelOf(name).hasSubscribers;
}

export function publishSignal<Name extends SignalName>(name: Name, signal: Signals[Name]): void {
  const target = channelOf(name);
  if (target.hasSubscribers) target.publish(signal);
}

/** Calls `listener` for every signal of that name, in the publisher's own turn: be quick. Returns how to stop. */
export function onSignal<Name extends SignalName>(
  name: Name,
  listener: (signal: Signals[Name]) => void,
): () => void {
  const forward = (message: unknown): void => listener(message as Signals[Name]); // only publishSignal publishes here
  subscribe(`millrace.${name}`, forward);
  return () => {
    unsubscribe(`millrace.${name}`, forward);
  };
}
