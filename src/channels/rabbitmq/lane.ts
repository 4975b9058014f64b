import type * as Amqp from 'amqplib';
import type { PlatformError } from '../../base/errors.ts';
import { lostBecause, NOT_FOUND, replyCodeOf } from '../../clients/rabbitmq/within.ts';

export type Outgoing = {
  readonly exchange: string;
  readonly key: string;
  readonly body: Buffer;
  readonly options: Amqp.Options.Publish;
};

/** `returned`: no queue was there to take it, and the broker has dropped it. `refused`: a queue has no room. */
export type Confirmed = 'kept' | 'returned' | 'refused';

/** A publish and who waits for its answer, at most until `untilMs` (since the epoch). */
export type Sent = {
  readonly outgoing: Outgoing;
  readonly untilMs: number;
  readonly resolve: (confirmed: Confirmed) => void;
  readonly reject: (error: unknown) => void;
  isReturned: boolean;
};

/**
 * One AMQP channel in confirm mode. Confirms are matched here, by their tags, since the library says of a publish that
 * failed only a text. When the AMQP channel closes, `onClose` is told once, with what was not answered.
 */
export class Lane {
  readonly #channel: Amqp.ConfirmChannel;
  readonly #unanswered = new Map<number, Sent>(); // by tag, in the order they were sent
  #lastTag = 0;
  #fault: Error | undefined;

  private constructor(channel: Amqp.ConfirmChannel) {
    this.#channel = channel;
  }

  static async open(
    connection: Amqp.ChannelModel,
    told: {
      readonly onAnswer: () => void;
      readonly onClose: (fault: Error | undefined, unanswered: readonly Sent[]) => void;
    },
  ): Promise<Lane> {
    const channel = await connection.createConfirmChannel();
    const lane = new Lane(channel);
    channel.on('error', (error) => (lane.#fault = error));
    channel.on('close', () => {
      const unanswered = [...lane.#unanswered.values()];
      lane.#unanswered.clear();
      told.onClose(lane.#fault, unanswered);
    });
    const answer =
      (confirmed: Confirmed) =>
      ({ deliveryTag, multiple }: { deliveryTag: number; multiple: boolean }): void => {
        lane.#answer(deliveryTag, multiple, confirmed);
        told.onAnswer();
      };
    channel.on('ack', answer('kept'));
    channel.on('nack', answer('refused'));
    channel.on('return', ({ fields, properties }) =>
      lane.#markReturned(fields.routingKey, properties.messageId),
    );
    return lane;
  }

  get size(): number {
    return this.#unanswered.size;
  }

  /** Throws when it is no message for AMQP 0-9-1: what the library cannot encode is not sent in part. */
  send(sent: Sent): void {
    const { exchange, key, body, options } = sent.outgoing;
    this.#channel.publish(exchange, key, body, options);
    this.#unanswered.set((this.#lastTag += 1), sent);
  }

  /** Those whose time is over, the oldest first; an answer that still comes finds nobody. */
  expired(nowMs: number): readonly Sent[] {
    return [...this.#unanswered.values()].filter(({ untilMs }) => untilMs <= nowMs);
  }

  /** Rejects when it is closed already. */
  async close(): Promise<void> {
    await this.#channel.close();
  }

  #answer(tag: number, multiple: boolean, confirmed: Confirmed): void {
    if (!multiple) return this.#answerOne(tag, confirmed);
    for (const each of this.#unanswered.keys()) {
      if (each > tag) return;
      this.#answerOne(each, confirmed);
    }
  }

  #answerOne(tag: number, confirmed: Confirmed): void {
    const sent = this.#unanswered.get(tag);
    if (sent === undefined) return;
    this.#unanswered.delete(tag);
    sent.resolve(sent.isReturned ? 'returned' : confirmed);
  }

  /** The broker says so before it confirms, and says no tag; those of one key and id are alike. */
  #markReturned(key: string, messageId: unknown): void {
    for (const sent of this.#unanswered.values()) {
      const { outgoing } = sent;
      if (sent.isReturned || outgoing.key !== key || outgoing.options.messageId !== messageId) continue;
      sent.isReturned = true;
      return;
    }
  }
}

/** Why a lane closed, for those that it left unanswered. */
export function closedBecause(fault: Error | undefined): PlatformError {
  if (fault === undefined) return lostBecause('the connection to RabbitMQ ended before it answered');
  const isGone = replyCodeOf(fault) === NOT_FOUND;
  return lostBecause(isGone ? `RabbitMQ no longer has it: ${fault.message}` : fault.message, fault);
}
