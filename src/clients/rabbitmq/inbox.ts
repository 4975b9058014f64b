import type * as Amqp from 'amqplib';
import { messageOf, type PlatformError } from '../../base/errors.ts';
import type { Reading } from './connection.ts';
import { lostBecause, refusal, within } from './within.ts';

/** A message that the broker has handed over and waits for. */
export type Delivery = { readonly message: Amqp.Message; readonly atMs: number };

const ANSWER_MAX_MS = 5000;

/**
 * The AMQP channel on which queues are consumed. When the broker cancels a consumer (its queue was
 * deleted) or closes the channel, `onLost` is told, once; after that nothing is acknowledged.
 */
export class Inbox {
  readonly #channel: Amqp.Channel;
  readonly #tags = new Map<string, string>(); // consumer tag by queue
  readonly #onLost: (why: PlatformError) => void;
  #isOver = false; // nothing is acknowledged any more
  #isClosed = false;

  private constructor(channel: Amqp.Channel, onLost: (why: PlatformError) => void) {
    this.#channel = channel;
    this.#onLost = onLost;
  }

  static async open(link: Reading, onLost: (why: PlatformError) => void): Promise<Inbox> {
    if (link.lost.aborted) throw link.lost.reason;
    const channel = await within(ANSWER_MAX_MS, 'opening an AMQP channel', link.consuming.createChannel());
    const inbox = new Inbox(channel, onLost);
    let fault: Error | undefined;
    channel.on('error', (error) => (fault = error));
    channel.on('close', () => {
      inbox.#isClosed = true;
      inbox.#end(fault === undefined ? 'the AMQP channel was closed' : messageOf(fault));
    });
    return inbox;
  }

  /** With a bound of its own on what is handed over and not answered; anew when it consumes already. */
  async consume(queue: string, prefetch: number, onMessage: (message: Amqp.Message) => void): Promise<void> {
    await this.cancel(queue);
    const take = (message: Amqp.Message | null): void => {
      if (message !== null) onMessage(message);
      else this.#end(`RabbitMQ has cancelled the consumer of queue ${queue}: it was deleted`);
    };
    const consuming = this.#channel.prefetch(prefetch).then(() => this.#channel.consume(queue, take));
    const what = `consuming queue ${queue}`;
    const { consumerTag } = await within(ANSWER_MAX_MS, what, consuming).catch((error: unknown) => {
      throw refusal(what, error);
    });
    this.#tags.set(queue, consumerTag);
  }

  /** What was handed over until then is still to be answered. */
  async cancel(queue: string): Promise<void> {
    const tag = this.#tags.get(queue);
    if (tag === undefined || this.#isOver) return;
    this.#tags.delete(queue);
    await within(ANSWER_MAX_MS, `cancelling ${queue}`, this.#channel.cancel(tag));
  }

  ack(message: Amqp.Message): void {
    this.#answer(() => this.#channel.ack(message));
  }

  /** Back to where it was in the queue. */
  giveBack(message: Amqp.Message): void {
    this.#answer(() => this.#channel.nack(message, false, true));
  }

  /** Out of the queue: to its dead-letter exchange, where it has one. */
  reject(message: Amqp.Message): void {
    this.#answer(() => this.#channel.nack(message, false, false));
  }

  /** What is not answered goes back. Never rejects. */
  async close(): Promise<void> {
    this.#isOver = true;
    if (this.#isClosed) return;
    this.#isClosed = true;
    await within(ANSWER_MAX_MS, 'closing', this.#channel.close()).catch(() => undefined);
  }

  #answer(answer: () => void): void {
    if (this.#isOver) return;
    try {
      answer();
    } catch (error) {
      this.#end(messageOf(error)); // the connection has just ended
    }
  }

  #end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    setImmediate(() => this.#onLost(lostBecause(why))); // when the connection has ended, it says so first
  }
}
