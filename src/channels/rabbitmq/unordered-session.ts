import type * as Amqp from 'amqplib';
import type { Consumer, GroupOptions } from '../channel.ts';
import type { Held } from '../offers.ts';
import { Desk, type DeskTools, type Slot } from './desk.ts';
import { fromCopy, fromMain, type Owed } from './envelope.ts';
import { HOLD_MAX_MS } from './ladder.ts';
import { RENEW_AFTER_MS, RENEW_EVERY_MS, type Session } from './session.ts';

/** Copies that come back at once wait here until they are due, or are sent on; so many at least. */
const RETRY_PREFETCH_MIN = 32;

/**
 * Serves a group whose events are independent of each other, together with other platforms. What is to be offered again
 * goes back into the broker as a copy, and its message is answered once the broker has that: a crash between the two
 * repeats the event, and loses nothing.
 */
export class UnorderedSession implements Session {
  readonly #tools: DeskTools;
  readonly #stop = new AbortController();
  readonly desk: Desk;
  #inFlightMax = 0;

  constructor(tools: DeskTools) {
    this.#tools = tools;
    this.desk = new Desk(tools, this.#again.bind(this));
    void this.#renew();
  }

  async serve(options: GroupOptions, consumer: Consumer): Promise<void> {
    this.desk.serve(options, consumer);
    const { inFlightMax } = options;
    if (this.#inFlightMax === inFlightMax) return;
    this.#inFlightMax = inFlightMax;
    await (inFlightMax === 0 ? this.#rest() : this.#consume(inFlightMax));
  }

  async close(graceMs: number, others: 'may come' | 'nobody'): Promise<void> {
    this.#stop.abort();
    const { inbox, names } = this.#tools;
    if (others === 'may come')
      for (const queue of [names.main, names.retry]) await inbox.cancel(queue).catch(() => undefined);
    await this.desk.stop(graceMs);
    await inbox.close();
  }

  async #consume(inFlightMax: number): Promise<void> {
    const { inbox, names } = this.#tools;
    const retriesMax = Math.max(inFlightMax, RETRY_PREFETCH_MIN);
    await inbox.consume(names.retry, retriesMax, (message) => void this.#onCopy(message));
    await inbox.consume(names.main, inFlightMax, (message) => this.#onMain(message));
  }

  /** Nothing is offered for now: what is at hand goes back, a moment later also what was nearly due. */
  async #rest(): Promise<void> {
    const { inbox, names, clock } = this.#tools;
    await inbox.cancel(names.main);
    await inbox.cancel(names.retry);
    this.desk.giveBack(() => true);
    void clock.until(clock.nowMs() + 2 * HOLD_MAX_MS, this.#stop.signal).then(() => {
      if (this.#inFlightMax === 0 && !this.#stop.signal.aborted) this.desk.giveBack(() => true);
    });
  }

  #onMain(message: Amqp.Message): void {
    this.desk.take(fromMain(message, this.#tools.reader), message);
  }

  /** A copy has come back. What is not due yet climbs the rest of its way. */
  async #onCopy(message: Amqp.Message): Promise<void> {
    const { keeping, reader, clock, inbox } = this.#tools;
    const owed = fromCopy(message, reader);
    const isDue = keeping.rungFor((owed.dueMs ?? 0) - clock.nowMs()) === undefined;
    if (!isDue && (await keeping.postpone(owed)) === 'kept') return inbox.ack(message);
    const { stage } = owed;
    if (stage.kind === 'bury') await this.desk.buryLate({ ...owed, stage }, message);
    else this.desk.take(owed, message);
  }

  async #again(slot: Slot, next: Owed, kind: 'retry' | 'advance'): Promise<Held | undefined> {
    const { keeping, publisher } = this.#tools;
    // While the broker takes nothing a retry waits here: its message is still owed, one attempt is not written down.
    if (kind === 'retry' && publisher.isBlocked) return this.#inMemory(slot, next);
    const kept = kind === 'retry' ? await keeping.postpone(next) : await keeping.again(next);
    if (kept === 'kept') await this.desk.finish(slot);
    else if (kept === 'too large') return this.#inMemory(slot, next); // with a reply that RabbitMQ has no room for
    else this.desk.forget(slot);
    return undefined;
  }

  #inMemory(slot: Slot, next: Owed): Held {
    slot.owed = next;
    return this.desk.held(slot);
  }

  /** What has waited here for a place for long goes back, for whoever has one. */
  async #renew(): Promise<void> {
    const { clock } = this.#tools;
    while (!this.#stop.signal.aborted) {
      await clock.until(clock.nowMs() + RENEW_EVERY_MS, this.#stop.signal);
      const beforeMs = clock.nowMs() - RENEW_AFTER_MS;
      if (!this.#stop.signal.aborted) this.desk.giveBack(({ sinceMs }) => sinceMs < beforeMs);
    }
  }
}
