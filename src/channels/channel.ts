import type { CloudEvent } from '../events/event.ts';

/**
 * How far one delivery has come. The channel keeps it beside what is owed, so that a retry or a crash goes on from
 * there: a subscriber that has answered is not called again because its reply could not be sent.
 */
export type Stage =
  | { readonly kind: 'deliver' }
  /** The subscriber has answered with an event, which is still to be sent on. */
  | { readonly kind: 'reply'; readonly reply: CloudEvent }
  /** Attempts are exhausted; the event is still to be brought to its dead-letter sink. */
  | { readonly kind: 'deadLetter'; readonly failure: Failure };

/** Why a delivery was given up; becomes `knativeerrordest`, `knativeerrorcode`, `knativeerrordata`. */
export type Failure = {
  readonly dest: string; // the URL that failed
  readonly code: number; // HTTP status; 500 when there was none, as upstream
  readonly data: string; // base64 of the answer's first bytes, at most 1 024 characters
  readonly reason: string; // for people
};

export type Offer = {
  readonly event: CloudEvent;
  /** Counts from 1 within a stage. */
  readonly attempt: number;
  readonly stage: Stage;
  /** The event's place in its channel; grows, and is never given twice. */
  readonly seq: number;
};

/** A consumer's answer to one offer. Consumers answer, they never throw: a throw is a bug and ends the process. */
export type Verdict =
  | { readonly kind: 'settled' }
  /** Offer it again, in the same stage, no sooner than `dueMs` (since the epoch). */
  | { readonly kind: 'retry'; readonly dueMs: number; readonly reason: string; readonly code: number }
  /** Keep `stage`, then offer it again at once with attempt 1. */
  | { readonly kind: 'advance'; readonly stage: Stage }
  /** Put it into the dead-letter store. */
  | { readonly kind: 'dead'; readonly failure: Failure };

export type Consumer = (offer: Offer, signal: AbortSignal) => Promise<Verdict>;

/** Where a group that the channel does not know yet begins: with what is accepted from now on, or with what is kept. */
export type Start = 'latest' | 'earliest' | { readonly sinceMs: number };

export type GroupOptions = {
  readonly start: Start;
  /** At most so many offers are unanswered at a time (promise P6); 0: none is made, and events wait. */
  readonly inFlightMax: number;
  /** One offer at a time per `partitionkey`, in order, retries included (promise P5); no key is one key. */
  readonly isOrdered: boolean;
  /** At most so many bytes may be owed to this group; past it publish() refuses. Undefined: the channel's own share. */
  readonly backlogBytesMax?: number | undefined;
  /**
   * What the group is called in the broker, when several platforms share its work: each event goes to one of them, and
   * forget() leaves the group and what it is owed to the others. Undefined: a name of its own, made from the group's.
   * Only a channel in a broker knows others.
   */
  readonly sharedName?: string | undefined;
};

export type Backlog = {
  readonly group: string;
  /** Events that are kept for the group and not settled, those in flight and in retry included. */
  readonly events: number;
  readonly bytes: number;
  readonly inFlight: number;
  readonly retrying: number;
  readonly dead: number;
  /** The dead-letter store has no room: what was given up stays owed until it has. */
  readonly isDeadFull: boolean;
  /** When the oldest of them was accepted, since the epoch; undefined when there is none. */
  readonly oldestMs: number | undefined;
};

/**
 * The hand-over point between whoever produced an event and whoever subscribed to it. Every adapter keeps these
 * promises; test/contracts/channel.ts holds each of them to it.
 *   C1  publish() resolves only once the backend has taken responsibility for the event, for every group that consume()
 *       had resolved for by then. It rejects with a PlatformError: CHANNEL_FULL (retryable; a bound of the backlog),
 *       EVENT_TOO_LARGE, CHANNEL_CLOSED, CHANNEL_LOST.
 *   C2  each group is offered an event until it answers 'settled' or 'dead'; a 'retry' is offered again no sooner than
 *       `dueMs` and is kept by the channel, not in the consumer's memory; attempts count from 1 within a stage; an
 *       'advance' is kept before it is offered again.
 *   C3  an event in retry, or one that is not answered, delays no other event, unless the group is ordered and they
 *       share a key.
 *   C4  consume() resolves once events are kept for the group. A known group goes on where it was; consuming again
 *       exchanges consumer and options. At most `inFlightMax` offers are unanswered.
 *   C5  forget() gives up what is owed to a group and says how many events that were; its dead letters stay readable
 *       until the channel is removed.
 *   C6  close() stops new offers, waits for running consumers, aborts their signal after the grace time that the
 *       adapter was opened with, frees the backend; twice is as good as once. What was not answered stays owed.
 */
export interface Channel {
  /** Aborts when the backend goes away; the supervisor then reopens the channel. */
  readonly lost: AbortSignal;
  publish(event: CloudEvent): Promise<void>;
  consume(group: string, options: GroupOptions, consumer: Consumer): Promise<void>;
  forget(group: string): Promise<number>;
  backlog(): Promise<readonly Backlog[]>;
  close(): Promise<void>;
}

export type DeadLetter = {
  readonly seq: number;
  readonly group: string;
  readonly event: CloudEvent;
  readonly failure: Failure;
  readonly attempts: number;
  readonly diedMs: number;
};

/** What could not be delivered and has no dead-letter sink; an extra power of a channel that keeps it. */
export interface DeadLetterStore {
  /** The newest first, at most `limit`, optionally those of one event or one group. */
  deadLetters(query: {
    readonly limit: number;
    readonly group?: string | undefined;
    readonly eventId?: string | undefined;
  }): Promise<readonly DeadLetter[]>;
}
