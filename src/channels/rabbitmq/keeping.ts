import { messageOf, PlatformError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { AttributePrefix } from '../../events/amqp-binding.ts';
import { toCopy, toLetter, type Letter, type Message, type Owed } from './envelope.ts';
import { rungFor } from './ladder.ts';
import type { Confirmed } from './lane.ts';
import type { QueueNames } from './names.ts';
import type { Publisher } from './publisher.ts';
import type { Topology } from './topology.ts';
import { lostBecause } from './within.ts';

export type KeepingTools = {
  readonly topology: Topology;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly names: QueueNames;
  readonly prefix: AttributePrefix;
  readonly lost: AbortSignal;
  readonly onLost: (why: PlatformError) => void;
};

/** `no room`: the dead-letter queue is full. `too large`: with what was added to it, RabbitMQ does not take it. */
export type Kept = 'kept' | 'no room' | 'too large' | 'lost';

/** A queue that takes nothing by a policy of the operator is asked again after so long. */
const ASK_AGAIN_MS = 500;

/**
 * Where what a group is owed goes when it is not to be offered now: the waiting queues, the retry queue, the dead letters.
 * Waiting queues are made when they are first needed, with all shorter ones, so that asking from the shortest up
 * finds them all.
 */
export class Keeping {
  readonly #tools: KeepingTools;
  #making: Promise<unknown> = Promise.resolve();
  #rungs = 0;
  #isFound = false;

  constructor(tools: KeepingTools) {
    this.#tools = tools;
  }

  /** The waiting queues that there are. The first time the broker is asked, and notes the one that is not there. */
  async waits(): Promise<readonly string[]> {
    const { topology, names } = this.#tools;
    while (!this.#isFound) {
      const next = names.waits[this.#rungs];
      if (next === undefined || (await topology.count(next)) === undefined) this.#isFound = true;
      else this.#rungs += 1;
    }
    return names.waits.slice(0, this.#rungs);
  }

  /** A message has come back from this waiting queue: another platform may have made it. */
  learn(queue: string | undefined): void {
    if (queue === undefined) return;
    const rung = this.#tools.names.waits.indexOf(queue);
    if (rung >= this.#rungs) this.#rungs = rung + 1;
  }

  /** Keeps it until it is due. */
  async postpone(owed: Owed): Promise<Kept> {
    const { clock } = this.#tools;
    const rung = rungFor((owed.dueMs ?? 0) - clock.nowMs());
    return rung === undefined ? this.again(owed) : this.#put(owed, rung);
  }

  /** Keeps it to be offered again at once, or when whoever has it sees fit. */
  again(owed: Owed): Promise<Kept> {
    const { names, prefix, onLost } = this.#tools;
    return this.#move(names.retry, toCopy(owed, prefix), () =>
      onLost(lostBecause(`queue ${names.retry} was deleted`)),
    );
  }

  bury(letter: Letter): Promise<Kept> {
    const { names, prefix, onLost } = this.#tools;
    return this.#move(names.dead, toLetter(letter, prefix), () =>
      onLost(lostBecause(`queue ${names.dead} was deleted`)),
    );
  }

  async #put(owed: Owed, rung: number): Promise<Kept> {
    const { names, prefix } = this.#tools;
    try {
      await this.#reach(rung);
    } catch {
      return this.again(owed); // it waits in memory then, its copy in the retry queue
    }
    return this.#move(names.waits[rung] ?? names.retry, toCopy(owed, prefix), () => (this.#rungs = 0));
  }

  async #reach(rung: number): Promise<void> {
    this.#making = this.#making
      .catch(() => undefined)
      .then(async () => {
        const { topology, names } = this.#tools;
        for (; this.#rungs <= rung; this.#rungs += 1) await topology.makeWait(names, this.#rungs);
      });
    await this.#making;
  }

  /** Until the broker has it, or is lost. `onGone`: the queue is not there. */
  async #move(queue: string, { body, options }: Message, onGone: () => void): Promise<Kept> {
    const { publisher, names, clock, lost } = this.#tools;
    try {
      for (;;) {
        const confirmed: Confirmed = await publisher.move({
          exchange: '',
          key: queue,
          body,
          options: { ...options, mandatory: true },
        });
        if (confirmed === 'kept') return 'kept';
        if (confirmed === 'refused' && queue === names.dead) return 'no room';
        if (confirmed === 'returned') onGone();
        if (lost.aborted) return 'lost';
        if (confirmed === 'returned') return await this.#instead(queue, body, options);
        await clock.until(clock.nowMs() + ASK_AGAIN_MS, lost);
      }
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** A waiting queue was deleted behind our back: what was to go there goes where it would have come. */
  async #instead(queue: string, body: Buffer, options: Message['options']): Promise<Kept> {
    const { names, onLost } = this.#tools;
    if (queue === names.retry) return 'lost';
    return this.#move(names.retry, { body, options }, () =>
      onLost(lostBecause(`queue ${names.retry} was deleted`)),
    );
  }

  #failed(error: unknown): Kept {
    if (error instanceof PlatformError && error.code === 'EVENT_TOO_LARGE') return 'too large';
    if (!this.#tools.lost.aborted) this.#tools.onLost(lostBecause(messageOf(error), error));
    return 'lost';
  }
}
