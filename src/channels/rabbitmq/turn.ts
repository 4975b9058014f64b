import type * as Amqp from 'amqplib';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { Inbox } from '../../clients/rabbitmq/inbox.ts';
import type { KeepingTools } from './keeping.ts';
import type { Link } from '../../clients/rabbitmq/link.ts';
import { lostBecause } from '../../clients/rabbitmq/within.ts';

/** RabbitMQ closes a channel that leaves a message unanswered for 30 minutes (`consumer_timeout`). */
const RENEW_EVERY_MS = 10 * 60_000;
const LOOK_EVERY_MS = 50;
const TOKEN = Buffer.from('whoever has this message serves the group');

/**
 * The turn of serving an ordered group, which one platform has at a time: a message in a queue with a single active
 * consumer. RabbitMQ hands it to the next platform when the connection of the one before has ended.
 *   T1  the turn is only taken once nobody consumes the group's queues any more: then what was handed over there is back
 *       in its place, so that nothing overtakes it.
 */
export class Turn {
  readonly #inbox: Inbox;
  readonly #stop = new AbortController();

  private constructor(inbox: Inbox) {
    this.#inbox = inbox;
  }

  /** Asks for it; `onTurn` is called when it has come. */
  static async ask(link: Link, tools: KeepingTools, onTurn: () => Promise<void>): Promise<Turn> {
    const { clock, names, publisher, onLost } = tools;
    const inbox = await Inbox.open(link, onLost);
    const turn = new Turn(inbox);
    // One more token than needed does no harm, since the queue keeps one; none would be for ever.
    const token = { exchange: '', key: names.turn, body: TOKEN, options: { persistent: true } };
    void publisher.move(token).catch(() => undefined); // the connection is gone, or its end says so
    let isBegun = false;
    await inbox.consume(names.turn, 1, (message) => {
      void turn.#renew(clock, message);
      if (isBegun) return;
      isBegun = true;
      void turn.#begin(tools, onTurn).catch((error: unknown) => onLost(lostBecause(messageOf(error), error)));
    });
    return turn;
  }

  async leave(): Promise<void> {
    this.#stop.abort();
    await this.#inbox.close();
  }

  /** T1 */
  async #begin({ topology, clock, names }: KeepingTools, onTurn: () => Promise<void>): Promise<void> {
    const isServed = async (queue: string): Promise<boolean> =>
      ((await topology.count(queue))?.consumers ?? 0) > 0;
    while (!this.#stop.signal.aborted && ((await isServed(names.main)) || (await isServed(names.retry))))
      await clock.until(clock.nowMs() + LOOK_EVERY_MS, this.#stop.signal);
    if (!this.#stop.signal.aborted) await onTurn();
  }

  /** Given back, it comes at once: the turn stays here as long as this consumer does. */
  async #renew(clock: Clock, message: Amqp.Message): Promise<void> {
    await clock.until(clock.nowMs() + RENEW_EVERY_MS, this.#stop.signal);
    if (!this.#stop.signal.aborted) this.#inbox.giveBack(message);
  }
}
