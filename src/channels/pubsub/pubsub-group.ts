import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import type { ReceivedMessage } from '../../clients/pubsub/client.ts';
import { Intake } from '../../clients/pubsub/intake.ts';
import { Leases } from '../../clients/pubsub/leases.ts';
import type { Link } from '../../clients/pubsub/link.ts';
import { takenOf } from '../../clients/pubsub/taken-message.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { PubsubMessage, TakenMessage } from '../../events/pubsub-binding.ts';
import type { Backlog, Consumer, Failure, GroupOptions, Stage, Verdict } from '../channel.ts';
import { Offers, type Held } from '../offers.ts';
import { tellDead } from '../tell.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { GroupNames } from './names.ts';
import { Notes } from './notes.ts';
import { packParcel, unpackParcel, type Parcel } from './parcel.ts';
import { Publisher, REQUEST_BYTES_MAX, sizeOf } from './publisher.ts';
import { bytesOf, TALLY, type Tally } from './tally.ts';

export type GroupTools = {
  readonly link: Link;
  readonly clock: Clock;
  readonly channel: string; // Kind/namespace/name
  readonly tally: Tally;
  readonly dead: DeadLetters;
  readonly eventOf: (message: TakenMessage, subscription: string) => CloudEvent;
  readonly seqOf: (messageId: string) => number;
  /** Aborts when nothing may be settled any more. */
  readonly lost: AbortSignal;
  /** Something that the group needs is no more. */
  readonly onGone: (what: string, error: unknown) => void;
};

/** What is at hand of one event. */
type Entry = {
  readonly original: TakenMessage;
  readonly event: CloudEvent;
  readonly bytes: number;
  acceptedMs: number;
  readonly ackId: string;
  readonly leases: Leases;
  /** It was counted before it came here. */
  wasCounted: boolean;
};

/** Taken beyond what may be in flight, so that the next is at hand when one is done. */
const AHEAD = 100;
/** Of an ordered group, events in back-off, each of which holds its key: beyond so many others have to wait as well. */
const RESTING_MAX = 1000;
/** Bytes at hand; past it nothing is taken. One poll may bring more than is left. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** A retry that is due so soon waits here; one that is not goes back to the broker, for at most ten minutes a time. */
const HOLD_MAX_MS = 2000;
const PUT_BACK_MAX_S = 600;
/** Ordered, what is put back keeps its place only when its lease runs out, not when it is refused. */
const PUT_BACK_S = 1;
const POLLS_MAX = 4;
const AGAIN_PAUSE_MS = 500;

/**
 * One subscription's events, from the channel's topic and from its own retry topic, to its consumer.
 *   G1  unordered, a retry or a later stage is published to the retry topic, and only then is its message acknowledged: a
 *       crash between the two repeats it.
 *   G2  ordered, the message stays leased and a note is published; the broker hands out no later one of its key meanwhile.
 *   G3  what is not due is not kept here: it is leased away, without a copy in memory, until it nearly is.
 *   G4  what is too large to be published with its notes stays leased, and in memory, until it is done; as a dead letter,
 *       it stays owed, and is offered again.
 */
export class PubsubGroup {
  readonly names: GroupNames;
  readonly isOrdered: boolean;
  readonly isShared: boolean;
  readonly #tools: GroupTools;
  readonly #group: string;
  readonly #offers: Offers;
  readonly #leases: Leases;
  readonly #retryLeases: Leases;
  readonly #retryPublisher: Publisher;
  readonly #notes: Notes | undefined;
  readonly #intakes: readonly Intake[];
  #options: GroupOptions;
  readonly #entries = new WeakMap<Held, Entry>();
  #heldBytes = 0;
  #messageBytes = 640 * 1024; // what one has at most, lately
  #isLookedAt = false;
  #isDeadFull = false;

