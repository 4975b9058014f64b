import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import type { Backlog } from '../channel.ts';
import { fromKafka } from '../../events/kafka-binding.ts';
import type { KafkaConnection } from '../../clients/kafka/connection.ts';
import type { DeadLetters } from './dead-letters.ts';
import { readAt } from '../../clients/kafka/fetched.ts';
import type { HelperTopics } from './helper-topics.ts';
import type { KafkaGroup } from './kafka-group.ts';
import { keptIn } from './kept-event.ts';
import type { GroupNames } from './names.ts';
import { committedOf, END, FIRST, offsetsAt } from '../../clients/kafka/offsets.ts';
import { Progress } from '../../clients/kafka/progress.ts';
import { bytesOf } from './work.ts';

/** Figures are asked for no more often. */
const AGE_MAX_MS = 1000;

export type BacklogTools = {
  readonly clock: Clock;
  readonly connection: KafkaConnection;
  readonly topic: string;
  readonly helpers: HelperTopics;
  readonly dead: DeadLetters;
};

export type Counted = { readonly names: GroupNames; readonly live: KafkaGroup | undefined };

type Lag = {
  readonly topic: string;
  readonly id: number;
  readonly events: number;
  readonly progress: Progress;
};

/**
 * What each group is owed: the ends of the partitions, less what the group has committed, less what it has finished
 * beyond that. Of partitions that are ours we know better than Kafka, which hears of it with the next commit. Bytes are
 * events times the mean of what was seen. Marks of transactions count as events until they are passed.
 */
export class Backlogs {
  readonly #tools: BacklogTools;
  #meanBytes = 0;
  #figures: readonly Backlog[] = [];
  #atMs = Number.NEGATIVE_INFINITY;
  #publishedBytes = 0; // since the figures were asked for
  #asking: Promise<readonly Backlog[]> | undefined;

  constructor(tools: BacklogTools) {
    this.#tools = tools;
  }

  /** Figures no older than a second, less what is in flight here now of what is retried. */
  async now(
    counted: () => Promise<readonly Counted[]>,
    live: ReadonlyMap<string, KafkaGroup>,
  ): Promise<readonly Backlog[]> {
    return (await this.figures(counted)).map((figures) => {
      const { inFlight = 0, laterInFlight = 0 } = live.get(figures.group)?.work ?? {};
      return { ...figures, inFlight, retrying: Math.max(0, figures.retrying - laterInFlight) };
    });
  }

