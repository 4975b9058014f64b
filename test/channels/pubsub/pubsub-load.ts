import { setTimeout as pause } from 'node:timers/promises';
import type { Channel, Consumer, Verdict } from '../../../src/channels/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import type { Journal } from '../../kit/journal.ts';

/** Writers that publish one event after the other, and each again until it is accepted, to whatever channel is open. */
export class Load {
  readonly #channel: () => Pick<Channel, 'publish'>;
  readonly #journal: Journal;
  readonly #writers: Promise<void>[];
  #isOver = false;
  #last = 0;
  /** The longest that an answer took, yes or no. */
  slowestMs = 0;

  constructor(
    channel: () => Pick<Channel, 'publish'>,
    journal: Journal,
    { writers, random }: { writers: number; random: () => number },
  ) {
    this.#channel = channel;
    this.#journal = journal;
    this.#writers = Array.from({ length: writers }, () => this.#write(random));
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
      while (!(await this.#isAccepted(id, body)) && !this.#isOver) await pause(20); // as a sender does that was told to
      await pause(2);
    }
  }

  async #isAccepted(id: string, body: Buffer): Promise<boolean> {
    const startMs = Date.now();
    const answer = await this.#channel()
      .publish({ ...anEvent(id), body })
      .then(() => true)
      .catch(() => false);
    this.slowestMs = Math.max(this.slowestMs, Date.now() - startMs);
    if (answer) this.#journal.acked(id);
    return answer;
  }
}

/** Takes a moment for each event; settles most of them, and lets one of five come again first. */
export function journalled(journal: Journal, random: () => number): Consumer {
  return async ({ event, attempt }): Promise<Verdict> => {
    await pause(random() * 10);
    if (attempt === 1 && random() < 0.2)
      return { kind: 'retry', dueMs: Date.now() + 20 + random() * 400, reason: 'busy', code: 503 };
    journal.received(idOf(event), event.body);
    return { kind: 'settled' };
  };
}
