import type * as Amqp from 'amqplib';
import type { Consumer, GroupOptions } from '../channel.ts';
import type { Held } from '../offers.ts';
import { Desk, type DeskTools, type Slot } from './desk.ts';
import { fromCopy, fromMain, type Owed } from './envelope.ts';
import type { Link } from '../../clients/rabbitmq/link.ts';
import { RENEW_AFTER_MS, RENEW_EVERY_MS, type Session } from './session.ts';
import { Turn } from './turn.ts';

/** Of the queue's events so many are at hand: those behind a key that waits take places, and when all wait for keys, others wait too. */
export const ORDERED_WINDOW = 1000;
/** So many keys may wait with what became of their first event written down; further ones keep that in memory. */
export const WAITING_KEYS_MAX = 1000;
/** Never reached by the two above; a bound all the same. */
const COPIES_MAX = 20_000;

/** Where a copy belongs, and which it is. */
type Place = { readonly copyId: string; readonly order: number };

/**
 * Serves a group in the order of its keys; one platform at a time (Turn). What is tried again stays at hand, and so
 * holds its key; how far it has come is kept as a copy in the retry queue.
 *   R1  whoever takes over reads the whole retry queue before the main queue: what waits there is first of its key.
 *   R2  the main queue is consumed by one consumer from beginning to end, so that RabbitMQ puts what was not answered
 *       back in the order it came.
 *   R3  a message that is not answered for long is renewed, without changing its place: from the main queue it is moved
 *       to the retry queue, with a number that says where it belongs.
 */
export class OrderedSession implements Session {
  readonly #tools: DeskTools;
  readonly #link: Link;
  readonly #stop = new AbortController();
  readonly #expected = new Map<string, (message: Amqp.Message | undefined) => void>(); // by copy
  readonly desk: Desk;
  #found: { readonly owed: Owed; readonly message: Amqp.Message }[] | undefined = [];
  #onFound: () => void = () => undefined;
  #lastOrder = 0;
  #turn: Promise<Turn> | undefined;

