import type { Clock } from '../../base/clock.ts';
import { messageOf, PlatformError, unreachable } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { Failure, Verdict } from '../channel.ts';
import { tellDead } from '../tell.ts';
import type { Committer } from '../../clients/kafka/committer.ts';
import type { DeadLetters } from './dead-letters.ts';
import { DELAY_CLASSES, delayClass } from './delay-classes.ts';
import type { HelperTopics } from './helper-topics.ts';
import { keep, type Kept, type KeptStage } from './kept-event.ts';
import type { GroupNames } from './names.ts';
import type { Partition } from '../../clients/kafka/partition.ts';

/** An event at hand, where it is kept, and how far it has come. */
export type Item = {
  readonly partition: Partition;
  readonly offset: number;
  readonly event: CloudEvent;
  readonly bytes: number;
  readonly kept: Kept;
};

export type Outcome =
  | { readonly kind: 'finished' }
  /** It is kept where it was, and goes on as this. */
  | { readonly kind: 'again'; readonly item: Item }
  /** It is not ours any more: whoever has it now offers it again. */
  | { readonly kind: 'gone' };

export type OutcomeTools = {
  readonly clock: Clock;
  readonly channel: string; // its key, for signals
  readonly names: GroupNames;
  readonly helpers: HelperTopics;
  readonly dead: DeadLetters;
  readonly committer: Committer;
  /** How many the channel's topic has. */
  readonly partitions: () => number;
  /** Whether the group's partitions are still ours by Kafka's clock. */
  readonly isHeld: () => boolean;
  readonly isOver: () => boolean;
};

/** When there was no room for a dead letter, it is tried again after this. */
const BURY_AGAIN_MS = 5000;
const AGAIN_MS = 200;
const FINISHED: Outcome = { kind: 'finished' };
const GONE: Outcome = { kind: 'gone' };

/**
 * What becomes of a verdict in Kafka. Unordered, what is to be offered again is written to the retry topic and is then
 * finished where it was; ordered, it stays where it is, with a note in the commit, so that its key waits behind it.
 *   R1  nothing is finished before what follows from it is confirmed; a crash between the two repeats, and loses nothing.
 *   R2  nothing is written for a partition that others may own by now.
 */
export class Outcomes {
  readonly #tools: OutcomeTools;
  isOrdered = false;

  constructor(tools: OutcomeTools) {
    this.#tools = tools;
  }

  async conclude(item: Item, verdict: Verdict): Promise<Outcome> {
    if (item.partition.isGone) return GONE;
    const { attempts, stage } = item.kept;
    const nowMs = this.#tools.clock.nowMs();
    switch (verdict.kind) {
      case 'settled':
        return FINISHED;
      case 'retry':
        return this.#later(item, { attempts: attempts + 1, dueMs: Math.ceil(verdict.dueMs), stage });
      case 'advance':
        return this.#later(item, { attempts: 0, dueMs: nowMs, stage: verdict.stage });
      case 'dead':
        return this.#bury(item, verdict.failure, stage.kind === 'bury' ? attempts : attempts + 1);
      default:
        return unreachable(verdict);
    }
  }

  async #bury(item: Item, failure: Failure, attempts: number): Promise<Outcome> {
    const { dead, names, clock, channel } = this.#tools;
    const diedMs = clock.nowMs();
    const died = { seq: item.kept.seq, attempts, diedMs, failure };
    const isBuried = await this.#surely(item, () => dead.bury(names, item.event, died));
    if (isBuried === undefined) return GONE;
    if (isBuried) {
      tellDead(item.event, { channel, group: names.group, atMs: diedMs }, failure);
      return FINISHED;
    }
    return this.#later(item, { attempts, dueMs: diedMs + BURY_AGAIN_MS, stage: { kind: 'bury', failure } });
  }

  async #later(item: Item, next: Pick<Kept, 'attempts' | 'dueMs' | 'stage'>): Promise<Outcome> {
    const kept: Kept = { ...item.kept, ...next };
    try {
      if (this.isOrdered && !item.partition.isRetry) return await this.#stay(item, kept);
      return await this.#move(item, kept);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'EVENT_TOO_LARGE') throw error;
      // Only a reply can be that large: topics of ours take every event of the channel's.
      const failure = { dest: '', code: 413, data: '', reason: messageOf(error) };
      return this.#bury(item, failure, next.attempts + 1);
    }
  }

  async #move(item: Item, kept: Kept): Promise<Outcome> {
    const { helpers, names, clock } = this.#tools;
    const topic = helpers.nameOf(names, 'retry');
    const place = delayClass(kept.dueMs - clock.nowMs());
    const message = keep(item.event, kept);
    const offset = await this.#surely(item, () => helpers.put(topic, DELAY_CLASSES, place, message));
    return offset === undefined ? GONE : FINISHED; // R1
  }

  async #stay(item: Item, kept: Kept): Promise<Outcome> {
    const { partition, offset } = item;
    const stageAt = await this.#stageAt(item, kept.stage);
    if (partition.isGone) return GONE;
    partition.progress.note(offset, { attempts: kept.attempts, dueMs: kept.dueMs, stageAt });
    await this.#tools.committer.flush(partition);
    return partition.isGone ? GONE : { kind: 'again', item: { ...item, kept } };
  }

  /** A later stage is a record of its own; the note says where. */
  async #stageAt(item: Item, stage: KeptStage): Promise<number | undefined> {
    if (stage.kind === 'deliver') return undefined;
    const { partition, offset, event, kept } = item;
    const known = partition.progress.noteOf(offset)?.stageAt;
    if (stage === kept.stage && known !== undefined) return known;
    const { helpers, names } = this.#tools;
    const topic = helpers.nameOf(names, 'stages');
    const message = keep({ ...event, body: new Uint8Array() }, { ...kept, stage }); // the body is where the event is
    return this.#surely(item, () => helpers.put(topic, this.#tools.partitions(), partition.id, message));
  }

  /** Tries until it is done; undefined when the event is not ours any more, or the channel is over (R2). */
  async #surely<T>(item: Item, act: () => Promise<T>): Promise<T | undefined> {
    const { clock, isHeld, isOver } = this.#tools;
    const signal = new AbortController().signal;
    while (!item.partition.isGone && !isOver()) {
      try {
        if (isHeld()) return await act();
      } catch (error) {
        if (error instanceof PlatformError && error.code === 'EVENT_TOO_LARGE') throw error;
      }
      await clock.until(clock.nowMs() + AGAIN_MS, signal);
    }
    return undefined;
  }
}
