import { messageOf, PlatformError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { AttributePrefix } from '../../events/amqp-binding.ts';
import { toCopy, toLetter, type Letter, type Message, type Owed } from './envelope.ts';
import { LADDER_MS, rungFor } from './ladder.ts';
import type { Confirmed } from './lane.ts';
import type { QueueNames } from './names.ts';
import type { Publisher } from './publisher.ts';
import type { Topology } from './topology.ts';
import { lostBecause } from '../../clients/rabbitmq/within.ts';

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
 * finds them all. `onWait` takes charge of each, and says whether it answers: nothing is sent to one that does not, for
 * RabbitMQ would hold up the AMQP channel behind it.
 */
export class Keeping {
  readonly #tools: KeepingTools;
  readonly #onWait: (queue: string) => Promise<boolean>;
  #making: Promise<unknown> = Promise.resolve();
  readonly #answers: Promise<boolean>[] = []; // of each rung there is
  readonly #avoided = new Set<string>();

  constructor(tools: KeepingTools, onWait: (queue: string) => Promise<boolean>) {
    this.#tools = tools;
    this.#onWait = onWait;
  }

  /** The waiting queues that are known. */
  get waits(): readonly string[] {
    return this.#tools.names.waits.slice(0, this.#answers.length);
  }

  /** Queues that do not answer: nothing is sent there, until they are mended and the channel opens anew. */
  get avoided(): readonly string[] {
    return [...this.#avoided];
  }

  /** Where something waits that is due in `leftMs`, as far as there is such a queue; undefined: in hand. */
  rungFor(leftMs: number): number | undefined {
    const rung = rungFor(leftMs);
    if (rung === undefined || this.#avoided.size === 0) return rung;
    const { waits } = this.#tools.names;
    const usable = waits.findLastIndex((queue, i) => i <= rung && !this.#avoided.has(queue));
    return usable < 0 ? undefined : usable;
  }

  /** Asks the broker for those that somebody else has made; it notes the one that is not there. */
  async findWaits(): Promise<void> {
    const { topology, names } = this.#tools;
    await this.#inTurn(async () => {
      for (const next of names.waits.slice(this.#answers.length)) {
        if ((await topology.count(next)) === undefined) return;
        this.#add(next);
      }
    });
  }

  /** All of them: another platform may use one that this one would not know of. */
  async makeWaits(): Promise<void> {
    await this.#reach(this.#tools.names.waits.length - 1);
  }

  /** Keeps it until it is due. */
  async postpone(owed: Owed): Promise<Kept> {
    const { clock } = this.#tools;
    const rung = this.rungFor((owed.dueMs ?? 0) - clock.nowMs());
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
    const { names, prefix, clock, onLost } = this.#tools;
    const queue = names.waits[rung] ?? names.retry;
    try {
      await this.#reach(rung);
    } catch {
      return this.again(owed); // it waits in memory then, its copy in the retry queue
    }
    if ((await this.#answers[rung]) !== true) return this.postpone(owed);
    const copy = toCopy({ ...owed, untilMs: clock.nowMs() + (LADDER_MS[rung] ?? 0) }, prefix);
    return this.#move(queue, copy, () => onLost(lostBecause(`queue ${queue} was deleted`)));
  }

  async #reach(rung: number): Promise<void> {
    if (rung < this.#answers.length) return;
    await this.#inTurn(async () => {
      const { topology, names } = this.#tools;
      for (const next of names.waits.slice(this.#answers.length, rung + 1)) {
        await topology.makeWait(names, this.#answers.length);
        this.#add(next);
      }
    });
  }

  #add(queue: string): void {
    const answers = this.#onWait(queue);
    this.#answers.push(answers);
    void answers.then((does) => does || this.#avoided.add(queue));
  }

  async #inTurn(act: () => Promise<void>): Promise<void> {
    const acting = this.#making.then(act);
    this.#making = acting.catch(() => undefined);
    await acting;
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
        await clock.until(clock.nowMs() + ASK_AGAIN_MS, lost);
      }
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error: unknown): Kept {
    if (error instanceof PlatformError && error.code === 'EVENT_TOO_LARGE') return 'too large';
    if (!this.#tools.lost.aborted) this.#tools.onLost(lostBecause(messageOf(error), error));
    return 'lost';
  }
}
