import type * as Amqp from 'amqplib';
import type { Reading } from './connection.ts';
import { NOT_FOUND, replyCodeOf, within } from './within.ts';

const ANSWER_MAX_MS = 5000;

export type Counts = { readonly ready: number; readonly consumers: number };

/**
 * Makes, counts and deletes what is in the broker, one request at a time on an AMQP channel of its own: a refusal closes
 * that channel, and nothing else.
 */
export class Requests {
  readonly #link: Reading;
  #channel: Promise<Amqp.Channel> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(link: Reading) {
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

  deleteExchange(name: string): Promise<unknown> {
    return this.run(`deleting exchange ${name}`, (channel) => channel.deleteExchange(name));
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
