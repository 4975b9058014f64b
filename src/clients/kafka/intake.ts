import { PlatformError } from '../../base/errors.ts';
import { REQUEST_MAX_MS, type KafkaConnection } from './connection.ts';
import { isRefused, kafkaCode, lost } from './faults.ts';
import { fetchedIn } from './fetched.ts';
import { END, FIRST, offsetsAt } from './offsets.ts';
import type { Partition } from './partition.ts';
import { thereNow } from './topics.ts';

/** How long a broker keeps an answer back when there is nothing to read. */
const POLL_MS = 300;
/** One answer holds no more than this, unless its first batch alone does. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** A partition's part of an answer is no less than this, however many there are. */
const PART_BYTES_MIN = 64 * 1024;
/** More is fetched once less than this was read and not taken, over all partitions of one intake. */
const QUEUE_BYTES_LOW = 512 * 1024;
const PAUSE_MS = 100;
/** Without one answer for so long, the intake gives up. */
const TROUBLE_MAX_MS = 30_000;

export type IntakeRules = {
  /** How long at most an answer is kept back of a topic where nothing happens; POLL_MS where it is not said. */
  readonly idlePollMs?: number;
  /** Something was read. */
  readonly onRead: () => void;
  /** The topic has removed so many events that were still owed. */
  readonly onRemoved: (count: number) => void;
  readonly onFailed: (error: unknown) => void;
};

/**
 * Reads the partitions that are ours, from each leader in a loop of its own, no further than there is room.
 *   F1  at most QUEUE_BYTES_LOW and one answer of ANSWER_BYTES_MAX (or one larger batch) for each leader are at hand
 *       untaken, whatever waits in the topic.
 */
export class Intake {
  readonly #connection: KafkaConnection;
  readonly #rules: IntakeRules;
  #partitions: readonly Partition[] = [];
  #stop = new AbortController();
  #waiting: (() => void)[] = []; // loops without room
  #running: Promise<void> = Promise.resolve();

  constructor(connection: KafkaConnection, rules: IntakeRules) {
    this.#connection = connection;
    this.#rules = rules;
  }

