import { randomUUID } from 'node:crypto';
import { systemClock } from '../../../src/base/clock.ts';
import type { BackedChannel, Backend, ChannelSpec } from '../../../src/channels/backend.ts';
import { kafkaAdapterWith, type KafkaBounds } from '../../../src/channels/kafka/kafka-adapter.ts';
import { SupervisedChannel } from '../../../src/channels/supervised/supervised-channel.ts';
import { Connection } from '../../../src/channels/supervised/connection.ts';
import { plainKafka } from '../../kit/plain-kafka.ts';

/** Times that let a test see a platform taken for gone; the server is told to allow them. */
export const QUICK: KafkaBounds = {
  times: { sessionTimeoutMs: 3000, rebalanceTimeoutMs: 5000, heartbeatMs: 200 },
  deadLettersMax: 10_000,
};

export type Platform = {
  readonly backend: Backend;
  open(groups?: readonly string[]): Promise<BackedChannel>;
};

export const FAILURE = { dest: 'http://subscriber.test/', code: 410, data: '', reason: 'no such order' };

/** One channel object, and the platforms that have it open: each a connection of its own, as in another process. */
export class KafkaWorld {
  readonly address: string;
  readonly name = `c-${randomUUID().slice(0, 13)}`;
  readonly #uid = randomUUID();
  readonly #bounds: KafkaBounds;
  readonly #backends = new Set<{ close(): Promise<void> }>();
  readonly #claim = { isOurs: false, make: async (): Promise<void> => void (this.#claim.isOurs = true) };

  constructor(address: string, bounds: KafkaBounds = QUICK) {
    this.address = address;
    this.#bounds = bounds;
  }

  /** What a child needs to open the same channel. */
  get args(): readonly string[] {
    return [this.address, this.name, this.#uid];
  }

  get topic(): string {
    return `knative-messaging-kafka.demo.${this.name}`;
  }

  spec(more: Partial<ChannelSpec> = {}): ChannelSpec {
    return {
      key: `KafkaChannel/demo/${this.name}`,
      uid: this.#uid,
      namespace: 'demo',
      name: this.name,
      spec: { numPartitions: 1, replicationFactor: 1, retentionDuration: 'PT168H' },
      externalName: undefined,
      groups: [],
      claim: this.#claim,
      ...more,
    };
  }

  async connect(
    address = this.address,
    graceMs = 500,
    secret: Readonly<Record<string, string>> = {},
  ): Promise<Backend> {
    const tools = { clock: systemClock, random: Math.random, graceMs };
    const settings = { config: { 'bootstrap.servers': address }, secret };
    const backend = await kafkaAdapterWith(this.#bounds).connect(settings, tools);
    this.#backends.add(backend);
    return backend;
  }

  /** The channel as the platform has it: opened anew whenever it is lost. */
  supervised(more: Partial<ChannelSpec> = {}, address = this.address): SupervisedChannel {
    const tools = { clock: systemClock, random: Math.random, graceMs: 500 };
    const adapter = kafkaAdapterWith(this.#bounds);
    const connection = new Connection({ configMap: adapter.configMap, load: async () => adapter }, tools);
    connection.setSettings({ config: { 'bootstrap.servers': address }, secret: {} });
    const channel = new SupervisedChannel({
      key: this.spec().key,
      ...tools,
      open: async () => (await connection.backend()).open(this.spec(more)),
      onChange: () => undefined,
    });
    this.#backends.add(channel).add(connection);
    channel.start();
    return channel;
  }

  async open(more: Partial<ChannelSpec> = {}): Promise<BackedChannel> {
    return (await this.connect()).open(this.spec(more));
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#backends].map((backend) => backend.close()));
    this.#backends.clear();
  }

  /** Closes what is open, and leaves nothing of it in the server. */
  async release(): Promise<void> {
    await this.closeAll();
    const admin = plainKafka(this.address).admin();
    await admin.connect();
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(this.topic));
    if (topics.length > 0) await admin.deleteTopics({ topics });
    await admin.disconnect();
  }
}
