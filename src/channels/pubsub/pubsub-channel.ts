import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import {
  isUnreached,
  lostFault,
  NOT_FOUND,
  RESOURCE_EXHAUSTED,
  statusOf,
  wordsOf,
} from '../../clients/pubsub/faults.ts';
import type { Link } from '../../clients/pubsub/link.ts';
import type { CloudEvent } from '../../events/event.ts';
import { fromPubsub, toPubsub, wrapPubsub, type TakenMessage } from '../../events/pubsub-binding.ts';
import type { BackedChannel, ChannelSpec } from '../backend.ts';
import type { Backlog, Consumer, DeadLetter, DeadLetterStore, GroupOptions } from '../channel.ts';
import { tellAccepted } from '../tell.ts';
import { DeadLetters } from './dead-letters.ts';
import type { GroupStore } from './group-store.ts';
import type { Names } from './names.ts';
import { NOTED_BYTES_MAX } from './parcel.ts';
import { Publisher, REQUEST_BYTES_MAX, sizeOf } from './publisher.ts';
import { orderRefusal, PubsubGroup } from './pubsub-group.ts';
import { bytesOf, Tally, TALLY } from './tally.ts';

export type PubsubChannelTools = {
  readonly link: Link;
  readonly clock: Clock;
  readonly names: Names;
  readonly groups: GroupStore;
  readonly spec: ChannelSpec;
  /** Tells this opening of the channel from all others. */
  readonly instance: string;
  /** An ordered group was served before. */
  readonly hasOrdered: boolean;
  readonly graceMs: number;
  /** Called once, when it is closed. */
  readonly onClose: () => void;
};

/** What is under way when its group is forgotten may come to its end in this time. */
const FORGET_GRACE_MS = 1000;
/** An event has to fit with what is noted beside it when it is tried again. */
const EVENT_BYTES_MAX = REQUEST_BYTES_MAX - NOTED_BYTES_MAX;
const ORDERING_KEY_MAX = 1024;
/** Of events without a `partitionkey`, which are one key. */
const NO_KEY = '-';

/**
 * A channel whose events are in a topic of Pub/Sub, with one subscription for each group.
 *   S1  202 means that Pub/Sub has the event, which keeps it for every subscription of the topic.
 *   S2  an event has an ordering key only when an ordered group is, or was, served here: a key takes 1 MB/s at most, and
 *       has a request of its own.
 *   S3  after `lost` nothing is published, settled or given back; what was not answered is handed out again when its lease
 *       runs out.
 */
export class PubsubChannel implements BackedChannel {
  readonly lost: AbortSignal;
  readonly #tools: PubsubChannelTools;
  readonly #lost = new AbortController();
  readonly #publisher: Publisher;
  readonly #dead: DeadLetters;
  readonly #groups = new Map<string, PubsubGroup>();
  readonly #tallies: Map<string, Tally>;
  readonly #consuming = new Map<string, Promise<void>>(); // one consume() or forget() of a group at a time
  #hasOrdered: boolean;
  #checked = 0;
  #closed: Promise<void> | undefined;

