import { setTimeout as pause } from 'node:timers/promises';
import type { Channel, Consumer, Verdict } from '../../../src/channels/channel.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import type { Journal } from '../../kit/journal.ts';

/** Writers that publish one event after the other, and each of them again until it is accepted. */
export class Load {
  readonly #publish: (event: CloudEvent) => Promise<void>;
  readonly #journal: Journal;
  readonly #writers: Promise<void>[];
  #isOver = false;
  #last = 0;
  #lastAckMs = Date.now();

  constructor(channel: Pick<Channel, 'publish'>, journal: Journal, writers: number, random: () => number) {
    this.#publish = (event) => channel.publish(event);
    this.#journal = journal;
    this.#writers = Array.from({ length: writers }, () => this.#write(random));
  }

  /** When the last event was accepted. */
  get lastAckMs(): number {
    return this.#lastAckMs;
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#writers);
  }

  async #write(random: () => number): Promise<void> {
    while (!this.#isOver) {
      const id = `e-${(this.#last += 1)}`;
      const body = Buffer.alloc(100 + Math.floor(random() * 2000), `${id} `);
      this.#journal.sending(id, body);
      const event = { ...anEvent(id), body };
      while (!(await this.#accepted(event)) && !this.#isOver) await pause(20); // as a sender does that is told to come again
    }
  }

  async #accepted(event: CloudEvent): Promise<boolean> {
    const isAccepted = await this.#publish(event).then(
      () => true,
      () => false,
    );
    if (isAccepted) this.#journal.acked(idOf(event));
    if (isAccepted) this.#lastAckMs = Date.now();
    return isAccepted;
  }
}

/** Settles most events, and lets one of `retriedOneIn` wait and come again first. */
export function journalled(journal: Journal, random: () => number, retriedOneIn = 5): Consumer {
  return async ({ event, attempt }): Promise<Verdict> => {
    if (attempt === 1 && random() < 1 / retriedOneIn)
      return { kind: 'retry', dueMs: Date.now() + 20 + random() * 400, reason: 'busy', code: 503 };
    journal.received(idOf(event), event.body);
    return { kind: 'settled' };
  };
}
