import type { Clock } from '../../base/clock.ts';
import type { ReceivedMessage } from '../../clients/pubsub/client.ts';
import { Intake } from '../../clients/pubsub/intake.ts';
import { Leases } from '../../clients/pubsub/leases.ts';
import type { Link } from '../../clients/pubsub/link.ts';
import { takenOf } from '../../clients/pubsub/taken-message.ts';
import type { TakenMessage } from '../../events/pubsub-binding.ts';

export type ReadingOptions = {
  readonly link: Link;
  readonly clock: Clock;
  readonly subscription: string;
  /** Ends what is being delivered, at once; close() then waits for it. */
  readonly signal: AbortSignal;
  /** Resolves once the message may be acknowledged; rejects only when `signal` aborts. */
  readonly deliver: (message: TakenMessage, signal: AbortSignal) => Promise<void>;
  /** The subscription cannot be read, and why: it is paused. */
  readonly onGone: (error: unknown) => void;
};

/** In hand at most; one poll brings no more than there is room for, and some 10 MB. */
const IN_HAND_MAX = 100;
const BYTES_MAX = 32 * 1024 * 1024;
/** What is given back of a key keeps its place only when its lease runs out, not when it is refused. */
const GIVE_BACK_S = 1;

/**
 * Reads one subscription, by one link.
 *   R1  a message is leased until deliver() has resolved, and only then acknowledged.
 *   R2  messages of one ordering key are delivered one after the other, in the order they were published; others side by side.
 *   R3  close() gives back what was not delivered; after a loss of the link nothing is acknowledged, and it comes again.
 */
export class Reading {
  readonly #options: ReadingOptions;
  readonly #leases: Leases;
  readonly #intake: Intake;
  readonly #lanes = new Map<string, Promise<void>>(); // the last of each key
  readonly #work = new Set<Promise<void>>();
  #bytes = 0;
  #isPaused = true;

  constructor(options: ReadingOptions) {
    const { link, clock, subscription } = options;
    this.#options = options;
    this.#leases = new Leases(link, clock, subscription, link.lost);
    this.#intake = new Intake({
      link,
      clock,
      subscription,
      pollsMax: 1, // a second poll could overtake the first in the middle of a key
      lost: link.lost,
      room: () => this.#room(),
      take: (messages) => this.#take(messages),
      onGone: (error) => {
        this.#isPaused = true;
        options.onGone(error);
      },
    });
  }

  resume(): void {
    this.#isPaused = false;
    this.#intake.poke();
  }

  pause(): void {
    this.#isPaused = true;
  }

  /** After `signal` has aborted. */
  async close(): Promise<void> {
    await this.#intake.stop(false);
    await Promise.all(this.#work);
    await this.#leases.stop(GIVE_BACK_S); // R3
  }

  #room(): number {
    return this.#isPaused || this.#bytes >= BYTES_MAX ? 0 : IN_HAND_MAX - this.#work.size;
  }

  #take(messages: readonly ReceivedMessage[]): void {
    for (const { ackId, message } of messages) {
      const taken = takenOf(message);
      const { orderingKey } = taken;
      this.#leases.hold(ackId ?? '');
      this.#bytes += taken.data.byteLength;
      const before = this.#lanes.get(orderingKey) ?? Promise.resolve(); // R2
      const work = before.then(() => this.#deliver(ackId ?? '', taken));
      if (orderingKey !== '') this.#lanes.set(orderingKey, work);
      this.#work.add(work);
      void work.then(() => {
        this.#work.delete(work);
        this.#bytes -= taken.data.byteLength;
        if (this.#lanes.get(orderingKey) === work) this.#lanes.delete(orderingKey);
        this.#intake.poke();
      });
    }
  }

  async #deliver(ackId: string, message: TakenMessage): Promise<void> {
    const { signal, deliver } = this.#options;
    if (signal.aborted) return; // R3
    try {
      await deliver(message, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    await this.#leases.ack(ackId); // R1
  }
}
