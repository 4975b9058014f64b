import type { KafkaMessage } from '../../events/kafka-binding.ts';
import type { KafkaConnection } from '../../clients/kafka/connection.ts';
import { kafkaCode } from '../../clients/kafka/faults.ts';
import type { ChannelNames, GroupNames, HelperKind } from './names.ts';
import type { Publisher } from './publisher.ts';
import { makeTopic } from '../../clients/kafka/topics.ts';

/** What may come to an event beside itself: the largest reply that the platform takes, and notes. */
const NOTES_BYTES_MAX = 33 * 1024 * 1024;

/**
 * The topics that are kept beside a channel's own: never thinned out by age or size, replicated like it, and able to take
 * an event with its largest reply. Each is made when it is first needed.
 */
export class HelperTopics {
  readonly #connection: KafkaConnection;
  readonly #publisher: Publisher;
  readonly #names: ChannelNames;
  readonly #bytesMax: number;
  readonly #made = new Map<string, Promise<void>>();

  constructor(
    tools: {
      readonly connection: KafkaConnection;
      readonly publisher: Publisher;
      readonly names: ChannelNames;
    },
    eventBytesMax: number,
  ) {
    this.#connection = tools.connection;
    this.#publisher = tools.publisher;
    this.#names = tools.names;
    this.#bytesMax = eventBytesMax + NOTES_BYTES_MAX;
  }

  nameOf(names: GroupNames, kind: HelperKind): string {
    return this.#names.helper(names, kind);
  }

  /** Whether it is there, without making it. */
  async has(topic: string): Promise<boolean> {
    return (await this.#connection.topic(topic)) !== undefined;
  }

  async make(topic: string, numPartitions: number): Promise<void> {
    const making = this.#made.get(topic) ?? this.#make(topic, numPartitions);
    this.#made.set(topic, making);
    try {
      await making;
    } catch (error) {
      this.#made.delete(topic);
      throw error;
    }
  }

  /** Resolves with the record's place. */
  async put(topic: string, partitions: number, partition: number, message: KafkaMessage): Promise<number> {
    await this.make(topic, partitions);
    const made = await this.#connection.topic(topic);
    if (made !== undefined && partition >= made.leaders.length) await this.#grow(topic, partition + 1);
    return this.#publisher.send(topic, partition, message, this.#bytesMax);
  }

  /** Removes what is before `offset`, so that the topic holds little more than what is owed. */
  async thinOut(topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    const leaders = (await this.#connection.topic(topic))?.leaders ?? [];
    for (const [partition, offset] of offsets) {
      const leader = leaders[partition];
      if (leader === undefined) continue;
      const partitions = [{ partition, offset: String(offset) }];
      await (await this.#connection.node(leader)).deleteRecords({ topics: [{ topic, partitions }] });
    }
  }

  forgetMade(topic: string): void {
    this.#made.delete(topic);
  }

  /** The channel's topic has been given more partitions since. */
  async #grow(topic: string, count: number): Promise<void> {
    const controller = await this.#connection.controller();
    await controller.createPartitions({ topicPartitions: [{ topic, count }] });
    await this.#connection.topic(topic, true);
  }

  async #make(topic: string, numPartitions: number): Promise<void> {
    if (await this.has(topic)) return;
    const configEntries = Object.entries({
      'retention.ms': '-1',
      'retention.bytes': '-1',
      'cleanup.policy': 'delete',
      'max.message.bytes': String(this.#bytesMax),
    }).map(([name, value]) => ({ name, value }));
    const replicationFactor = (await this.#connection.topic(this.#names.topic))?.replicas ?? 1;
    await makeTopic(this.#connection, { topic, numPartitions, replicationFactor, configEntries });
  }
}

/** Whether an offset that was asked for is out of what the topic holds. */
export function isOutOfRange(error: unknown): boolean {
  return kafkaCode(error) === 'OFFSET_OUT_OF_RANGE';
}
