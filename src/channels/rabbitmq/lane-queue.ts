import type * as Amqp from 'amqplib';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { Lane, type Sent } from './lane.ts';
import { lostBecause, within } from '../../clients/rabbitmq/within.ts';

const ANSWER_MAX_MS = 4500;

/** What waits for a lane, and the lane: opened at the first publish, and anew after it was closed. */
export class LaneQueue {
  readonly #connection: Amqp.ChannelModel;
  readonly #widthMax: number;
  readonly #onClose: (fault: Error | undefined, unanswered: readonly Sent[]) => void;
  readonly #waiting: Sent[] = [];
  #lane: Lane | undefined;
  #opening: Promise<void> | undefined;

  /** At most `widthMax` are sent and not answered. */
  constructor(
    connection: Amqp.ChannelModel,
    widthMax: number,
    onClose: (fault: Error | undefined, unanswered: readonly Sent[]) => void,
  ) {
    this.#connection = connection;
    this.#widthMax = widthMax;
    this.#onClose = onClose;
  }

  get size(): number {
    return this.#waiting.length + (this.#lane?.size ?? 0);
  }

  push(sent: Sent): void {
    this.#waiting.push(sent);
    if (this.#lane === undefined) this.#opening ??= this.#open();
    else this.#pump();
  }

  /** Tells those whose time is over; what waited is not sent any more. */
  expire(nowMs: number, why: () => PlatformError): void {
    const isLate = ({ untilMs }: Sent): boolean => untilMs <= nowMs;
    for (const sent of this.#lane?.expired(nowMs) ?? []) sent.reject(why());
    for (const sent of this.#waiting.filter(isLate)) sent.reject(why());
    this.#waiting.splice(0, this.#waiting.length, ...this.#waiting.filter((sent) => !isLate(sent)));
  }

  async close(): Promise<void> {
    await this.#opening;
    const closing = this.#lane?.close() ?? Promise.resolve();
    await within(ANSWER_MAX_MS, 'closing', closing).catch(() => undefined); // it may be closed
  }

  #pump(): void {
    while (this.#lane !== undefined && this.#lane.size < this.#widthMax) {
      const sent = this.#waiting.shift();
      if (sent === undefined) return;
      try {
        this.#lane.send(sent);
      } catch (error) {
        sent.reject(error instanceof RangeError ? unfit(error) : lostBecause(messageOf(error), error));
      }
    }
  }

  async #open(): Promise<void> {
    try {
      const opening = Lane.open(this.#connection, {
        onAnswer: () => this.#pump(),
        onClose: (fault, unanswered) => {
          this.#lane = undefined;
          this.#onClose(fault, unanswered);
          if (this.#waiting.length > 0) this.#opening ??= this.#open();
        },
      });
      this.#lane = await within(ANSWER_MAX_MS, 'opening an AMQP channel', opening);
      this.#pump();
    } catch (error) {
      const why = lostBecause(`RabbitMQ opens no channel: ${messageOf(error)}`, error);
      for (const sent of this.#waiting.splice(0)) sent.reject(why);
    } finally {
      this.#opening = undefined;
    }
  }
}

function unfit(error: RangeError): PlatformError {
  const message = `the event's attributes and headers are more than the 64 KiB that AMQP has room for: ${error.message}`;
  return new PlatformError('EVENT_TOO_LARGE', message, { retryable: false, cause: error });
}