  constructor(tools: PubsubChannelTools) {
    const { link, names, spec, instance } = tools;
    this.#tools = tools;
    this.lost = AbortSignal.any([link.lost, this.#lost.signal]);
    this.#publisher = new Publisher(link, names.topic, this.lost);
    this.#hasOrdered = tools.hasOrdered;
    this.#tallies = new Map(spec.groups.map((group) => [group, new Tally(instance)]));
    this.#dead = new DeadLetters({
      link,
      publisher: new Publisher(link, names.deadTopic, this.lost),
      subscription: names.dead,
      eventOf: (message, subscription) => this.#eventOf(message, subscription),
      seqOf,
      groupOf: (subscription) =>
        [...this.#groups].find(([, { names: each }]) => each.subscription === subscription)?.[0],
    });
  }

  async publish(event: CloudEvent): Promise<void> {
    const atMs = this.#tools.clock.nowMs();
    this.#refuseIfOver();
    const bytes = bytesOf(event);
    const counting = this.#refuseIfFull(bytes);
    const { attributes, data } = toPubsub(event);
    const message = { attributes: { ...attributes, [TALLY]: this.#tag(atMs) }, data };
    const orderingKey = this.#orderingKeyOf(event);
    const size = sizeOf(message, orderingKey);
    if (size > EVENT_BYTES_MAX) throw tooLarge(size);
    for (const tally of counting) tally.add(atMs, bytes);
    let messageId = '';
    try {
      messageId = await this.#publisher.publish(message, orderingKey);
    } catch (error) {
      for (const tally of counting) tally.drop(atMs, bytes);
      throw this.#refusalOf(error);
    }
    const { clock, spec } = this.#tools;
    const groups = [...this.#tallies.keys()];
    const durableMs = clock.nowMs();
    tellAccepted(event, { atMs, durableMs, channel: spec.key, seq: seqOf(messageId), bytes, groups });
  }

  consume(group: string, options: GroupOptions, consumer: Consumer): Promise<void> {
    return this.#alone(group, async () => {
      this.#refuseIfOver();
      const known = this.#groups.get(group) ?? (await this.#openGroup(group, options));
      if (known.isOrdered !== options.isOrdered)
        throw orderRefusal(known.names.subscription, options.isOrdered);
      known.serve(options, consumer);
    });
  }

  async forget(group: string): Promise<number> {
    let owed = 0;
    await this.#alone(group, async () => {
      const known = this.#groups.get(group);
      await known?.close(FORGET_GRACE_MS, !known.isShared);
      owed = known?.isShared === true ? 0 : (this.#tallies.get(group)?.events ?? 0);
      this.#groups.delete(group);
      this.#tallies.delete(group);
      if (known?.isShared !== true) await this.#tools.groups.remove(group);
    });
    return owed;
  }

  async backlog(): Promise<readonly Backlog[]> {
    return [...this.#tallies].map(([group, { events, bytes, dead, oldestMs }]) => {
      const waiting = { group, events, bytes, inFlight: 0, retrying: 0, dead, isDeadFull: false, oldestMs };
      return this.#groups.get(group)?.figures() ?? waiting;
    });
  }

  deadLetters(query: Parameters<DeadLetterStore['deadLetters']>[0]): Promise<readonly DeadLetter[]> {
    return this.#dead.deadLetters(query);
  }

