import type * as Amqp from 'amqplib';
import { unreachable } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { Consumer, Failure, GroupOptions, Verdict } from '../channel.ts';
import { Offers, type Held } from '../offers.ts';
import { bytesOf, type Owed, type Reader } from './envelope.ts';
import type { Inbox } from '../../clients/rabbitmq/inbox.ts';
import type { Keeping, KeepingTools } from './keeping.ts';

/** An event in this process, and the message that stands for it in the broker; undefined when that was lost. */
export type Slot = {
  owed: Owed;
  readonly bytes: number;
  /** A copy that is on its way may stand for it. */
  message: Amqp.Message | Promise<Amqp.Message | undefined>;
  /** Since when the broker waits for that message's answer. */
  sinceMs: number;
  isOffered: boolean;
};

export type DeskTools = KeepingTools & {
  readonly inbox: Inbox;
  readonly keeping: Keeping;
  readonly reader: Reader;
  /** It is in the dead-letter queue. */
  readonly onDead: (event: CloudEvent, failure: Failure) => void;
  /** Whether the dead-letter queue has room. */
  readonly onDeadRoom: (hasRoom: boolean) => void;
  readonly onSettled: (bytes: number) => void;
};

/** Whoever was aborted and still does not answer is waited for no longer. */
const ABORTED_MAX_MS = 1000;

/** How an event goes on that is to be offered again; as Held.conclude says. */
export type Again = (slot: Slot, next: Owed, kind: 'retry' | 'advance') => Promise<Held | undefined>;

/** What was given up, and found no room among the dead letters, is brought there again after so long. */
const BURY_AGAIN_MS = 10_000;

/** What is handed over to this process for one group: offers it, and brings the answers to the broker. */
export class Desk {
  readonly #tools: DeskTools;
  readonly #again: Again;
  readonly #slots = new Map<CloudEvent, Slot>();
  readonly offers: Offers;
  /** Of those at hand. */
  bytes = 0;

  constructor(tools: DeskTools, again: Again) {
    this.#tools = tools;
    this.#again = again;
    this.offers = new Offers(tools.clock);
  }

  get slots(): Iterable<Slot> {
    return this.#slots.values();
  }

  get size(): number {
    return this.#slots.size;
  }

  serve(options: GroupOptions, consumer: Consumer): void {
    this.offers.serve(options, (offer, signal) => {
      const slot = this.#slots.get(offer.event);
      if (slot !== undefined) slot.isOffered = true;
      return consumer(offer, signal);
    });
  }

  /** No further offers; waits for those under way, and aborts them after the grace time. */
  async stop(graceMs: number): Promise<void> {
    const { clock } = this.#tools;
    const over = new AbortController();
    const deadline = clock.until(clock.nowMs() + graceMs + ABORTED_MAX_MS, over.signal);
    await Promise.race([this.offers.stop(graceMs), deadline]);
    over.abort();
  }

  take(owed: Owed, message: Amqp.Message): void {
    const slot: Slot = {
      owed,
      bytes: bytesOf(owed.event),
      message,
      sinceMs: this.#tools.clock.nowMs(),
      isOffered: false,
    };
    this.#slots.set(owed.event, slot);
    this.bytes += slot.bytes;
    this.offers.take(this.held(slot));
  }

  held(slot: Slot): Held {
    const { event, attempts, stage, seq, dueMs } = slot.owed;
    if (stage.kind === 'bury') throw new Error('what is given up is not offered');
    const conclude = (verdict: Verdict): Promise<Held | undefined> => {
      slot.isOffered = false;
      return this.#conclude(slot, verdict);
    };
    const held = { event, attempt: attempts + 1, stage, seq, conclude };
    return dueMs === undefined ? held : { ...held, dueMs };
  }

  /** It is kept elsewhere, or settled: its message is done. */
  async finish(slot: Slot): Promise<void> {
    const message = slot.message instanceof Promise ? await slot.message : slot.message;
    if (message !== undefined) this.#tools.inbox.ack(message);
    this.forget(slot);
    this.#tools.onSettled(slot.bytes);
  }

  forget(slot: Slot): void {
    if (this.#slots.delete(slot.owed.event)) this.bytes -= slot.bytes;
  }

  /** Those that nobody was offered and no other waits for, back to the broker. */
  giveBack(isChosen: (slot: Slot) => boolean): void {
    const slotOf = ({ event }: Held): Slot | undefined => this.#slots.get(event);
    const withdrawn = this.offers.withdraw((held) => {
      const slot = slotOf(held);
      return slot !== undefined && isChosen(slot);
    });
    for (const held of withdrawn) {
      const slot = slotOf(held);
      if (slot === undefined || slot.message instanceof Promise) continue;
      this.#tools.inbox.giveBack(slot.message);
      this.forget(slot);
    }
  }

  /** What was given up when the dead letters had no room. */
  async buryLate(
    owed: Owed & { readonly stage: { readonly kind: 'bury' } },
    message: Amqp.Message,
  ): Promise<void> {
    const { keeping, inbox } = this.#tools;
    const isBuried = await this.#bury(owed, owed.stage.failure);
    const kept =
      isBuried ?? (await keeping.postpone({ ...owed, dueMs: this.#tools.clock.nowMs() + BURY_AGAIN_MS }));
    if (kept === 'kept') inbox.ack(message);
  }

  async #conclude(slot: Slot, verdict: Verdict): Promise<Held | undefined> {
    const { owed } = slot;
    switch (verdict.kind) {
      case 'settled':
        if (slot.message instanceof Promise) await this.finish(slot);
        else void this.finish(slot);
        return undefined;
      case 'retry':
        return this.#again(slot, { ...owed, attempts: owed.attempts + 1, dueMs: verdict.dueMs }, 'retry');
      case 'advance':
        return this.#again(slot, { ...owed, stage: verdict.stage, attempts: 0, dueMs: undefined }, 'advance');
      case 'dead':
        return this.#giveUp(slot, verdict.failure);
      default:
        return unreachable(verdict);
    }
  }

  async #giveUp(slot: Slot, failure: Failure): Promise<undefined> {
    const { keeping, clock } = this.#tools;
    const owed = { ...slot.owed, attempts: slot.owed.attempts + 1 };
    const buried = await this.#bury(owed, failure);
    const late = { ...owed, stage: { kind: 'bury', failure } as const, dueMs: clock.nowMs() + BURY_AGAIN_MS };
    const kept = buried ?? (await keeping.postpone(late));
    if (kept === 'kept') await this.finish(slot);
    else this.forget(slot); // its message stays unanswered, and comes again with the next connection
    return undefined;
  }

  /** Undefined: there is no room for it now. */
  async #bury({ event, seq, attempts }: Owed, failure: Failure): Promise<'kept' | 'lost' | undefined> {
    const { keeping, clock, onDead, onDeadRoom } = this.#tools;
    const kept = await keeping.bury({ event, seq, attempts, failure, diedMs: clock.nowMs() });
    if (kept === 'lost') return 'lost';
    onDeadRoom(kept === 'kept');
    if (kept !== 'kept') return undefined;
    onDead(event, failure);
    return 'kept';
  }
}
