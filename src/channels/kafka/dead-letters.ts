import type { DeadLetter, DeadLetterStore, Failure } from '../channel.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { KafkaConnection } from '../../clients/kafka/connection.ts';
import { readAt } from '../../clients/kafka/fetched.ts';
import { isOutOfRange, type HelperTopics } from './helper-topics.ts';
import { buriedIn, bury } from './kept-event.ts';
import type { ChannelNames, GroupNames } from './names.ts';
import { END, FIRST, offsetsAt } from '../../clients/kafka/offsets.ts';
import { allTopics } from '../../clients/kafka/topics.ts';

/** Letters of one group; when there are as many, what is given up stays owed. */
export const DEAD_LETTERS_MAX = 10_000;
/** How old the count may be that a burial relies on. */
const COUNT_AGE_MAX_MS = 1000;
/** Letters are read backwards, so many places at a time. */
const STRIDE = 200;
const READ_BYTES_MAX = 4 * 1024 * 1024;

type Query = Parameters<DeadLetterStore['deadLetters']>[0];
type Count = { readonly count: number; readonly atMs: number };

/**
 * The dead letters of a channel: a topic of one partition for each group that has some, read without any consumer group,
 * so that every platform and every tool sees the same.
 */
export class DeadLetters {
  readonly #connection: KafkaConnection;
  readonly #helpers: HelperTopics;
  readonly #names: ChannelNames;
  readonly #lettersMax: number;
  readonly #counts = new Map<string, Count>();
  readonly #counting = new Map<string, Promise<number>>();

  constructor(
    tools: {
      readonly connection: KafkaConnection;
      readonly helpers: HelperTopics;
      readonly names: ChannelNames;
    },
    lettersMax: number,
  ) {
    this.#connection = tools.connection;
    this.#helpers = tools.helpers;
    this.#names = tools.names;
    this.#lettersMax = lettersMax;
  }

  get lettersMax(): number {
    return this.#lettersMax;
  }

  /** False when there is no room. */
  async bury(
    names: GroupNames,
    event: CloudEvent,
    died: {
      readonly seq: number;
      readonly attempts: number;
      readonly diedMs: number;
      readonly failure: Failure;
    },
  ): Promise<boolean> {
    await this.count(names);
    const topic = this.#helpers.nameOf(names, 'dead');
    if ((this.#counts.get(topic)?.count ?? 0) >= this.#lettersMax) return false;
    this.#add(topic, 1); // before it is there, since others bury meanwhile
    try {
      await this.#helpers.put(topic, 1, 0, bury(event, { ...died, group: names.brokerName }));
      return true;
    } catch (error) {
      this.#add(topic, -1);
      throw error;
    }
  }

  #add(topic: string, letters: number): void {
    const known = this.#counts.get(topic);
    if (known !== undefined) this.#counts.set(topic, { ...known, count: known.count + letters });
  }

  /** As the broker told within the last second. */
  async count(names: GroupNames): Promise<number> {
    const topic = this.#helpers.nameOf(names, 'dead');
    const known = this.#counts.get(topic);
    if (known !== undefined && Date.now() - known.atMs < COUNT_AGE_MAX_MS) return known.count;
    const counting = this.#counting.get(topic) ?? this.#count(topic);
    this.#counting.set(topic, counting);
    return counting.finally(() => this.#counting.delete(topic));
  }

  async #count(topic: string): Promise<number> {
    const { first, end } = await this.#range(topic);
    this.#counts.set(topic, { count: end - first, atMs: Date.now() });
    return end - first;
  }

  /** `localNames` says what a group is called here, by its name in the broker. */
  async read(query: Query, localNames: ReadonlyMap<string, string>): Promise<readonly DeadLetter[]> {
    const topics = this.#names.helpersAmong(await allTopics(this.#connection));
    const letters: DeadLetter[] = [];
    for (const { topic, kind } of topics)
      if (kind === 'dead') letters.push(...(await this.#readTopic(topic, query, localNames)));
    return letters.toSorted((a, b) => b.diedMs - a.diedMs).slice(0, query.limit);
  }

  async #readTopic(
    topic: string,
    { limit, group, eventId }: Query,
    localNames: ReadonlyMap<string, string>,
  ): Promise<DeadLetter[]> {
    const { first, end } = await this.#range(topic);
    const letters: DeadLetter[] = [];
    for (let to = end; to > first && letters.length < limit; to -= STRIDE) {
      const found = await this.#readRange(topic, Math.max(first, to - STRIDE), to, localNames);
      letters.push(
        ...found.filter(
          (letter) =>
            (group === undefined || letter.group === group) &&
            (eventId === undefined || letter.event.attributes.get('id') === eventId),
        ),
      );
    }
    return letters.slice(0, limit);
  }

  /** Newest first; what is removed meanwhile is left out. */
  async #readRange(
    topic: string,
    from: number,
    to: number,
    localNames: ReadonlyMap<string, string>,
  ): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = [];
    for (let offset = from; offset < to;) {
      const records = await readAt(this.#connection, { topic, partition: 0, offset }, READ_BYTES_MAX).catch(
        (error: unknown) => {
          if (isOutOfRange(error)) return [];
          throw error;
        },
      );
      const last = records.at(-1);
      if (last === undefined) break;
      offset = last.offset + 1;
      for (const { offset: at, message } of records) {
        const letter = at < to ? buriedIn(message) : undefined;
        if (letter === undefined) continue;
        const { group: brokerName, ...note } = letter.note;
        const group = localNames.get(brokerName) ?? this.#names.groupOf(brokerName) ?? brokerName;
        letters.push({
          ...note,
          group,
          event: { ...letter.event, body: Uint8Array.from(letter.event.body) },
        });
      }
    }
    return letters.toReversed();
  }

  async #range(topic: string): Promise<{ first: number; end: number }> {
    if (!(await this.#helpers.has(topic))) return { first: 0, end: 0 };
    const [firsts, ends] = await Promise.all([
      offsetsAt(this.#connection, topic, FIRST),
      offsetsAt(this.#connection, topic, END),
    ]);
    return { first: firsts[0] ?? 0, end: ends[0] ?? 0 };
  }
}