  constructor(tools: DeskTools, link: Link) {
    this.#tools = tools;
    this.#link = link;
    this.desk = new Desk(tools, this.#again.bind(this));
    const giveUp = (): void => {
      for (const arrived of this.#expected.values()) arrived(undefined);
    };
    tools.lost.addEventListener('abort', giveUp, { once: true });
    void this.#renew();
  }

  async serve(options: GroupOptions, consumer: Consumer): Promise<void> {
    this.desk.serve(options, consumer);
    if (this.#turn !== undefined) return;
    this.#turn = Turn.ask(this.#link, this.#tools, this.#begin.bind(this));
    await this.#turn;
  }

  async close(graceMs: number): Promise<void> {
    this.#stop.abort();
    this.#onFound();
    await this.desk.stop(graceMs);
    // Nothing is cancelled before: consumers go, and what they had comes back, in one step that others can see (T1).
    await this.#tools.inbox.close();
    await (await this.#turn?.catch(() => undefined))?.leave();
  }

  /** R1: it is our turn. */
  async #begin(): Promise<void> {
    const { inbox, names, topology } = this.#tools;
    const waiting = (await topology.count(names.retry))?.ready ?? 0;
    if (this.#stop.signal.aborted) return;
    const all = new Promise<void>((resolve) => {
      this.#onFound = () => {
        if (this.#stop.signal.aborted || (this.#found?.length ?? 0) >= waiting) resolve();
      };
    });
    this.#onFound();
    await inbox.consume(names.retry, COPIES_MAX, (message) => this.#onCopy(message));
    await all;
    if (this.#stop.signal.aborted) return;
    const found = (this.#found ?? []).toSorted((a, b) => (a.owed.order ?? 0) - (b.owed.order ?? 0));
    this.#found = undefined;
    for (const { owed, message } of found) this.#takeCopy(owed, message);
    await inbox.consume(names.main, ORDERED_WINDOW, (message) => this.#onMain(message)); // R2
  }

  #onMain(message: Amqp.Message): void {
    this.desk.take(fromMain(message, this.#tools.reader), message);
  }

  #onCopy(message: Amqp.Message): void {
    const owed = fromCopy(message, this.#tools.reader);
    const arrived = this.#expected.get(owed.copyId ?? '');
    if (arrived !== undefined) return arrived(message);
    if (this.#found === undefined) return this.#takeCopy(owed, message);
    this.#found.push({ owed, message });
    this.#onFound();
  }

  #takeCopy(owed: Owed, message: Amqp.Message): void {
    this.#lastOrder = Math.max(this.#lastOrder, owed.order ?? 0);
    const { stage } = owed;
    if (stage.kind === 'bury') void this.#buryLater({ ...owed, stage }, message);
    else this.desk.take(owed, message);
  }

  /** It holds no key any more, and waits for room among the dead letters. */
  async #buryLater(
    owed: Owed & { readonly stage: { readonly kind: 'bury' } },
    message: Amqp.Message,
  ): Promise<void> {
    await this.#tools.clock.until(owed.dueMs ?? 0, this.#stop.signal);
    if (!this.#stop.signal.aborted) await this.desk.buryLate(owed, message);
  }

  async #again(slot: Slot, next: Owed, kind: 'retry' | 'advance'): Promise<Held | undefined> {
    const isWritten = slot.owed.copyId !== undefined;
    const mayWrite = !this.#tools.publisher.isBlocked && (isWritten || this.#written < WAITING_KEYS_MAX);
    if (kind === 'retry' && !mayWrite) return this.#inMemory(slot, next);
    const written = await this.#write(slot, next);
    if (written !== 'lost')
      return this.#inMemory(slot, written === 'too large' ? next : { ...next, ...written });
    this.desk.forget(slot);
    return undefined;
  }

  #inMemory(slot: Slot, next: Owed): Held {
    slot.owed = next;
    return this.desk.held(slot);
  }

  get #written(): number {
    let written = 0;
    for (const { owed } of this.desk.slots) if (owed.copyId !== undefined) written += 1;
    return written;
  }

  /** Puts a copy in the place of the message that stands for the event now; that one is answered once the broker has it. */
  async #write(slot: Slot, next: Owed): Promise<Place | 'too large' | 'lost'> {
    const { keeping, reader, inbox } = this.#tools;
    const place = { copyId: reader.newId(), order: next.order ?? this.#nextOrder() };
    const before = slot.message;
    const arrival = this.#expect(place.copyId);
    const keptNow = keeping.again({ ...next, ...place }).then(async (kept) => {
      const message = kept === 'kept' ? await before : undefined;
      if (message !== undefined) inbox.ack(message);
      return kept;
    });
    this.#stand(
      slot,
      keptNow.then((kept) => (kept === 'kept' ? arrival : before)),
    );
    const kept = await keptNow;
    if (kept === 'kept') return place;
    this.#expected.delete(place.copyId);
    return kept === 'too large' ? kept : 'lost';
  }

  /** Whoever concludes meanwhile waits for the message that is to come. */
  #stand(slot: Slot, coming: Promise<Amqp.Message | undefined>): void {
    slot.message = coming;
    void coming.then((message) => {
      if (message === undefined || slot.message !== coming) return;
      slot.message = message;
      slot.sinceMs = this.#tools.clock.nowMs();
    });
  }

  #expect(copyId: string): Promise<Amqp.Message | undefined> {
    return new Promise((resolve) => {
      this.#expected.set(copyId, (message) => {
        this.#expected.delete(copyId);
        resolve(message);
      });
    });
  }

  #nextOrder(): number {
    return (this.#lastOrder = Math.max(this.#lastOrder + 1, this.#tools.clock.nowMs() * 1000));
  }

  /** R3 */
  async #renew(): Promise<void> {
    const { clock } = this.#tools;
    while (!this.#stop.signal.aborted) {
      await clock.until(clock.nowMs() + RENEW_EVERY_MS, this.#stop.signal);
      const beforeMs = clock.nowMs() - RENEW_AFTER_MS;
      const old = [...this.desk.slots].filter(({ sinceMs, isOffered }) => sinceMs < beforeMs && !isOffered);
      for (const slot of old) if (!this.#stop.signal.aborted) await this.#renewOne(slot);
    }
  }

  async #renewOne(slot: Slot): Promise<void> {
    const { owed, message, isOffered } = slot;
    if (isOffered || message instanceof Promise) return;
    if (owed.copyId === undefined) {
      const written = await this.#write(slot, owed);
      if (typeof written === 'object') slot.owed = { ...slot.owed, ...written };
      return;
    }
    this.#stand(slot, this.#expect(owed.copyId));
    this.#tools.inbox.giveBack(message);
  }
}
