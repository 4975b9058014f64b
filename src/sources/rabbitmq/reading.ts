import { randomUUID } from 'node:crypto';
import type * as Amqp from 'amqplib';
import type { PlatformError } from '../../base/errors.ts';
import type { Reading as Link } from '../../clients/rabbitmq/connection.ts';
import { Inbox } from '../../clients/rabbitmq/inbox.ts';
import { eventIn } from '../../clients/rabbitmq/message.ts';
import type { SourceTools } from '../source.ts';
import type { RabbitmqPlan } from './plan.ts';

type Tools = Pick<SourceTools, 'clock' | 'deliver'> & {
  /** Aborts when close() is about to be called. */
  readonly closing: AbortSignal;
};

/** What is being delivered when the source is closed may come to its end. */
const GRACE_MS = 2000;
/** Of what is in hand; the broker counts messages alone, so it is told to bring fewer when they are large. */
const BYTES_MAX = 64 * 1024 * 1024;

/**
 * Reads one queue through one connection, until that is lost or it is closed.
 *   R1  a message is acknowledged when the sink has its event, and rejected, for the queue's dead-letter exchange, when
 *       the sink will never take it. Everything else goes back to its place in the queue.
 *   R2  at most `inFlightMax` messages are in hand. With one, a message comes when the one before it is settled.
 *   R3  once the broker has taken the messages back, by a loss or a cancelled consumer, none of them is delivered further.
 */
export class Reading {
  readonly #plan: RabbitmqPlan;
  readonly #tools: Tools;
  readonly #stop = new AbortController();
  readonly #working = new Set<Promise<void>>();
  readonly #over = Promise.withResolvers<PlatformError>();
  #inbox: Inbox | undefined;
  #consuming: Promise<void> = Promise.resolve();
  #width: number;

  private constructor(plan: RabbitmqPlan, tools: Tools) {
    this.#plan = plan;
    this.#tools = tools;
    this.#width = plan.inFlightMax;
  }

  static async open(link: Link, plan: RabbitmqPlan, tools: Tools): Promise<Reading> {
    const reading = new Reading(plan, tools);
    const inbox = await Inbox.open(link, (why) => reading.#end(link.lost.aborted ? link.lost.reason : why));
    reading.#inbox = inbox;
    try {
      await reading.#consume();
    } catch (error) {
      await inbox.close();
      throw error;
    }
    return reading;
  }

  /** Resolves, with why, when nothing comes any more. */
  get over(): Promise<PlatformError> {
    return this.#over.promise;
  }

  async close(): Promise<void> {
    const { clock } = this.#tools;
    const { signal } = this.#stop;
    await this.#inbox?.cancel(this.#plan.from.queue).catch(() => undefined); // it goes with its AMQP channel
    const working = Promise.all(this.#working);
    const inTime = new AbortController();
    void working.then(() => inTime.abort());
    if (!signal.aborted)
      await clock.until(clock.nowMs() + GRACE_MS, AbortSignal.any([signal, inTime.signal]));
    this.#stop.abort();
    await working;
    await this.#inbox?.close(); // R1: what is not answered goes back
  }

  #consume(): Promise<void> {
    const { queue } = this.#plan.from;
    return (this.#consuming = this.#consuming.then(() =>
      this.#inbox?.consume(queue, this.#width, (message) => this.#take(message)),
    ));
  }

  #take(message: Amqp.Message): void {
    const working: Promise<void> = this.#deliver(message).finally(() => this.#working.delete(working));
    this.#working.add(working);
    this.#narrow(message.content.byteLength);
  }

  async #deliver(message: Amqp.Message): Promise<void> {
    const { signal } = this.#stop;
    const event = eventIn(message, message.content, { from: this.#plan.from, newId: randomUUID });
    const outcome = await this.#tools.deliver(event, signal).catch((error: unknown) => {
      if (!signal.aborted && !this.#tools.closing.aborted) throw error;
    });
    if (outcome === 'taken') this.#inbox?.ack(message);
    if (outcome === 'refused') this.#inbox?.reject(message);
  }

  /** What is in hand already stays; from then on there is room for fewer. */
  #narrow(bytes: number): void {
    const width = Math.max(1, Math.floor(BYTES_MAX / bytes));
    if (width >= this.#width) return;
    this.#width = width;
    this.#consume().catch((error: PlatformError) => this.#end(error));
  }

  #end(why: PlatformError): void {
    this.#stop.abort(); // R3
    this.#over.resolve(why);
  }
}
