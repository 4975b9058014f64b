import { PlatformError } from '../../base/errors.ts';
import { Committer } from '../../clients/kafka/committer.ts';
import { KafkaConnection } from '../../clients/kafka/connection.ts';
import type { Assignment } from '../../clients/kafka/divide.ts';
import { kafkaCode, refused } from '../../clients/kafka/faults.ts';
import { Intake } from '../../clients/kafka/intake.ts';
import { Member, type MemberTimes } from '../../clients/kafka/member.ts';
import type { Protocol } from '../../clients/kafka/protocol.ts';
import { Pulse } from '../../clients/kafka/pulse.ts';
import { addressesOf } from '../../clients/kafka/settings.ts';
import { isStarted } from '../../clients/kafka/start.ts';
import type { SourceTools } from '../source.ts';
import { eventOf, kafkaSourceUri } from './event.ts';
import { partitionsOf } from './places.ts';
import type { KafkaPlan } from './plan.ts';
import { Work } from './work.ts';

export type SessionTimes = MemberTimes & {
  /** How long at most Kafka keeps an answer back when there is nothing to read; a record is there at once. */
  readonly idlePollMs: number;
  /** How often the cluster is asked for partitions that were added, and whether it is there; a connection that is cut says so at once. */
  readonly pulseMs: number;
};

export type SessionTools = Pick<SourceTools, 'clock' | 'deliver'> & {
  readonly protocol: Protocol;
  readonly times: SessionTimes;
  /** Topics whose start was once committed: what Kafka has forgotten since is owed from the first that it keeps. */
  readonly begun: ReadonlySet<string>;
  readonly onAssigned: (claims: string) => void;
  readonly onRemoved: (message: string) => void;
};

/** As upstream: so much is in hand for each consumer that is asked for. */
const IN_HAND_EACH = 50;
const START_MAX_MS = 20_000;
const ASK_EVERY_MS = 50;
/** What is in hand may still be taken when this ends. */
const CLOSE_GRACE_MS = 500;
const LEAVE_MAX_MS = 2000;
/** How long others wait for what is in hand, when the group is divided anew: ordered, as a part of the session timeout. */
const ORDERED_GRACE = 0.5;
const UNORDERED_GRACE_MS = 500;

/**
 * One run of a source, from the first connection to whatever ends it: a member of the consumer group that reads what it
 * is given.
 *   S1  while the group is divided anew nothing is taken; ordered, nothing of what was read before it is delivered after.
 *   S2  what was finished is committed before partitions are given back, as far as the coordinator can be reached.
 *   S3  after `over` nothing is committed.
 */
export class KafkaSession {
  readonly #plan: KafkaPlan;
  readonly #tools: SessionTools;
  readonly #over = Promise.withResolvers<unknown>();
  readonly #end = new AbortController();
  /** Requests, the membership, fetches: a broker answers one connection's requests in turn, and the latter two wait. */
  readonly #asking: KafkaConnection;
  readonly #coordinating: KafkaConnection;
  readonly #fetching: KafkaConnection;
  readonly #pulse: Pulse;
  readonly #member: Member;
  readonly #committer: Committer;
  readonly #work: Work;
  readonly #intake: Intake;
  #partitionCount = 0;
  #closing: Promise<void> | undefined;

