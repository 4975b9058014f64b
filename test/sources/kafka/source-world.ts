import { randomUUID } from 'node:crypto';
import type { Producer } from 'kafkajs';
import { systemClock } from '../../../src/base/clock.ts';
import { parseAddress } from '../../../src/clients/kafka/settings.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import { kafkaAdapterWith, SOURCE_TIMES } from '../../../src/sources/kafka/kafka-adapter.ts';
import type { KafkaPlan } from '../../../src/sources/kafka/plan.ts';
import type { SessionTimes } from '../../../src/sources/kafka/session.ts';
import type { RunningSource, SourceState, SourceTools } from '../../../src/sources/source.ts';
import { MemoryBookmark, noCluster } from '../../contracts/source.ts';
import { makeTopic, plainKafka, plainProducer } from '../../kit/plain-kafka.ts';

/** Times that let a test see a platform taken for gone; the server is told to allow them. */
export const QUICK: SessionTimes = {
  ...SOURCE_TIMES,
  sessionTimeoutMs: 3000,
  rebalanceTimeoutMs: 5000,
  heartbeatMs: 200,
  pulseMs: 1000,
};

/** A running source, what it has delivered, and what it has said of itself. */
export type Watched = {
  readonly source: RunningSource;
  readonly events: CloudEvent[];
  readonly bodies: string[];
  readonly states: SourceState[];
  readonly warnings: string[];
};

/** Topics of one test, and the sources that read them: each with connections of its own, as in another process. */
export class SourceWorld {
  readonly address: string;
  readonly topic = `t-${randomUUID().slice(0, 13)}`;
  readonly group = `g-${randomUUID().slice(0, 13)}`;
  readonly bookmark = new MemoryBookmark();
  readonly #open: RunningSource[] = [];
  #producer: Producer | undefined;

  constructor(address: string) {
    this.address = address;
  }

  plan(more: Partial<KafkaPlan> = {}, address = this.address): KafkaPlan {
    return {
      settings: { seeds: [parseAddress(address) ?? { host: '', port: 0 }], ssl: null, sasl: null },
      namespace: 'demo',
      name: 'orders',
      topics: [this.topic],
      group: this.group,
      start: 'latest',
      isOrdered: true,
      consumers: 1,
      keyType: 'string',
      patience: {},
      ...more,
    };
  }

  makeTopic(partitions = 1, topic = this.topic): Promise<void> {
    return makeTopic(this.address, topic, partitions);
  }

  async send(
    bodies: readonly string[],
    more: { readonly topic?: string; readonly partition?: number; readonly key?: string } = {},
  ): Promise<void> {
    this.#producer ??= await plainProducer(this.address);
    const { topic = this.topic, ...place } = more;
    await this.#producer.send({ topic, messages: bodies.map((value) => ({ ...place, value })) });
  }

  open(
    plan: KafkaPlan,
    take: SourceTools['deliver'] = async () => 'taken',
    bookmark = this.bookmark,
  ): Watched {
    const watched = { events: [], bodies: [], states: [], warnings: [] } as Omit<Watched, 'source'>;
    const source = kafkaAdapterWith(QUICK).open(plan, {
      clock: systemClock,
      random: () => 0.5,
      reader: { find: absent, list: absent, watch: absent } as unknown as SourceTools['reader'],
      clusterAt: noCluster,
      bookmark,
      tell: (state) => watched.states.push(state),
      warn: (reason, message) => watched.warnings.push(`${reason}: ${message}`),
      deliver: async (event, signal) => {
        const outcome = await take(event, signal);
        watched.events.push(event);
        watched.bodies.push(bodyOf(event));
        return outcome;
      },
    });
    this.#open.push(source);
    return { source, ...watched };
  }

  /** Where the group is in each partition, as the server has it. */
  async committed(topic = this.topic): Promise<readonly number[]> {
    const admin = plainKafka(this.address).admin();
    await admin.connect();
    const [found] = await admin.fetchOffsets({ groupId: this.group, topics: [topic] });
    await admin.disconnect();
    return (found?.partitions ?? [])
      .toSorted((a, b) => a.partition - b.partition)
      .map(({ offset }) => Number(offset));
  }

  async release(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((source) => source.close()));
    await this.#producer?.disconnect();
    const admin = plainKafka(this.address).admin();
    await admin.connect();
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(this.topic));
    if (topics.length > 0) await admin.deleteTopics({ topics });
    await admin.disconnect();
  }
}

export const bodyOf = ({ body }: CloudEvent): string => Buffer.from(body).toString();
export const stateOf = ({ states }: Watched): string | undefined => states.at(-1)?.kind;

const absent = (): Promise<never> => Promise.reject(new Error('this source reads no objects'));
