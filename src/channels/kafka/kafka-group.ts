import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import type { Consumer, GroupOptions } from '../channel.ts';
import { Committer } from '../../clients/kafka/committer.ts';
import type { KafkaConnection } from '../../clients/kafka/connection.ts';
import type { DeadLetters } from './dead-letters.ts';
import { DELAY_CLASSES } from './delay-classes.ts';
import { lost } from '../../clients/kafka/faults.ts';
import { readAt } from '../../clients/kafka/fetched.ts';
import type { HelperTopics } from './helper-topics.ts';
import { Intake } from '../../clients/kafka/intake.ts';
import { keptIn, type KeptStage } from './kept-event.ts';
import type { Assignment } from '../../clients/kafka/divide.ts';
import { Member, type MemberTimes } from '../../clients/kafka/member.ts';
import type { GroupNames } from './names.ts';
import { committedOf, FIRST, offsetsAt } from '../../clients/kafka/offsets.ts';
import { Outcomes } from './outcomes.ts';
import { Partition } from '../../clients/kafka/partition.ts';
import { Progress } from '../../clients/kafka/progress.ts';
import { isStarted, startedAt } from '../../clients/kafka/start.ts';
import { Work } from './work.ts';

export type GroupTools = {
  readonly clock: Clock;
  readonly times: MemberTimes;
  readonly channel: string; // Kind/namespace/name
  readonly topic: string;
  readonly source: string;
  readonly helpers: HelperTopics;
  readonly dead: DeadLetters;
  /** Opens a connection of its own. */
  readonly connect: () => KafkaConnection;
  readonly onRemoved: (count: number) => void;
  /** The channel cannot go on. */
  readonly onFailed: (error: unknown) => void;
};

/**
 * How long work in an ordered group may go on when it is divided anew, as a part of the session timeout: others wait for
 * it, so that the order stays.
 */
const ORDERED_GRACE = 0.5;
/** The same in milliseconds, unordered: what is not done by then is done by its next owner once more, if it has one. */
const UNORDERED_GRACE_MS = 500;
const START_MAX_MS = 30_000;
const ASK_EVERY_MS = 50;
const LEAVE_MAX_MS = 2000;
/** The retry and stages topics are thinned out this often, and the topic is asked for new partitions. */
const LOOK_AFTER_MS = 5000;
const STAGE_BYTES_MAX = 1024 * 1024;

/**
 * One subscription's work here: a member of its consumer group, which owns some of the partitions of the channel's topic
 * and of the retry topic.
 *   D1  what is held of a partition that stays ours survives a rebalance, unless the group is ordered: then everything is
 *       stopped, committed and read again, so that no two platforms ever have events of one key.
 *   D2  after onFailed, or once the connection is lost, nothing is committed or written.
 */
export class KafkaGroup {
  readonly names: GroupNames;
  readonly work: Work;
  readonly #tools: GroupTools;
  readonly #retryTopic: string;
  readonly #connection: KafkaConnection;
  readonly #retryConnection: KafkaConnection;
  readonly #member: Member;
  readonly #committer: Committer;
  readonly #intake: Intake;
  readonly #retryIntake: Intake;
  readonly #end = new AbortController();
  readonly #wasServed: boolean;
  #options: GroupOptions;
  #partitionCount = 0;
  #isOpen = false;
  #fault: unknown;
  #closing: Promise<void> | undefined;

