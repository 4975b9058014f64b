import { PlatformError } from '../../base/errors.ts';
import { toKafka } from '../../events/kafka-binding.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { BackedChannel, BackendTools, ChannelSpec } from '../backend.ts';
import type { Backlog, Consumer, DeadLetter, DeadLetterStore, GroupOptions } from '../channel.ts';
import { tellAccepted } from '../tell.ts';
import { Backlogs, type Counted } from './backlogs.ts';
import type { KafkaConnection } from '../../clients/kafka/connection.ts';
import { DeadLetters } from './dead-letters.ts';
import { isRefused, lost, refused, wordsOf } from '../../clients/kafka/faults.ts';
import { HelperTopics } from './helper-topics.ts';
import { KafkaGroup } from './kafka-group.ts';
import type { MemberTimes } from '../../clients/kafka/member.ts';
import { partitionOfKey } from './murmur2.ts';
import type { ChannelNames, GroupNames } from './names.ts';
import type { Publisher } from './publisher.ts';
import { removeGroup } from '../../clients/kafka/groups.ts';
import { allTopics, removeTopics } from '../../clients/kafka/topics.ts';
import { bytesOf } from './work.ts';

export type KafkaChannelTools = {
  readonly tools: BackendTools;
  readonly times: MemberTimes;
  readonly deadLettersMax: number;
  /** For what is answered at once: publishing, and questions. */
  readonly connection: KafkaConnection;
  readonly publisher: Publisher;
  readonly connect: () => KafkaConnection;
  /** What groups the broker knows, by name. */
  readonly listGroups: () => Promise<readonly string[]>;
};

/** What is under way when its group is forgotten may come to its end in this time. */
const FORGET_GRACE_MS = 1000;
const CHECK_MAX_MS = 4000;
const PARTITIONS_MAX = 1024;

/**
 * A channel in a topic of Kafka. What is not finished is Kafka's: offsets with notes, the retry topic, the dead-letter
 * topic. docs/decisions/0007 says how they keep the promises.
 */
export class KafkaChannel implements BackedChannel {
  readonly #spec: ChannelSpec;
  readonly #names: ChannelNames;
  readonly #tools: KafkaChannelTools;
  readonly #eventBytesMax: number;
  readonly #lost = new AbortController();
  readonly #helpers: HelperTopics;
  readonly #dead: DeadLetters;
  readonly #backlogs: Backlogs;
  readonly #groups = new Map<string, KafkaGroup>();
  readonly #opening = new Map<string, Promise<void>>();
  readonly #served: Set<string>;
  readonly #forgotten = new Set<string>(); // which the broker may still list for a moment
  #turn = 0;
  #removed = 0;
  #closing: Promise<void> | undefined;