  constructor(plan: KafkaPlan, tools: SessionTools) {
    this.#plan = plan;
    this.#tools = tools;
    const connect = (): KafkaConnection =>
      new KafkaConnection(tools.protocol, plan.settings, () => void this.#pulse.ask());
    this.#asking = connect();
    this.#coordinating = connect();
    this.#fetching = connect();
    const { clock, times } = tools;
    const look = (): Promise<void> => this.#look();
    this.#pulse = new Pulse(this.#asking, clock, times.pulseMs, (error) => this.#fail(error), look);
    const own = { connection: this.#coordinating, clock, times };
    this.#member = new Member(
      own,
      { name: plan.group, topics: plan.topics, isSpread: true },
      {
        assigned: (assignment) => this.#assigned(assignment),
        revoking: () => this.#revoking(),
        expelled: () => this.#expelled(),
        failed: (error) => this.#fail(error),
      },
    );
    this.#committer = new Committer(
      own,
      this.#member,
      () => this.#work.partitions,
      () => this.#work.fill(),
    );
    this.#work = this.#newWork();
    this.#intake = new Intake(this.#fetching, {
      idlePollMs: times.idlePollMs,
      onRead: () => this.#work.read(),
      onRemoved: (count) => this.#tellRemoved(count),
      onFailed: (error) => this.#fail(error),
    });
  }

  /** Resolves with what has ended it. */
  get over(): Promise<unknown> {
    return this.#over.promise;
  }

  /** Rejects, in Kafka's words, unless a broker answers, takes us in, and has the topics. */
  async connect(): Promise<void> {
    const { settings, topics } = this.#plan;
    try {
      await this.#asking.metadata([]);
    } catch (error) {
      throw refused(`connecting to ${addressesOf(settings)}`, error);
    }
    this.#partitionCount = 0;
    for (const topic of topics) {
      const found = await this.#asking.topic(topic, true).catch((error: unknown) => {
        throw refused(`reading topic ${topic}`, error);
      });
      if (found === undefined)
        throw new PlatformError(
          'TOPIC_NOT_FOUND',
          `reading topic ${topic}: UNKNOWN_TOPIC_OR_PARTITION: this server does not host this topic-partition`,
          { retryable: true },
        );
      this.#partitionCount += found.leaders.length;
    }
    this.#pulse.start();
  }

  /** Resolves once Kafka knows where the group is in every partition: from then on no record is missed. */
  async begin(signal: AbortSignal): Promise<void> {
    const { clock } = this.#tools;
    this.#member.start();
    const untilMs = clock.nowMs() + START_MAX_MS;
    while (!(await this.#isStarted())) {
      const fault = await Promise.race([
        this.#over.promise,
        clock.until(clock.nowMs() + ASK_EVERY_MS, signal),
      ]);
      if (fault !== undefined) throw fault;
      if (signal.aborted) return;
      if (clock.nowMs() > untilMs)
        throw new PlatformError(
          'GROUP_NOT_BEGUN',
          `consumer group ${this.#plan.group} has not begun in time`,
          {
            retryable: true,
          },
        );
    }
  }

  /** Gives back what is ours, so that others need not wait for the session to time out. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { clock } = this.#tools;
    this.#pulse.stop();
    this.#intake.stop();
    const isLost = this.#end.signal.aborted;
    await this.#work.close(isLost ? 0 : CLOSE_GRACE_MS);
    const done = new AbortController();
    const leaving = (isLost ? Promise.resolve() : this.#committer.commit().catch(() => undefined)) // then it is repeated
      .then(() => this.#work.drop())
      .then(() => this.#member.leave())
      .then(() => done.abort());
    const hasLeft = await Promise.race([
      leaving.then(() => true),
      clock.until(clock.nowMs() + LEAVE_MAX_MS, done.signal).then(() => done.signal.aborted),
    ]);
    await this.#work.drop();
    this.#end.abort();
    this.#committer.stop();
    for (const connection of [this.#asking, this.#coordinating, this.#fetching]) connection.close();
    if (!hasLeft || isLost)
      void this.#member.leaveLate(new KafkaConnection(this.#tools.protocol, this.#plan.settings));
  }

  /** S3 */
  #fail(error: unknown): void {
    if (this.#closing !== undefined || this.#end.signal.aborted) return;
    this.#end.abort();
    this.#pulse.stop();
    this.#intake.stop();
    void this.#work.drop();
    this.#over.resolve(refused(`reading from ${addressesOf(this.#plan.settings)}`, error));
  }

  async #assigned(assignment: Assignment): Promise<void> {
    const places = {
      connection: this.#coordinating,
      member: this.#member,
      start: this.#plan.start,
      begun: this.#tools.begun,
      held: this.#work.partitions,
    };
    const found = await Promise.all(
      this.#plan.topics.map((topic) => partitionsOf(places, topic, assignment[topic] ?? [])),
    );
    if (this.#end.signal.aborted) return;
    const partitions = found.flat();
    this.#work.resume(partitions);
    this.#intake.assign(partitions);
    const claims = this.#plan.topics.flatMap((topic) => {
      const mine = assignment[topic] ?? [];
      return mine.length === 0 ? [] : [`${topic}: ${mine.join(',')}`];
    });
    this.#tools.onAssigned(claims.join('; '));
  }

  /** S1, S2 */
  async #revoking(): Promise<void> {
    const { isOrdered } = this.#plan;
    this.#work.pause();
    this.#stopReading();
    await this.#work.drain(
      isOrdered ? this.#tools.times.sessionTimeoutMs * ORDERED_GRACE : UNORDERED_GRACE_MS,
    );
    await this.#committer.commit().catch(() => undefined); // then what was done since the last one is repeated
    if (isOrdered) await this.#work.drop();
  }

  #expelled(): void {
    this.#stopReading();
    void this.#work.drop();
  }

  /** A fetch that waits for records would keep the next one waiting behind it. */
  #stopReading(): void {
    this.#intake.stop();
    this.#fetching.reset();
  }

  async #isStarted(): Promise<boolean> {
    const { group, topics } = this.#plan;
    const each = topics.map((topic) => isStarted(this.#asking, group, topic));
    return Promise.all(each).then(
      (started) => started.every(Boolean),
      () => false,
    );
  }

  /** Partitions that were added are nobody's until the group is divided anew. Rejects when there is no answer at all. */
  async #look(): Promise<void> {
    this.#work.fill(); // should it have waited for the membership
    try {
      await this.#seePartitions();
    } catch (error) {
      if (kafkaCode(error) === undefined) throw error;
    }
  }

  async #seePartitions(): Promise<void> {
    const { topics } = this.#plan;
    const { topicMetadata } = await this.#asking.metadata(topics);
    let count = 0;
    for (const { partitionMetadata } of topicMetadata) count += partitionMetadata.length;
    const isMore = count !== this.#partitionCount;
    this.#partitionCount = count;
    if (isMore) this.#member.rejoin();
  }

  #newWork(): Work {
    const { clock, deliver } = this.#tools;
    const { namespace, name, keyType, isOrdered, consumers } = this.#plan;
    return new Work({
      clock,
      committer: this.#committer,
      deliver,
      isOrdered,
      inHandMax: IN_HAND_EACH * consumers,
      isHeld: () => this.#member.isHeld,
      onRemoved: (count) => this.#tellRemoved(count),
      onRoom: () => this.#intake.wake(),
      eventOf({ topic, id }, { message, offset, timestampMs }) {
        const source = kafkaSourceUri(namespace, name, topic);
        return eventOf(message, { source, partition: id, offset, timestampMs }, keyType);
      },
    });
  }

  #tellRemoved(count: number): void {
    if (count === 0) return;
    const records = count === 1 ? '1 record was' : `${count} records were`;
    this.#tools.onRemoved(`${records} removed by Kafka before the sink had taken them`);
  }
}
