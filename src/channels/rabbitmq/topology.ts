import type * as Amqp from 'amqplib';
import type { Link } from '../../clients/rabbitmq/link.ts';
import type { QueueNames } from './names.ts';
import { NOT_FOUND, replyCodeOf, within } from '../../clients/rabbitmq/within.ts';

export const DEAD_LETTERS_MAX = 10_000; // of one group; more stay owed

const ANSWER_MAX_MS = 5000;
/**
 * No number of deliveries makes an event undeliverable; that is the subscription's to say. RabbitMQ 4 would give up after
 * 20, and without a limit it requeues at the tail, which would break order. 2^30 is out of reach.
 */
const DELIVERY_LIMIT = 2 ** 30;

export type Counts = { readonly ready: number; readonly consumers: number };

/**
 * Makes, counts and deletes what a channel has in the broker, one request at a time on an AMQP channel of its own: a
 * refusal closes that channel, and nothing else.
 */
export class Topology {
  readonly #link: Link;
  #channel: Promise<Amqp.Channel> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(link: Link) {
    this.#link = link;
  }

  /** Runs `ask` after what was asked before; bounded in time, rejects in the broker's words. */
  run<T>(what: string, ask: (channel: Amqp.Channel) => Promise<T>): Promise<T> {
    const asked = this.#last.then(async () => ask(await this.#open(what)));
    const bounded = within(ANSWER_MAX_MS, what, asked);
    this.#last = bounded.catch(() => undefined);
    return bounded;
  }

  async hasExchange(name: string): Promise<boolean> {
    return this.run(`looking for exchange ${name}`, (channel) =>
      channel.checkExchange(name).then(
        () => true,
        (error: unknown) => {
          if (replyCodeOf(error) === NOT_FOUND) return false;
          throw error;
        },
      ),
    );
  }

  makeExchange(name: string): Promise<unknown> {
    return this.run(`making exchange ${name}`, (channel) =>
      channel.assertExchange(name, 'fanout', { durable: true }),
    );
  }

  deleteExchange(name: string): Promise<unknown> {
    return this.run(`deleting exchange ${name}`, (channel) => channel.deleteExchange(name));
  }

  /** Everything that a group needs but the waiting queues; events are kept for it once this resolves. */
  async makeGroup(exchange: string, names: QueueNames, isOrdered: boolean): Promise<void> {
    const isKnown = await this.#hasAll([names.main, names.retry, names.dead]);
    await this.#make(names.dead, { 'x-max-length': DEAD_LETTERS_MAX });
    await this.#make(names.retry, deadLetteredTo(names.dead));
    await this.#make(names.main, deadLetteredTo(names.dead));
    const turn = { 'x-single-active-consumer': true, 'x-max-length': 1 };
    if (isOrdered) await this.#make(names.turn, turn, 'drop-head');
    if (!isKnown) await this.#settle(names);
    // Any message of a fanout, and of a topic exchange that somebody else made; of a direct one those with an empty key.
    for (const key of ['', '#'])
      await this.run(`binding ${names.main} to ${exchange}`, (channel) =>
        channel.bindQueue(names.main, exchange, key),
      );
  }

  async #hasAll(queues: readonly string[]): Promise<boolean> {
    for (const queue of queues) if ((await this.count(queue)) === undefined) return false;
    return true;
  }

  async makeWait(names: QueueNames, rung: number): Promise<void> {
    await this.#make(names.waits[rung] ?? names.retry, deadLetteredTo(names.dead));
    await this.#settle(names);
  }

  /** Undefined when there is no such queue, which the broker notes as an error in its log. */
  count(queue: string): Promise<Counts | undefined> {
    return this.run(`looking for queue ${queue}`, (channel) =>
      channel.checkQueue(queue).then(
        ({ messageCount, consumerCount }) => ({ ready: messageCount, consumers: consumerCount }),
        (error: unknown) => {
          if (replyCodeOf(error) === NOT_FOUND) return undefined;
          throw error;
        },
      ),
    );
  }

  /** How many messages were ready in it; none when there is no such queue. */
  async deleteQueue(queue: string): Promise<number> {
    return this.run(
      `deleting queue ${queue}`,
      async (channel) => (await channel.deleteQueue(queue)).messageCount,
    );
  }

  async close(): Promise<void> {
    const channel = await this.#channel?.catch(() => undefined);
    this.#channel = undefined;
    if (channel !== undefined) await within(ANSWER_MAX_MS, 'closing', channel.close()).catch(() => undefined);
  }

  /**
   * RabbitMQ keeps its list of quorum queues in memory for up to 3.5 s after a change: when it is killed in that time, a
   * new queue comes back without a leader and without what it had confirmed (seen with 3.10.8). Deleting a queue that
   * was just made has the list written first.
   */
  async #settle({ settling }: QueueNames): Promise<void> {
    await this.#make(settling, {});
    await this.deleteQueue(settling);
  }

  #make(
    queue: string,
    more: Readonly<Record<string, unknown>>,
    overflow = 'reject-publish',
  ): Promise<unknown> {
    const kept = { 'x-queue-type': 'quorum', 'x-delivery-limit': DELIVERY_LIMIT, 'x-overflow': overflow };
    return this.run(`making queue ${queue}`, (channel) =>
      channel.assertQueue(queue, { durable: true, arguments: { ...kept, ...more } }),
    );
  }

  #open(what: string): Promise<Amqp.Channel> {
    if (this.#link.lost.aborted) return Promise.reject(this.#link.lost.reason);
    return (this.#channel ??= this.#create(what));
  }

  async #create(what: string): Promise<Amqp.Channel> {
    const forget = (): void => {
      this.#channel = undefined;
    };
    try {
      const channel = await within(ANSWER_MAX_MS, what, this.#link.consuming.createChannel());
      channel.on('error', () => undefined); // whoever asked is told
      channel.on('close', forget);
      return channel;
    } catch (error) {
      forget();
      throw error;
    }
  }
}

/** At least once, so that the broker keeps a message until its next queue has it; that asks for reject-publish. */
function deadLetteredTo(queue: string): Readonly<Record<string, unknown>> {
  return {
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': queue,
    'x-dead-letter-strategy': 'at-least-once',
  };
}
