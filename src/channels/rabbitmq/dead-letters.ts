import type * as Amqp from 'amqplib';
import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { fromLetter, type Letter, type Reader } from './envelope.ts';
import type { Link } from '../../clients/rabbitmq/link.ts';
import { NOT_FOUND, replyCodeOf, within } from '../../clients/rabbitmq/within.ts';

const ANSWER_MAX_MS = 5000;
/** So long may reading all dead letters of one group take, and waiting for somebody else who reads them. */
const READ_MAX_MS = 20_000;
const TRY_AGAIN_MS = 50;

/**
 * Reads dead letters and leaves them where they are. RabbitMQ hides a message from everyone else while one has it in hand,
 * so readers take turns: whoever reads declares a queue that only its connection may have. To know the newest, all are
 * read; of those no more than asked for are kept in memory.
 */
export class DeadLetterReader {
  readonly #link: Link;
  readonly #clock: Clock;
  /** By queue: one connection may declare its own exclusive queue twice, so readers of one process wait here. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(link: Link, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  /** The newest last, at most `limit`. `onInHand` is told how many are hidden from others for the moment. */
  read(
    queue: string,
    query: { readonly limit: number; readonly isWanted: (letter: Letter) => boolean },
    reader: Reader,
    onInHand: (count: number) => void,
  ): Promise<readonly Letter[]> {
    const before = this.#last.get(queue) ?? Promise.resolve();
    const reading = before.then(() => this.#readAlone(queue, query, reader, onInHand));
    const done = reading.catch(() => undefined);
    this.#last.set(queue, done);
    void done.then(() => this.#last.get(queue) === done && this.#last.delete(queue));
    return within(2 * READ_MAX_MS, `reading the dead letters in ${queue}`, reading);
  }

  async #readAlone(
    queue: string,
    { limit, isWanted }: { readonly limit: number; readonly isWanted: (letter: Letter) => boolean },
    reader: Reader,
    onInHand: (count: number) => void,
  ): Promise<readonly Letter[]> {
    const channel = await this.#lock(`${queue}:reading`);
    const found: Letter[] = [];
    try {
      const there = await readyIn(channel, queue);
      if (there === undefined || there === 0) return [];
      onInHand(there);
      await this.#takeAll(channel, queue, there, (message) => {
        const letter = fromLetter(message, reader);
        if (!isWanted(letter)) return;
        found.push(letter);
        if (found.length > limit) found.shift();
      });
      return found;
    } finally {
      onInHand(0);
      await within(ANSWER_MAX_MS, 'closing', closed(channel)).catch(() => undefined);
    }
  }

  /** An AMQP channel whose connection alone may read now. */
  async #lock(name: string): Promise<Amqp.Channel> {
    const untilMs = this.#clock.nowMs() + READ_MAX_MS;
    for (;;) {
      if (this.#link.lost.aborted) throw this.#link.lost.reason;
      const channel = await within(
        ANSWER_MAX_MS,
        'opening an AMQP channel',
        this.#link.consuming.createChannel(),
      );
      channel.on('error', () => undefined); // whoever asked is told
      try {
        await channel.assertQueue(name, { exclusive: true, autoDelete: true, durable: false });
        channel.on('close', () => undefined);
        return channel;
      } catch (error) {
        if (this.#clock.nowMs() > untilMs) throw busy(name, error);
        await this.#clock.until(this.#clock.nowMs() + TRY_AGAIN_MS, this.#link.lost);
      }
    }
  }

  /** All of them at once, then all back; the lock ends when RabbitMQ has them in their place again. */
  async #takeAll(
    channel: Amqp.Channel,
    queue: string,
    there: number,
    onMessage: (message: Amqp.Message) => void,
  ): Promise<void> {
    let taken = 0;
    const all = Promise.withResolvers<void>();
    await channel.prefetch(there);
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (message === null) return all.reject(new Error(`queue ${queue} was deleted`));
      onMessage(message);
      if ((taken += 1) === there) all.resolve();
    });
    try {
      await within(READ_MAX_MS, `reading the dead letters in ${queue}`, all.promise);
    } finally {
      await within(ANSWER_MAX_MS, 'cancelling', channel.cancel(consumerTag));
      channel.nackAll(true);
      const untilMs = this.#clock.nowMs() + ANSWER_MAX_MS;
      while (((await readyIn(channel, queue)) ?? there) < taken && this.#clock.nowMs() < untilMs)
        await this.#clock.until(this.#clock.nowMs() + 1, this.#link.lost);
      await channel.deleteQueue(`${queue}:reading`);
    }
  }
}

/** Undefined: there is no such queue, and the AMQP channel is closed. */
async function readyIn(channel: Amqp.Channel, queue: string): Promise<number | undefined> {
  try {
    return (await channel.checkQueue(queue)).messageCount;
  } catch (error) {
    if (replyCodeOf(error) === NOT_FOUND) return undefined;
    throw error;
  }
}

/** Closing what is closed throws at once. */
async function closed(channel: Amqp.Channel): Promise<void> {
  await channel.close();
}

function busy(name: string, cause: unknown): PlatformError {
  const message = `another platform has been reading the dead letters for ${READ_MAX_MS} ms (${name})`;
  return new PlatformError('BACKEND_REFUSED', message, { retryable: true, cause });
}