  constructor(tools: GroupTools, names: GroupNames, options: GroupOptions, wasServed: boolean) {
    this.#tools = tools;
    this.names = names;
    this.#options = options;
    this.#wasServed = wasServed;
    this.#retryTopic = tools.helpers.nameOf(names, 'retry');
    this.#connection = tools.connect();
    this.#retryConnection = tools.connect();
    const own = { connection: this.#connection, clock: tools.clock, times: tools.times };
    this.#member = new Member(
      own,
      { name: names.brokerName, topics: [tools.topic, this.#retryTopic] },
      this.#membership(),
    );
    this.#committer = new Committer(
      own,
      this.#member,
      () => this.work.partitions,
      () => this.work.fill(),
    );
    this.work = this.#newWork();
    const rules = {
      onRead: () => this.work.read(),
      onRemoved: tools.onRemoved,
      onFailed: (error: unknown) => this.#fail(error),
    };
    this.#intake = new Intake(this.#connection, rules);
    this.#retryIntake = new Intake(this.#retryConnection, rules);
  }

  get options(): GroupOptions {
    return this.#options;
  }

  /** Resolves once Kafka knows where the group is in each partition: from then on no event is missed. */
  async open(consumer: Consumer): Promise<void> {
    this.work.serve(this.#options, consumer);
    await this.#tools.helpers.make(this.#retryTopic, DELAY_CLASSES);
    this.#member.start();
    void this.#lookAfterForEver();
    const untilMs = Date.now() + START_MAX_MS;
    while (!(await this.#isStarted())) {
      if (this.#fault !== undefined) throw this.#fault;
      if (this.#end.signal.aborted) throw lost('the channel was closed before the group had begun');
      if (Date.now() > untilMs)
        throw new PlatformError(
          'BACKEND_REFUSED',
          `consumer group ${this.names.brokerName} has not begun in time`,
          {
            retryable: true,
          },
        );
      await this.#tools.clock.until(this.#tools.clock.nowMs() + ASK_EVERY_MS, this.#end.signal);
    }
    if (this.#fault !== undefined) throw this.#fault;
    this.#isOpen = true;
  }

  serve(options: GroupOptions, consumer: Consumer): void {
    this.#options = options;
    this.work.serve(options, consumer);
  }

  /** How far it is in a partition that is ours; undefined when it is not. */
  progressOf(topic: string, id: number): Progress | undefined {
    return this.work.partitions.find((each) => each.topic === topic && each.id === id && !each.isGone)
      ?.progress;
  }

  close(graceMs: number): Promise<void> {
    return (this.#closing ??= this.#close(graceMs));
  }

  /** The broker is gone: stops at once, and tells it so when it is back (D2). */
  lose(): void {
    if (this.#closing !== undefined) return;
    this.work.drop();
    this.#closing = this.work.stop(0);
    this.#endConnections();
    void this.#member.leaveLate(this.#tools.connect());
  }

  async #close(graceMs: number): Promise<void> {
    this.#intake.stop();
    this.#retryIntake.stop();
    await this.work.stop(graceMs);
    const hasLeft = await this.#bounded(async () => {
      await this.#committer.commit().catch(() => undefined); // what it would have said is repeated, and no more
      this.work.drop();
      await this.#member.leave();
    });
    this.work.drop();
    if (!hasLeft) void this.#member.leaveLate(this.#tools.connect());
    this.#endConnections();
  }

  #endConnections(): void {
    this.#end.abort();
    this.#committer.stop();
    this.#intake.stop();
    this.#retryIntake.stop();
    this.#connection.close();
    this.#retryConnection.close();
  }

  /** Whether it came to its end in time. */
  async #bounded(act: () => Promise<void>): Promise<boolean> {
    const { clock } = this.#tools;
    const done = new AbortController();
    const acted = act().then(() => true);
    const late = clock.until(clock.nowMs() + LEAVE_MAX_MS, done.signal).then(() => false);
    const isDone = await Promise.race([acted, late]);
    done.abort();
    return isDone;
  }

  #membership(): ConstructorParameters<typeof Member>[2] {
    return {
      assigned: (assignment) => this.#assigned(assignment),
      revoking: () => this.#revoking(),
      expelled: () => {
        this.work.drop();
        if (this.work.isOrdered) void this.work.stop(0);
        else this.work.pause();
      },
      failed: (error) => this.#fail(error),
    };
  }

  async #assigned(assignment: Assignment): Promise<void> {
    const { topic } = this.#tools;
    const mine = assignment[topic] ?? [];
    const start = {
      connection: this.#connection,
      member: this.#member,
      topic,
      start: this.#options.start,
      wasServed: this.#wasServed,
    };
    const places = await startedAt(start, mine.includes(0));
    this.#partitionCount = places.length;
    const retries = await this.#retryPlaces();
    const partitions = [
      ...(assignment[this.#retryTopic] ?? []).map((id) => this.#partition(this.#retryTopic, id, retries[id])),
      ...mine.map((id) => this.#partition(topic, id, places[id])),
    ];
    this.work.resume(partitions);
    this.#intake.assign(partitions.filter(({ isRetry }) => !isRetry));
    this.#retryIntake.assign(partitions.filter(({ isRetry }) => isRetry));
  }

  /** D1: the one that we have, or a new one. */
  #partition(topic: string, id: number, progress: Progress | undefined): Partition {
    const known = this.work.partitions.find((each) => each.topic === topic && each.id === id && !each.isGone);
    if (known !== undefined) return known;
    return new Partition({ topic, id, isRetry: topic === this.#retryTopic }, progress ?? new Progress(0));
  }

  async #retryPlaces(): Promise<readonly (Progress | undefined)[]> {
    const committed = await committedOf(this.#connection, this.names.brokerName, [this.#retryTopic]);
    const places = committed.get(this.#retryTopic) ?? [];
    const firsts = await offsetsAt(this.#connection, this.#retryTopic, FIRST);
    return firsts.map((first, id) => places[id] ?? new Progress(first));
  }

  async #revoking(): Promise<void> {
    const { clock, times } = this.#tools;
    if (this.work.isOrdered) {
      await this.work.stop(times.sessionTimeoutMs * ORDERED_GRACE);
    } else {
      this.work.pause();
      const untilMs = clock.nowMs() + UNORDERED_GRACE_MS;
      while (this.work.inFlight > 0 && clock.nowMs() < untilMs)
        await clock.until(clock.nowMs() + 10, this.#end.signal);
    }
    await this.#committer.commit().catch(() => undefined); // then what was done since the last one is repeated
    if (this.work.isOrdered) this.work.drop();
  }

  /** Before it is open, only whoever opens it is told; afterwards nobody else could be. */
  #fail(error: unknown): void {
    if (this.#isOpen && this.#closing === undefined) this.#tools.onFailed(error);
    else this.#fault ??= error;
  }

  async #isStarted(): Promise<boolean> {
    return isStarted(this.#connection, this.names.brokerName, this.#tools.topic).catch(() => false);
  }

  async #lookAfterForEver(): Promise<void> {
    const { clock } = this.#tools;
    const done = new Map<string, number>();
    while (!this.#end.signal.aborted) {
      await clock.until(clock.nowMs() + LOOK_AFTER_MS, this.#end.signal);
      if (this.#end.signal.aborted) return;
      await this.#seePartitions().catch(() => undefined); // the next time
      await this.#thinOut(done).catch(() => undefined);
    }
  }

  async #thinOut(done: Map<string, number>): Promise<void> {
    for (const { topic, id, offset } of this.#removable()) {
      if ((done.get(`${topic}/${id}`) ?? 0) >= offset) continue;
      await this.#tools.helpers.thinOut(topic, new Map([[id, offset]]));
      done.set(`${topic}/${id}`, offset);
    }
  }

  /** Partitions that were added since the group was divided are nobody's until it is divided anew. */
  async #seePartitions(): Promise<void> {
    const found = await this.#connection.topic(this.#tools.topic, true);
    const isNew = found !== undefined && found.leaders.length !== this.#partitionCount;
    if (isNew && this.#partitionCount > 0) this.#member.rejoin();
  }

  /** Up to where nothing of our own topics is needed any more; what is not committed yet is. */
  #removable(): { topic: string; id: number; offset: number }[] {
    const stages = this.#tools.helpers.nameOf(this.names, 'stages');
    return this.work.partitions.flatMap(({ topic, id, isRetry, isDirty, progress }) => {
      if (isDirty) return [];
      if (isRetry) return progress.committed > 0 ? [{ topic, id, offset: progress.committed }] : [];
      const { firstStage } = progress;
      return firstStage === undefined ? [] : [{ topic: stages, id, offset: firstStage }];
    });
  }

  #newWork(): Work {
    const { clock, channel, helpers, dead, topic, source } = this.#tools;
    const committer = this.#committer;
    const outcomes = new Outcomes({
      clock,
      channel,
      names: this.names,
      helpers,
      dead,
      committer,
      partitions: () => this.#connection.knownTopic(topic)?.leaders.length ?? 1,
      isHeld: () => this.#member.isHeld,
      isOver: () => this.#end.signal.aborted,
    });
    return new Work({
      clock,
      committer,
      outcomes,
      source,
      onRemoved: this.#tools.onRemoved,
      readStage: (partition, offset) => this.#readStage(partition, offset),
      onRoom: () => {
        this.#intake.wake();
        this.#retryIntake.wake();
      },
    });
  }

  async #readStage({ id }: Partition, offset: number): Promise<KeptStage | undefined> {
    const topic = this.#tools.helpers.nameOf(this.names, 'stages');
    const { clock } = this.#tools;
    while (!this.#end.signal.aborted) {
      try {
        const [record] = await readAt(
          this.#retryConnection,
          { topic, partition: id, offset },
          STAGE_BYTES_MAX,
        );
        return record?.offset === offset ? keptIn(record.message)?.kept.stage : undefined;
      } catch {
        await clock.until(clock.nowMs() + ASK_EVERY_MS, this.#end.signal);
      }
    }
    return undefined;
  }
}
