import { randomUUID } from 'node:crypto';
import { Requests } from '../../clients/rabbitmq/requests.ts';
import { SETTLING_DIGITS, type QueueNames } from './names.ts';

export const DEAD_LETTERS_MAX = 10_000; // of one group; more stay owed

/**
 * No number of deliveries makes an event undeliverable; that is the subscription's to say. RabbitMQ 4 would give up after
 * 20, and without a limit it requeues at the tail, which would break order. 2^30 is out of reach.
 */
const DELIVERY_LIMIT = 2 ** 30;
const SETTLING_MAX_MS = 60_000;

/** What a channel has in the broker. */
export class Topology extends Requests {
  makeExchange(name: string): Promise<unknown> {
    return this.run(`making exchange ${name}`, (channel) =>
      channel.assertExchange(name, 'fanout', { durable: true }),
    );
  }

  /** Everything that a group needs but the waiting queues; events are kept for it once this resolves. */
  async makeGroup(exchange: string, names: QueueNames, isOrdered: boolean): Promise<void> {
    await this.#make(names.dead, { 'x-max-length': DEAD_LETTERS_MAX });
    await this.#make(names.retry, deadLetteredTo(names.dead));
    await this.#make(names.main, deadLetteredTo(names.dead));
    const turn = { 'x-single-active-consumer': true, 'x-max-length': 1 };
    if (isOrdered) await this.#make(names.turn, turn, 'drop-head');
    await this.#settle(names);
    // Any message of a fanout, and of a topic exchange that somebody else made; of a direct one those with an empty key.
    for (const key of ['', '#'])
      await this.run(`binding ${names.main} to ${exchange}`, (channel) =>
        channel.bindQueue(names.main, exchange, key),
      );
  }

  async makeWait(names: QueueNames, rung: number): Promise<void> {
    await this.#make(names.waits[rung] ?? names.retry, deadLetteredTo(names.dead));
    await this.#settle(names);
  }

  /**
   * RabbitMQ keeps its list of quorum queues in memory for up to 3.5 s after a change: when it is killed in that time, a
   * new queue comes back without a leader and without what it had confirmed (seen with 3.10.8). Deleting a queue that
   * was just made has the list written first. So does each opening: a queue that came back so is new again.
   */
  async #settle({ settling }: QueueNames): Promise<void> {
    // Another one each time, since this one may be caught in the same way, and then does not answer.
    const queue = settling + randomUUID().slice(0, SETTLING_DIGITS);
    await this.#make(queue, { 'x-expires': SETTLING_MAX_MS });
    await this.deleteQueue(queue);
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
}

/** At least once, so that the broker keeps a message until its next queue has it; that asks for reject-publish. */
function deadLetteredTo(queue: string): Readonly<Record<string, unknown>> {
  return {
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': queue,
    'x-dead-letter-strategy': 'at-least-once',
  };
}