  async remove(): Promise<number> {
    const groups = new Set([...this.#tools.spec.groups, ...this.#tallies.keys()]);
    const shared = new Set([...this.#groups].filter(([, { isShared }]) => isShared).map(([group]) => group));
    let owed = 0;
    for (const [group, { events }] of this.#tallies) if (!shared.has(group)) owed += events;
    await (this.#closed ??= this.#drain(true));
    const own = [...groups].filter((group) => !shared.has(group));
    await Promise.all(own.map((group) => this.#tools.groups.remove(group)));
    await this.#tools.groups.removeChannel(shared.size > 0);
    return owed;
  }

  async check(): Promise<string | undefined> {
    if (this.lost.aborted) return wordsOf(this.lost.reason);
    const groups = [...this.#groups.values()];
    this.#checked += 1;
    return this.#tools.groups.troubleOf(
      groups.length === 0 ? undefined : groups[this.#checked % groups.length],
    );
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#drain());
  }

  async #drain(isHasty = false): Promise<void> {
    await Promise.allSettled(this.#consuming.values());
    const close = (group: PubsubGroup): Promise<void> =>
      group.close(this.#tools.graceMs, isHasty && !group.isShared);
    await Promise.all(this.#groups.values().map(close));
    this.#tools.onClose();
  }

  async #openGroup(group: string, options: GroupOptions): Promise<PubsubGroup> {
    const { link, clock, spec, groups, instance } = this.#tools;
    const names = await groups.make(group, options, this.lost);
    this.#hasOrdered ||= options.isOrdered;
    const counted = options.sharedName === undefined ? this.#tallies.get(group) : undefined; // B3
    const tally = counted ?? new Tally(instance);
    const opened = new PubsubGroup(
      {
        link,
        clock,
        channel: spec.key,
        tally,
        dead: this.#dead,
        eventOf: (message, subscription) => this.#eventOf(message, subscription),
        seqOf,
        lost: this.lost,
        onGone: (what, error) => this.#lose(what, error),
      },
      group,
      names,
      options,
    );
    this.#groups.set(group, opened);
    this.#tallies.set(group, tally);
    return opened;
  }

  async #alone(group: string, work: () => Promise<void>): Promise<void> {
    const before = this.#consuming.get(group) ?? Promise.resolve();
    const running = before.catch(() => undefined).then(work);
    this.#consuming.set(group, running);
    await running;
  }

  #refuseIfOver(): void {
    if (this.#closed !== undefined)
      throw new PlatformError('CHANNEL_CLOSED', 'the channel is closed', { retryable: true });
    if (this.lost.aborted) throw lostFault(this.#tools.names.topic, this.lost.reason);
  }

  /** Who counts it, or CHANNEL_FULL. */
  #refuseIfFull(bytes: number): readonly Tally[] {
    const counting: Tally[] = [];
    for (const [group, tally] of this.#tallies) {
      const served = this.#groups.get(group);
      const bytesMax = served?.options.backlogBytesMax ?? Number.POSITIVE_INFINITY;
      if (tally.bytes + bytes > bytesMax) {
        const reason = `subscription ${group} owes ${tally.bytes} bytes, as far as this process has seen`;
        throw new PlatformError('CHANNEL_FULL', reason, { retryable: true });
      }
      if (served?.isShared !== true) counting.push(tally); // what others take is never heard of again
    }
    return counting;
  }

  #refusalOf(error: unknown): PlatformError {
    const { topic } = this.#tools.names;
    if (error instanceof PlatformError) return error;
    if (statusOf(error) === NOT_FOUND) this.#lose(topic, error);
    if (statusOf(error) === RESOURCE_EXHAUSTED)
      return new PlatformError('CHANNEL_FULL', `${topic}: ${wordsOf(error)}`, {
        retryable: true,
        cause: error,
      });
    if (statusOf(error) === NOT_FOUND || isUnreached(error)) return lostFault(topic, error);
    return new PlatformError('BACKEND_REFUSED', `${topic}: ${wordsOf(error)}`, {
      retryable: true,
      cause: error,
    });
  }

  #lose(what: string, error: unknown): void {
    if (!this.lost.aborted) this.#lost.abort(lostFault(what, error));
  }

  #tag(atMs: number): string {
    return `${this.#tools.instance}.${atMs.toString(36)}`;
  }

  /** S2 */
  #orderingKeyOf({ attributes }: CloudEvent): string {
    if (!this.#hasOrdered) return '';
    const key = attributes.get('partitionkey') ?? NO_KEY;
    if (Buffer.byteLength(key) <= ORDERING_KEY_MAX) return key;
    return createHash('sha256').update(key).digest('hex');
  }

  #eventOf(message: TakenMessage, subscription: string): CloudEvent {
    const read = fromPubsub(message);
    return read.kind === 'event'
      ? read.event
      : wrapPubsub(message, { topic: this.#tools.names.topic, subscription });
  }
}

/** A message's id is a number of up to 64 bits; a place is one of 53. */
function seqOf(messageId: string): number {
  return /^\d{1,20}$/.test(messageId) ? Number(BigInt.asUintN(53, BigInt(messageId))) : 0;
}

function tooLarge(size: number): PlatformError {
  const message =
    `the event is a message of ${size} bytes; Pub/Sub takes ${REQUEST_BYTES_MAX} at most, which nobody can raise, ` +
    `of which ${NOTED_BYTES_MAX} are kept for what is noted beside it`;
  return new PlatformError('EVENT_TOO_LARGE', message, { retryable: false });
}