  /** Figures no older than a second; those in flight count as retried, too. */
  async figures(counted: () => Promise<readonly Counted[]>): Promise<readonly Backlog[]> {
    if (Date.now() - this.#atMs < AGE_MAX_MS && this.#asking === undefined) return this.#figures;
    return (this.#asking ??= this.#ask(counted).finally(() => (this.#asking = undefined)));
  }

  /** The next figures are asked for anew. */
  outdate(): void {
    this.#atMs = Number.NEGATIVE_INFINITY;
  }

  published(bytes: number): void {
    this.#publishedBytes += bytes;
    this.#meanBytes = this.#meanBytes === 0 ? bytes : this.#meanBytes * 0.95 + bytes * 0.05;
  }

  /** Refuses what would be more than a group may owe, as the last figures and what was published since then say. */
  refuseIfFull(
    bytes: number,
    groups: Iterable<KafkaGroup>,
    counted: () => Promise<readonly Counted[]>,
  ): void {
    for (const { names, options } of groups) {
      if (options.backlogBytesMax === undefined) continue;
      if (Date.now() - this.#atMs > AGE_MAX_MS) this.figures(counted).catch(() => undefined); // the next one tries again
      const known = this.#figures.find(({ group }) => group === names.group)?.bytes ?? 0;
      const owed = known + this.#publishedBytes;
      if (owed + bytes > options.backlogBytesMax)
        throw new PlatformError('CHANNEL_FULL', `subscription ${names.group} owes ${owed} bytes`, {
          retryable: true,
        });
    }
  }

  async #ask(counted: () => Promise<readonly Counted[]>): Promise<readonly Backlog[]> {
    const askedMs = Date.now();
    const before = this.#publishedBytes;
    const groups = await counted();
    const ends = await offsetsAt(this.#tools.connection, this.#tools.topic, END);
    const figures = await Promise.all(groups.map((each) => this.#backlogOf(each, ends)));
    this.#publishedBytes -= before;
    this.#atMs = askedMs;
    this.#figures = figures;
    return figures;
  }

  async #backlogOf({ names, live }: Counted, ends: readonly number[]): Promise<Backlog> {
    const { connection, topic, helpers, dead } = this.#tools;
    const retryTopic = helpers.nameOf(names, 'retry');
    const hasRetries = await helpers.has(retryTopic);
    const topics = hasRetries ? [topic, retryTopic] : [topic];
    const committed = await committedOf(connection, names.brokerName, topics);
    const progressIn = (name: string, id: number): Progress | undefined =>
      live?.progressOf(name, id) ?? committed.get(name)?.[id];
    const fresh = ends.map((end, id) => lagOf(topic, id, end, progressIn(topic, id) ?? new Progress(end)));
    const retried = hasRetries ? await this.#retryLags(retryTopic, progressIn) : [];
    const events = sum([...fresh, ...retried]);
    const letters = await dead.count(names);
    const later = sum(retried) + fresh.reduce((noted, { progress }) => noted + progress.noted, 0);
    const heldMs = events === 0 ? undefined : live?.work.oldestMs;
    const heads = events === 0 || heldMs !== undefined ? [] : await this.#heads([...fresh, ...retried]);
    const oldest = [...heads.map(({ acceptedMs }) => acceptedMs), heldMs].filter(
      (each) => each !== undefined,
    );
    return {
      group: names.group,
      events,
      bytes: Math.ceil(events * this.#mean(live, heads)),
      inFlight: live?.work.inFlight ?? 0,
      retrying: later,
      dead: letters,
      isDeadFull: letters >= dead.lettersMax,
      oldestMs: oldest.length === 0 ? undefined : Math.min(...oldest),
    };
  }

  async #retryLags(
    retryTopic: string,
    progressIn: (name: string, id: number) => Progress | undefined,
  ): Promise<Lag[]> {
    const { connection } = this.#tools;
    const [firsts, ends] = await Promise.all([
      offsetsAt(connection, retryTopic, FIRST),
      offsetsAt(connection, retryTopic, END),
    ]);
    return ends.map((end, id) =>
      lagOf(retryTopic, id, end, progressIn(retryTopic, id) ?? new Progress(firsts[id] ?? 0)),
    );
  }

  #mean(live: KafkaGroup | undefined, heads: readonly Head[]): number {
    const seen = this.#meanBytes || (live?.work.meanBytes ?? 0);
    return seen || heads.reduce((total, { bytes }) => total + bytes, 0) / Math.max(1, heads.length);
  }

  /** The first event that is owed, of each partition that has some. */
  async #heads(lags: readonly Lag[]): Promise<readonly Head[]> {
    const heads: Head[] = [];
    for (const { topic, id, events, progress } of lags) {
      if (events === 0) continue;
      const place = { topic, partition: id, offset: progress.committed };
      const [record] = await readAt(this.#tools.connection, place, 1).catch(() => []); // removed meanwhile
      if (record === undefined) continue;
      const kept = keptIn(record.message);
      const read = fromKafka(record.message);
      const bytes = read.kind === 'event' ? bytesOf(read.event) : record.bytes;
      heads.push({ acceptedMs: kept?.kept.acceptedMs ?? record.timestampMs, bytes });
    }
    return heads;
  }
}

type Head = { readonly acceptedMs: number; readonly bytes: number };

function lagOf(topic: string, id: number, end: number, progress: Progress): Lag {
  return { topic, id, progress, events: Math.max(0, end - progress.committed - progress.finishedAbove) };
}

function sum(lags: readonly Lag[]): number {
  return lags.reduce((total, { events }) => total + events, 0);
}