  constructor(spec: ChannelSpec, names: ChannelNames, tools: KafkaChannelTools, eventBytesMax: number) {
    this.#spec = spec;
    this.#names = names;
    this.#tools = tools;
    this.#eventBytesMax = eventBytesMax;
    this.#served = new Set(spec.groups);
    const { connection, publisher } = tools;
    this.#helpers = new HelperTopics({ connection, publisher, names }, eventBytesMax);
    this.#dead = new DeadLetters({ connection, helpers: this.#helpers, names }, tools.deadLettersMax);
    const { clock } = tools.tools;
    this.#backlogs = new Backlogs({
      clock,
      connection,
      topic: names.topic,
      helpers: this.#helpers,
      dead: this.#dead,
    });
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async publish(event: CloudEvent): Promise<void> {
    this.#refuseIfOver();
    const bytes = bytesOf(event);
    const counted = (): Promise<readonly Counted[]> => this.#counted();
    this.#backlogs.refuseIfFull(bytes, this.#groups.values(), counted);
    const atMs = this.#tools.tools.clock.nowMs();
    const { topic } = this.#names;
    const partition = await this.#partitionFor(event.attributes.get('partitionkey'));
    const offset = await this.#tools.publisher.send(topic, partition, toKafka(event), this.#eventBytesMax);
    this.#backlogs.published(bytes);
    tellAccepted(event, {
      atMs,
      durableMs: this.#tools.tools.clock.nowMs(),
      channel: this.#spec.key,
      seq: offset * PARTITIONS_MAX + (partition % PARTITIONS_MAX),
      bytes,
      groups: [...this.#groups.keys()],
    });
  }

  async consume(group: string, options: GroupOptions, consumer: Consumer): Promise<void> {
    this.#refuseIfOver();
    const known = this.#groups.get(group);
    const names = this.#names.of(group, options.sharedName);
    if (known !== undefined && known.names.brokerName === names.brokerName) {
      known.serve(options, consumer);
      return this.#opening.get(group);
    }
    if (known !== undefined) await this.#leave(known); // it is called otherwise now
    const isServed = options.sharedName === undefined && this.#served.has(group);
    const opened = new KafkaGroup(this.#groupTools(), names, options, isServed);
    this.#groups.set(group, opened);
    const opening = opened.open(consumer);
    this.#opening.set(group, opening);
    try {
      await opening;
      this.#served.add(group);
      this.#forgotten.delete(group);
    } catch (error) {
      if (this.#groups.get(group) === opened) this.#groups.delete(group);
      await opened.close(0);
      throw this.#lost.signal.aborted ? this.#reason() : refused(`consumer group ${names.brokerName}`, error);
    } finally {
      this.#opening.delete(group);
      this.#backlogs.outdate();
    }
  }

  async forget(group: string): Promise<number> {
    this.#refuseIfOver();
    const live = this.#groups.get(group);
    const names = live?.names ?? this.#names.of(group, undefined);
    const isShared = names.token.startsWith('shared.');
    await live?.close(FORGET_GRACE_MS);
    const owed = isShared ? 0 : await this.#owedTo(names);
    if (live !== undefined) await this.#leave(live);
    this.#served.delete(group);
    this.#forgotten.add(group);
    if (!isShared) await this.#removeOwn(names);
    this.#backlogs.outdate();
    return owed;
  }

  async backlog(): Promise<readonly Backlog[]> {
    this.#refuseIfOver();
    return this.#backlogs.now(() => this.#counted(), this.#groups);
  }

  async deadLetters(query: Parameters<DeadLetterStore['deadLetters']>[0]): Promise<readonly DeadLetter[]> {
    this.#refuseIfOver();
    const local = [...this.#groups.values()].map(({ names }) => [names.brokerName, names.group] as const);
    return this.#dead.read(query, new Map(local));
  }

  async remove(): Promise<number> {
    const counted = await this.#counted();
    await this.close();
    if (this.#lost.signal.aborted) throw this.#reason();
    let owed = 0;
    for (const { names } of counted)
      if (!names.token.startsWith('shared.')) owed += await this.#owedTo(names);
    for (const { names } of counted) if (!names.token.startsWith('shared.')) await this.#removeOwn(names);
    const { connection } = this.#tools;
    const helpers = this.#names
      .helpersAmong(await allTopics(connection))
      .filter(({ token }) => this.#names.isOwn(token));
    const own = this.#spec.externalName === undefined ? [this.#names.topic] : [];
    await removeTopics(connection, [...helpers.map(({ topic }) => topic), ...own]);
    return owed;
  }

  async check(): Promise<string | undefined> {
    const { clock } = this.#tools.tools;
    const done = new AbortController();
    const late = clock
      .until(clock.nowMs() + CHECK_MAX_MS, done.signal)
      .then(() => `no answer within ${CHECK_MAX_MS} ms`);
    const checked = this.#check().catch(wordsOf);
    const said = await Promise.race([checked, late]);
    done.abort();
    return said;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  /** The broker, or something that the channel cannot do without, is gone. */
  lose(reason: PlatformError): void {
    if (this.#lost.signal.aborted || this.#closing !== undefined) return;
    this.#lost.abort(reason);
    for (const group of this.#groups.values()) group.lose();
  }

  async #close(): Promise<void> {
    await Promise.all(this.#groups.values().map((group) => group.close(this.#tools.tools.graceMs)));
    this.#groups.clear();
  }

  async #check(): Promise<string | undefined> {
    const { connection } = this.#tools;
    if ((await connection.topic(this.#names.topic, true)) === undefined)
      return `topic ${this.#names.topic} is not there`;
    for (const { names } of this.#groups.values()) {
      const retry = this.#helpers.nameOf(names, 'retry');
      if ((await connection.topic(retry, true)) === undefined) return `topic ${retry} is not there`;
    }
    if (this.#removed === 0) return undefined;
    return `topic ${this.#names.topic} has removed ${this.#removed} events by its retention that were still owed`;
  }

  /** By key as Java's client does; without one by turns, or all in one where a group here is ordered. */
  async #partitionFor(key: string | undefined): Promise<number> {
    const { connection } = this.#tools;
    const { topic } = this.#names;
    const known = connection.knownTopic(topic) ?? (await connection.topic(topic).catch(() => undefined));
    const count = known?.leaders.length ?? 1;
    if (count <= 1) return 0;
    if (key !== undefined) return partitionOfKey(key, count);
    for (const { options } of this.#groups.values()) if (options.isOrdered) return partitionOfKey('', count);
    return (this.#turn = (this.#turn + 1) % count);
  }

  #groupTools(): ConstructorParameters<typeof KafkaGroup>[0] {
    const { tools, times, connect } = this.#tools;
    const { namespace, name, key } = this.#spec;
    const { topic } = this.#names;
    return {
      clock: tools.clock,
      times,
      channel: key,
      topic,
      source: `/apis/v1/namespaces/${namespace}/kafkachannels/${name}#${topic}`,
      helpers: this.#helpers,
      dead: this.#dead,
      connect,
      onRemoved: (count) => (this.#removed += count),
      onFailed: (error) => this.lose(isRefused(error) ? refused(topic, error) : lost(wordsOf(error), error)),
    };
  }

  async #leave(group: KafkaGroup): Promise<void> {
    await group.close(FORGET_GRACE_MS);
    if (this.#groups.get(group.names.group) === group) this.#groups.delete(group.names.group);
  }

  async #owedTo(names: GroupNames): Promise<number> {
    this.#backlogs.outdate();
    const figures = await this.#backlogs.figures(async () => [{ names, live: undefined }]);
    return figures.find(({ group }) => group === names.group)?.events ?? 0;
  }

  async #removeOwn(names: GroupNames): Promise<void> {
    const { connection, times } = this.#tools;
    await removeGroup(connection, names.brokerName, times.sessionTimeoutMs);
    const topics = (['retry', 'stages'] as const).map((kind) => this.#helpers.nameOf(names, kind));
    await removeTopics(connection, topics);
    for (const topic of topics) this.#helpers.forgetMade(topic);
  }

  /** Those that consume here, those that some run has served, and those that Kafka knows by upstream's template. */
  async #counted(): Promise<readonly Counted[]> {
    const counted = new Map<string, Counted>();
    for (const name of await this.#tools.listGroups()) {
      const group = this.#names.groupOf(name);
      if (group === undefined || this.#forgotten.has(group)) continue;
      counted.set(group, { names: this.#names.of(group, undefined), live: undefined });
    }
    for (const group of this.#served)
      counted.set(group, { names: this.#names.of(group, undefined), live: undefined });
    for (const [group, live] of this.#groups) counted.set(group, { names: live.names, live });
    return [...counted.values()];
  }

  #refuseIfOver(): void {
    if (this.#closing !== undefined)
      throw new PlatformError('CHANNEL_CLOSED', 'the channel is closed', { retryable: true });
    if (this.#lost.signal.aborted) throw this.#reason();
  }

  #reason(): PlatformError {
    const { reason } = this.#lost.signal as { reason: unknown };
    return reason instanceof PlatformError && reason.code === 'CHANNEL_LOST'
      ? reason
      : lost(wordsOf(reason), reason);
  }
}
