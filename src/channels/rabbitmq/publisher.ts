import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { LaneQueue } from './lane-queue.ts';
import { closedBecause, type Confirmed, type Outgoing, type Sent } from './lane.ts';
import type { Link } from '../../clients/rabbitmq/link.ts';
import { lostBecause, PRECONDITION_FAILED, replyCodeOf } from '../../clients/rabbitmq/within.ts';

/** So long may an answer take; then the sender is told to come again, and the event may be kept twice. */
const ANSWER_MAX_MS = 4500;
const SWEEP_EVERY_MS = 250;
/** Publishes of one channel that are not answered yet. */
const UNANSWERED_MAX = 10_000;
/** What is larger goes alone, one at a time, so that a refusal of its size meets nothing else. */
const ALONE_FROM_BYTES = 512 * 1024;

/**
 * Publishes for one channel, and says what the broker answered.
 *   P1  an event is accepted once the broker has confirmed it; every publish ends within ANSWER_MAX_MS, one way or another.
 *   P2  one that is larger than the broker takes fails alone: RabbitMQ refuses it by closing the AMQP channel, so large
 *       ones have a lane of their own. When a smaller one is refused, the bound sinks to its size, and what was
 *       not answered is sent again.
 *   P3  while the broker takes no publishes, new ones are refused at once.
 */
export class Publisher {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #onLost: (why: PlatformError) => void;
  readonly #shared: LaneQueue;
  readonly #alone: LaneQueue;
  #aloneFromBytes = ALONE_FROM_BYTES;
  #refused: { readonly fromBytes: number; readonly message: string } | undefined;
  #isClosed = false;
  #isSweeping = false;

  /** `onLost` is told when the exchange is gone, or the AMQP channel closed for another reason than a size. */
  constructor(link: Link, clock: Clock, onLost: (why: PlatformError) => void) {
    this.#link = link;
    this.#clock = clock;
    this.#onLost = onLost;
    const { publishing } = link;
    this.#shared = new LaneQueue(publishing, Number.POSITIVE_INFINITY, this.#onSharedClosed.bind(this));
    this.#alone = new LaneQueue(publishing, 1, this.#onAloneClosed.bind(this));
  }

  get isBlocked(): boolean {
    return this.#link.blocked !== undefined;
  }

  /** A new event: bounded in time, refused while the broker takes none. */
  publish(outgoing: Outgoing): Promise<Confirmed> {
    const why = this.#refusal();
    if (why !== undefined) return Promise.reject(why);
    void this.#sweep();
    return this.#send(outgoing, this.#clock.nowMs() + ANSWER_MAX_MS);
  }

  /** A copy of what is kept already: waits for the answer as long as there is a connection. */
  move(outgoing: Outgoing): Promise<Confirmed> {
    return this.#send(outgoing, Number.POSITIVE_INFINITY);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#shared.close(), this.#alone.close()]);
  }

  #refusal(): PlatformError | undefined {
    const { blocked } = this.#link;
    if (blocked !== undefined) return lostBecause(`RabbitMQ takes no events for now: ${blocked}`); // P3
    if (this.#size < UNANSWERED_MAX) return undefined;
    return lostBecause(`${UNANSWERED_MAX} events wait for RabbitMQ's answer`);
  }

  get #size(): number {
    return this.#shared.size + this.#alone.size;
  }

  #send(outgoing: Outgoing, untilMs: number): Promise<Confirmed> {
    return new Promise((resolve, reject) =>
      this.#hand({ outgoing, untilMs, resolve, reject, isReturned: false }),
    );
  }

  #hand(sent: Sent): void {
    const bytes = sent.outgoing.body.byteLength;
    if (this.#link.lost.aborted) sent.reject(this.#link.lost.reason);
    else if (this.#isClosed) sent.reject(lostBecause('the channel is closed'));
    else if (this.#refused !== undefined && bytes >= this.#refused.fromBytes)
      sent.reject(tooLarge(this.#refused.message));
    else if (bytes > this.#aloneFromBytes) this.#alone.push(sent);
    else this.#shared.push(sent);
  }

  /** P1; one timer for all. */
  async #sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    const late = (): PlatformError =>
      lostBecause(`RabbitMQ has not confirmed the event within ${ANSWER_MAX_MS} ms`);
    do {
      await this.#clock.until(this.#clock.nowMs() + SWEEP_EVERY_MS, this.#link.lost);
      const nowMs = this.#clock.nowMs();
      for (const queue of [this.#shared, this.#alone]) queue.expire(nowMs, late);
    } while (this.#size > 0 && !this.#link.lost.aborted);
    this.#isSweeping = false;
  }

  #onSharedClosed(fault: Error | undefined, unanswered: readonly Sent[]): void {
    const largest = Math.max(0, ...unanswered.map(({ outgoing }) => outgoing.body.byteLength));
    if (replyCodeOf(fault) !== PRECONDITION_FAILED || largest === 0) return this.#failAll(fault, unanswered);
    this.#aloneFromBytes = Math.min(this.#aloneFromBytes, largest - 1); // P2
    for (const sent of unanswered) this.#hand(sent);
  }

  #onAloneClosed(fault: Error | undefined, unanswered: readonly Sent[]): void {
    const [sent] = unanswered;
    if (fault === undefined || replyCodeOf(fault) !== PRECONDITION_FAILED || sent === undefined)
      return this.#failAll(fault, unanswered);
    this.#refused = { fromBytes: sent.outgoing.body.byteLength, message: fault.message }; // P2
    sent.reject(tooLarge(fault.message));
  }

  #failAll(fault: Error | undefined, unanswered: readonly Sent[]): void {
    const why = closedBecause(fault);
    for (const { reject } of unanswered) reject(why);
    if (!this.#isClosed) setImmediate(() => this.#onLost(why)); // when the connection has ended, it says so first
  }
}

function tooLarge(said: string): PlatformError {
  const message = `the event is larger than RabbitMQ takes (max_message_size in its configuration): ${said}`;
  return new PlatformError('EVENT_TOO_LARGE', message, { retryable: false });
}
