import type { Clock } from '../../base/clock.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { Backlog, Consumer, Failure, GroupOptions, Stage, Verdict } from '../channel.ts';
import { Offers, type Held } from '../offers.ts';

export type Accepted = {
  readonly seq: number;
  readonly event: CloudEvent;
  readonly bytes: number;
  readonly acceptedMs: number;
};

export type MemoryGroupTools = {
  readonly clock: Clock;
  readonly bury: (owed: Accepted, attempts: number, failure: Failure) => void;
};

/** What one subscription of a memory channel is owed. Every act costs the same, however much that is. */
export class MemoryGroup {
  readonly #offers: Offers;
  readonly #bury: MemoryGroupTools['bury'];
  readonly #owed = new Map<number, Accepted>(); // in the order of the channel
  options: GroupOptions;
  bytes = 0;

  constructor({ clock, bury }: MemoryGroupTools, options: GroupOptions, consumer: Consumer) {
    this.#offers = new Offers(clock);
    this.#bury = bury;
    this.options = options;
    this.#offers.serve(options, consumer);
  }

  get size(): number {
    return this.#owed.size;
  }

  serve(options: GroupOptions, consumer: Consumer): void {
    this.options = options;
    this.#offers.serve(options, consumer);
  }

  keep(accepted: Accepted): void {
    this.#owed.set(accepted.seq, accepted);
    this.bytes += accepted.bytes;
    this.#offers.take(this.#held(accepted, { kind: 'deliver' }, 1));
  }

  figures(): Omit<Backlog, 'group' | 'dead' | 'isDeadFull'> {
    const oldest = this.#owed.values().next().value;
    return {
      events: this.size,
      bytes: this.bytes,
      inFlight: this.#offers.inFlight,
      retrying: this.#offers.waiting,
      oldestMs: oldest?.acceptedMs,
    };
  }

  /** No further offers; waits for those under way, after `graceMs` aborts them. Returns how many events stay owed. */
  async stop(graceMs: number): Promise<number> {
    await this.#offers.stop(graceMs);
    return this.size;
  }

  #held(accepted: Accepted, stage: Stage, attempt: number, dueMs = 0): Held {
    const { event, seq } = accepted;
    const conclude = async (verdict: Verdict): Promise<Held | undefined> =>
      this.#conclude(accepted, { stage, attempt }, verdict);
    return { event, seq, stage, attempt, dueMs, conclude };
  }

  #conclude(
    accepted: Accepted,
    { stage, attempt }: { readonly stage: Stage; readonly attempt: number },
    verdict: Verdict,
  ): Held | undefined {
    switch (verdict.kind) {
      case 'settled':
        return this.#finish(accepted);
      case 'dead':
        this.#bury(accepted, attempt, verdict.failure);
        return this.#finish(accepted);
      case 'advance':
        return this.#held(accepted, verdict.stage, 1);
      case 'retry':
        return this.#held(accepted, stage, attempt + 1, verdict.dueMs);
    }
  }

  #finish({ seq, bytes }: Accepted): undefined {
    this.#owed.delete(seq);
    this.bytes -= bytes;
  }
}