  /** From now on these, and no others. */
  assign(partitions: readonly Partition[]): void {
    this.stop();
    const stop = (this.#stop = new AbortController());
    this.#partitions = partitions;
    this.#running = this.#running.then(() => this.#run(partitions, stop.signal));
  }

  stop(): void {
    this.#stop.abort();
    this.wake();
  }

  /** Something was taken, or may be again. */
  wake(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  async #run(partitions: readonly Partition[], signal: AbortSignal): Promise<void> {
    if (partitions.length === 0) return;
    for (let fineMs = Date.now(); !signal.aborted;) {
      const startedMs = Date.now();
      try {
        await this.#followAll(partitions, signal);
      } catch (error) {
        if (signal.aborted || this.#connection.isClosed) return;
        if (Date.now() - startedMs > REQUEST_MAX_MS * 2) fineMs = Date.now();
        const isOver =
          error instanceof PlatformError || isRefused(error) || Date.now() - fineMs > TROUBLE_MAX_MS;
        if (isOver) return this.#rules.onFailed(error);
        if (kafkaCode(error) === undefined) this.#connection.reset(); // no answer: the connection may be half-open
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  async #followAll(partitions: readonly Partition[], signal: AbortSignal): Promise<void> {
    const byLeader = await this.#byLeader(partitions);
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    const loops = [...byLeader].map(async ([leader, mine]) => {
      try {
        await this.#follow(leader, mine, both);
      } catch (error) {
        over.abort(error);
        this.wake();
        throw error;
      }
    });
    await Promise.allSettled(loops);
    await Promise.all(loops);
  }

  async #byLeader(partitions: readonly Partition[]): Promise<Map<number, Partition[]>> {
    const byLeader = new Map<number, Partition[]>();
    for (const topic of new Set(partitions.map((each) => each.topic))) {
      const found = await thereNow(this.#connection, topic);
      for (const partition of partitions) {
        const leader = partition.topic === topic ? found.leaders[partition.id] : undefined;
        if (leader === undefined) continue;
        byLeader.set(leader, [...(byLeader.get(leader) ?? []), partition]);
      }
    }
    return byLeader;
  }

  async #follow(leader: number, partitions: readonly Partition[], signal: AbortSignal): Promise<void> {
    const idlePollMs = this.#rules.idlePollMs ?? POLL_MS;
    for (let pollMs = POLL_MS; !signal.aborted;) {
      const wanted = this.#wanted(partitions);
      if (wanted.length === 0) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        continue;
      }
      // What has room only later is not asked for meanwhile; so the long wait is for when everything is asked for.
      const isAll = wanted.length === partitions.length;
      const isEmpty = await this.#fetch(leader, wanted, isAll ? pollMs : POLL_MS, signal);
      pollMs = isEmpty ? Math.min(pollMs * 2, idlePollMs) : POLL_MS;
    }
  }

  /** F1: those that have the least at hand, so that one that is long in work does not take the room of all. */
  #wanted(partitions: readonly Partition[]): readonly Partition[] {
    let bytes = 0;
    for (const { queueBytes } of this.#partitions) bytes += queueBytes;
    if (bytes >= QUEUE_BYTES_LOW) return [];
    const each = QUEUE_BYTES_LOW / partitions.length;
    return partitions.filter(({ queueBytes, isGone }) => !isGone && queueBytes < each);
  }

  /** Whether nothing was there. */
  async #fetch(
    leader: number,
    wanted: readonly Partition[],
    pollMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const broker = await this.#connection.node(leader);
    const byTopic = Map.groupBy(wanted, ({ topic }) => topic);
    const maxBytes = Math.max(Math.floor(ANSWER_BYTES_MAX / wanted.length), PART_BYTES_MIN);
    try {
      const { responses } = await broker.fetch({
        isolationLevel: 1,
        maxWaitTime: pollMs,
        minBytes: 1,
        maxBytes: ANSWER_BYTES_MAX,
        topics: [...byTopic].map(([topic, mine]) => ({
          topic,
          partitions: mine.map(({ id, position }) => ({
            partition: id,
            fetchOffset: String(position),
            maxBytes,
          })),
        })),
      });
      if (signal.aborted) return true;
      let isEmpty = true;
      for (const { topicName, partitions } of responses)
        for (const answer of partitions) {
          const partition = wanted.find(({ topic, id }) => topic === topicName && id === answer.partition);
          if (partition !== undefined) this.#accept(partition, answer, wanted.length === 1);
          isEmpty &&= answer.messages.length === 0;
        }
      this.#rules.onRead();
      return isEmpty;
    } catch (error) {
      if (kafkaCode(error) !== 'OFFSET_OUT_OF_RANGE') throw error;
      for (const partition of wanted) await this.#intoRange(partition);
      return false;
    }
  }

  #accept(partition: Partition, answer: Parameters<typeof fetchedIn>[1], isAlone: boolean): void {
    const last = answer.messages.at(-1);
    const end = last === undefined ? partition.position : Number(last.offset) + 1;
    const records = fetchedIn(this.#connection, answer, partition.position);
    // A compacted topic may keep a batch without records: whoever stays before it would ask for it for ever.
    const isEmptyBatch =
      isAlone && last === undefined && Number(answer.lastStableOffset) > partition.position;
    partition.accept(records, isEmptyBatch ? partition.position + 1 : end);
  }

  /** What is owed was removed by the topic's retention, or the topic is another one of the same name. */
  async #intoRange(partition: Partition): Promise<void> {
    const { topic, id } = partition;
    const [firsts, ends] = await Promise.all([
      offsetsAt(this.#connection, topic, FIRST),
      offsetsAt(this.#connection, topic, END),
    ]);
    const [first, end] = [firsts[id] ?? 0, ends[id] ?? 0];
    if (partition.position >= first && partition.position <= end) return;
    if (partition.position > end)
      throw lost(`topic ${topic} has become another one: partition ${id} ends at ${end}`);
    this.#rules.onRemoved(partition.progress.skipTo(first));
    partition.position = first;
    partition.version += 1;
  }
}
