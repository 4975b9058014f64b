import type * as Amqp from 'amqplib';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import { fromCopy, type Reader } from './envelope.ts';
import { Inbox } from '../../clients/rabbitmq/inbox.ts';
import type { Keeping } from './keeping.ts';
import type { Link } from '../../clients/rabbitmq/link.ts';
import { lostBecause } from '../../clients/rabbitmq/within.ts';

export type WaitTools = {
  readonly link: Link;
  readonly clock: Clock;
  readonly reader: Reader;
  readonly onLost: (why: PlatformError) => void;
};

/** Of each waiting queue so many are in hand: the first of them, and so those that are due first. */
const IN_HAND_MAX = 32;

/**
 * The waiting queues of one group: each message stays until its time there is over, then goes on to the retry queue or
 * to a shorter wait. Done here, and not by a time to live and the broker's own dead-lettering, because that hides what it has
 * taken from the figures, and may rest for minutes (decision 8).
 */
export class WaitLine {
  readonly #tools: WaitTools;
  readonly #stop = new AbortController();
  readonly #serving: Promise<Inbox | undefined>[] = [];
  /** In hand, which the broker does not count. */
  size = 0;

  constructor(tools: WaitTools) {
    this.#tools = tools;
  }

  /** Takes charge of a queue, in addition to those that it has; false: it does not answer. */
  async serve(queue: string, keeping: Keeping): Promise<boolean> {
    const serving = this.#serve(queue, keeping);
    this.#serving.push(serving);
    return (await serving) !== undefined;
  }

  /** What is in hand goes back. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#serving.map(async (serving) => (await serving)?.close()));
  }

  /** On an AMQP channel of its own, since a queue without a leader leaves its channel waiting. */
  async #serve(queue: string, keeping: Keeping): Promise<Inbox | undefined> {
    const { link, onLost } = this.#tools;
    try {
      const inbox = await Inbox.open(link, onLost);
      if (this.#stop.signal.aborted) return inbox;
      const consuming = inbox.consume(
        queue,
        IN_HAND_MAX,
        (message) => void this.#hold(message, inbox, keeping),
      );
      return await consuming.then(
        () => inbox,
        async (error: unknown) => {
          void inbox.close();
          if (!isSilence(error)) throw error;
          return undefined;
        },
      );
    } catch (error) {
      if (!this.#stop.signal.aborted) onLost(lostBecause(messageOf(error), error));
      return undefined;
    }
  }

  async #hold(message: Amqp.Message, inbox: Inbox, keeping: Keeping): Promise<void> {
    const { clock, reader } = this.#tools;
    const owed = fromCopy(message, reader);
    this.size += 1;
    await clock.until(owed.untilMs ?? 0, this.#stop.signal);
    if (!this.#stop.signal.aborted && (await keeping.postpone(owed)) === 'kept') inbox.ack(message);
    this.size -= 1;
  }
}

function isSilence(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'BACKEND_UNREACHABLE';
}