  constructor(tools: GroupTools, group: string, names: GroupNames, options: GroupOptions) {
    const { link, clock, lost } = tools;
    this.#tools = tools;
    this.#group = group;
    this.names = names;
    this.isOrdered = options.isOrdered;
    this.isShared = options.sharedName !== undefined;
    this.#options = { ...options, inFlightMax: 0 }; // until it is served
    this.#offers = new Offers(clock, () => this.#poke());
    this.#leases = new Leases(link, clock, names.subscription, lost);
    this.#retryLeases = new Leases(link, clock, names.retry, lost);
    this.#retryPublisher = new Publisher(link, names.retryTopic, lost);
    if (this.isOrdered)
      this.#notes = new Notes(link, new Publisher(link, names.notesTopic, lost), names.notes, lost);
    this.#intakes = [
      this.#intake(names.subscription, this.isOrdered ? 1 : POLLS_MAX, {
        room: () => this.#room(),
        take: (messages) => this.#take(messages),
      }),
      this.#intake(names.retry, 1, {
        room: () => this.#retryRoom(),
        take: (messages) => this.#takeRetries(messages),
      }),
    ];
  }

  get options(): GroupOptions {
    return this.#options;
  }

  serve(options: GroupOptions, consumer: Consumer): void {
    this.#options = options;
    this.#offers.serve(options, consumer);
    this.#poke();
  }

  figures(): Backlog {
    const { events, bytes, parked, dead, oldestMs } = this.#tools.tally;
    const { inFlight, waiting } = this.#offers;
    const retrying = parked + waiting;
    return {
      group: this.#group,
      events,
      bytes,
      inFlight,
      retrying,
      dead,
      isDeadFull: this.#isDeadFull,
      oldestMs,
    };
  }

  /** No further offers; waits for running consumers, and gives back what is at hand. `isHasty`: it will not be asked for. */
  async close(graceMs: number, isHasty = false): Promise<void> {
    await Promise.all([...this.#intakes.map((intake) => intake.stop(isHasty)), this.#offers.stop(graceMs)]);
    await this.#notes?.close();
    await Promise.all([this.#leases.stop(this.isOrdered ? PUT_BACK_S : 0), this.#retryLeases.stop(0)]);
  }

  #intake(
    subscription: string,
    pollsMax: number,
    {
      room,
      take,
    }: { room: () => number; take: (messages: readonly ReceivedMessage[]) => Promise<void> | void },
  ): Intake {
    const { link, clock, lost, onGone } = this.#tools;
    const gone = (error: unknown): void => onGone(subscription, error);
    return new Intake({ link, clock, subscription, pollsMax, lost, room, take, onGone: gone });
  }

  #poke(): void {
    for (const intake of this.#intakes) intake.poke();
  }

  #room(): number {
    const { inFlightMax } = this.#options;
    if (inFlightMax === 0) return 0;
    const room = (): number => {
      const resting = Math.min(this.#offers.waiting, RESTING_MAX);
      return this.#within(inFlightMax + AHEAD - (this.#offers.size - resting));
    };
    if (this.isOrdered && room() <= 0) this.#putBack(this.#offers.withdrawBehindWaiting());
    return room();
  }

  /** They come again once their key is free: until then the broker hands out none of it. */
  #putBack(behind: readonly Held[]): void {
    const ids: string[] = [];
    for (const held of behind) {
      const entry = this.#entries.get(held);
      if (entry === undefined) continue;
      ids.push(entry.ackId);
      this.#heldBytes -= entry.bytes;
      if (!entry.wasCounted) this.#tools.tally.drop(entry.acceptedMs, entry.bytes);
    }
    if (ids.length > 0) void this.#leases.release(ids, PUT_BACK_S);
  }

  /** Retries come first where there is little room: they have been accepted longer. */
  #retryRoom(): number {
    const { inFlightMax } = this.#options;
    return inFlightMax === 0 ? 0 : this.#within(inFlightMax + 2 * AHEAD - this.#offers.size);
  }

  #within(count: number): number {
    const left = HELD_BYTES_MAX - this.#heldBytes;
    return left <= 0 ? 0 : Math.min(count, Math.ceil(left / this.#messageBytes));
  }

  async #take(messages: readonly ReceivedMessage[]): Promise<void> {
    const entries = messages.map(({ ackId, message }) =>
      this.#entry(ackId ?? '', takenOf(message), this.#leases),
    );
    const isLookDue = this.isShared || !this.#isLookedAt; // of one's own, all is known after the first
    if (isLookDue) await this.#notes?.look();
    this.#isLookedAt = true;
    for (const entry of entries) {
      const { original } = entry;
      this.#count(entry, original.attributes[TALLY]);
      this.#offers.take(this.#held(entry, this.#notes?.of(original.messageId) ?? fresh(original)));
    }
  }

  async #takeRetries(messages: readonly ReceivedMessage[]): Promise<void> {
    const nowMs = this.#tools.clock.nowMs();
    const early = new Map<number, string[]>(); // by how long they stay away
    for (const { ackId = '', message } of messages) {
      const taken = takenOf(message);
      const parcel = unpackParcel(taken) ?? fresh(taken);
      const leftMs = parcel.dueMs - nowMs;
      if (leftMs > HOLD_MAX_MS) {
        const seconds = Math.min(Math.max(Math.floor(leftMs / 1000) - 1, 1), PUT_BACK_MAX_S);
        early.set(seconds, [...(early.get(seconds) ?? []), ackId ?? '']);
        continue;
      }
      const entry = this.#entry(ackId ?? '', parcel.original, this.#retryLeases);
      this.#count(entry, taken.attributes[TALLY]);
      if (entry.wasCounted) this.#tools.tally.parked -= 1;
      this.#offers.take(this.#held(entry, parcel));
    }
    await Promise.all([...early].map(([seconds, ids]) => this.#retryLeases.release(ids, seconds))); // G3
  }

  #entry(ackId: string, original: TakenMessage, leases: Leases): Entry {
    leases.hold(ackId);
    const event = this.#tools.eventOf(original, this.names.subscription);
    const bytes = bytesOf(event);
    this.#heldBytes += bytes;
    this.#messageBytes = Math.max(bytes, this.#messageBytes * 0.99, 1024);
    return { original, event, bytes, acceptedMs: original.publishedMs, ackId, leases, wasCounted: false };
  }

  #count(entry: Entry, tag: string | undefined): void {
    const countedMs = this.isShared ? undefined : this.#tools.tally.countedMs(tag);
    entry.wasCounted = countedMs !== undefined;
    entry.acceptedMs = countedMs ?? entry.acceptedMs;
    if (!entry.wasCounted) this.#tools.tally.add(entry.acceptedMs, entry.bytes);
  }

  #held(entry: Entry, { stage, attempt, dueMs }: Omit<Parcel, 'original'>): Held {
    const seq = this.#tools.seqOf(entry.original.messageId);
    const conclude = (verdict: Verdict): Promise<Held | undefined> =>
      this.#conclude(entry, stage, attempt, verdict);
    const held: Held = { event: entry.event, attempt, stage, seq, dueMs, conclude };
    this.#entries.set(held, entry);
    return held;
  }

  async #conclude(entry: Entry, stage: Stage, attempt: number, verdict: Verdict): Promise<Held | undefined> {
    if (this.#tools.lost.aborted) return undefined;
    switch (verdict.kind) {
      case 'settled':
        return this.#finish(entry);
      case 'retry':
        return this.#again(entry, { stage, attempt: attempt + 1, dueMs: verdict.dueMs });
      case 'advance':
        return this.#again(entry, { stage: verdict.stage, attempt: 1, dueMs: 0 });
      case 'dead':
        return this.#bury(entry, stage, attempt, verdict.failure);
    }
  }

  async #again(entry: Entry, next: Omit<Parcel, 'original'>): Promise<Held | undefined> {
    const { tally } = this.#tools;
    const parcel = { original: entry.original, ...next };
    if (this.#notes !== undefined) {
      const note = { of: entry.original.messageId, ...next };
      if (!isTooLarge(packParcel(parcel))) await this.#insist(() => this.#notes?.keep(note)); // G2
      return this.#held(entry, next);
    }
    const packed = packParcel(parcel);
    if (isTooLarge(packed)) return this.#held(entry, next); // G4
    const attributes = this.isShared
      ? packed.attributes
      : { ...packed.attributes, [TALLY]: tally.tag(entry.acceptedMs) };
    const isKept = await this.#insist(() => this.#retryPublisher.publish({ ...packed, attributes }));
    if (!isKept) return undefined;
    if (this.isShared) tally.drop(entry.acceptedMs, entry.bytes);
    else tally.parked += 1;
    this.#heldBytes -= entry.bytes;
    await entry.leases.ack(entry.ackId); // G1
    return undefined;
  }

  async #bury(entry: Entry, stage: Stage, attempts: number, failure: Failure): Promise<Held | undefined> {
    const { dead, clock, tally, channel } = this.#tools;
    const diedMs = clock.nowMs();
    const parcel: Parcel = {
      original: entry.original,
      stage: { kind: 'deliver' },
      attempt: attempts,
      dueMs: 0,
    };
    if (isTooLarge(packParcel(parcel))) {
      this.#isDeadFull = true; // G4
      const dueMs = diedMs + PUT_BACK_MAX_S * 1000;
      return this.#held(entry, { stage, attempt: attempts, dueMs });
    }
    const where = { group: this.#group, subscription: this.names.subscription };
    const isKept = await this.#insist(() => dead.bury(parcel, { ...where, attempts, diedMs, failure }));
    if (!isKept) return undefined;
    tally.dead += 1;
    tellDead(entry.event, { channel, group: this.#group, atMs: diedMs }, failure);
    return this.#finish(entry);
  }

  async #finish(entry: Entry): Promise<undefined> {
    this.#tools.tally.drop(entry.acceptedMs, entry.bytes);
    this.#heldBytes -= entry.bytes;
    await entry.leases.ack(entry.ackId);
    this.#notes?.finish(entry.original.messageId);
  }

  /** Until the broker has taken it; false once it is lost: then the message comes again. */
  async #insist(publish: () => Promise<unknown> | undefined): Promise<boolean> {
    const { clock, lost, onGone } = this.#tools;
    for (let failures = 0; !lost.aborted; failures += 1) {
      try {
        await publish();
        return true;
      } catch (error) {
        if (failures === PUBLISH_FAILURES_MAX) onGone('what is to be kept', error);
      }
      await clock.until(clock.nowMs() + AGAIN_PAUSE_MS, lost);
    }
    return false;
  }
}

/** Then the channel is opened anew, which makes what is missing. */
const PUBLISH_FAILURES_MAX = 4;

/** What somebody else has put into the retry topic. */
function fresh(original: TakenMessage): Parcel {
  return { original, stage: { kind: 'deliver' }, attempt: 1, dueMs: 0 };
}

function isTooLarge(message: PubsubMessage): boolean {
  return sizeOf(message) + 1024 > REQUEST_BYTES_MAX;
}

export function orderRefusal(subscription: string, isOrdered: boolean): PlatformError {
  const [is, asked] = isOrdered ? ['unordered', 'ordered'] : ['ordered', 'unordered'];
  const message = `${subscription} is ${is}, and Pub/Sub cannot change that: make a new Subscription that is ${asked}`;
  return new PlatformError('CHANNEL_SPEC_INVALID', message, { retryable: true });
}
