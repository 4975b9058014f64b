import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '../src/channels/backend.ts';
import { kafkaServer } from '../test/servers/kafka.ts';
import { endAll } from '../test/servers/processes.ts';
import { pubsubServer } from '../test/servers/pubsub.ts';
import { rabbitmqServer } from '../test/servers/rabbitmq.ts';
import type { ServerKind } from '../test/servers/server.ts';
import { BenchChild, type Message } from './child.ts';
import type { BrokerPlan } from './broker-child.ts';

/** A real broker for one bench: where it is, and how a channel of its kind is told so. */
export type BenchBroker = {
  readonly kind: string;
  readonly server: ServerKind;
  readonly settings: (address: string) => Settings;
  readonly spec: Readonly<Record<string, unknown>>;
  /** The barest bridge with the same client, and the client alone. */
  readonly bare: string;
  /** Messages that the client alone publishes, and consumes. */
  readonly rawCount: number;
  /** Deliveries in one round, for each second asked for. */
  readonly eventsASecond: number;
  /** Where the client publishes what a channel is to deliver, and what a bridge is. */
  readonly toChannel: (name: string) => Message;
  readonly toBridge: (topic: string) => Message;
};

export const BROKERS: Readonly<Record<'kafka' | 'rabbitmq' | 'pubsub', BenchBroker>> = {
  kafka: {
    kind: 'KafkaChannel',
    server: kafkaServer,
    settings: (address) => ({ config: { 'bootstrap.servers': address }, secret: {} }),
    spec: { numPartitions: 4, replicationFactor: 1, retentionDuration: 'PT168H' },
    bare: './bare-kafka.ts',
    rawCount: 40_000,
    eventsASecond: 5000,
    toChannel: (name) => ({ topic: `knative-messaging-kafka.bench.${name}` }),
    toBridge: (topic) => ({ topic }),
  },
  rabbitmq: {
    kind: 'RabbitmqChannel',
    server: rabbitmqServer,
    settings: (address) => ({ config: {}, secret: { uri: address } }),
    spec: {},
    bare: './bare-rabbitmq.ts',
    rawCount: 20_000,
    eventsASecond: 5000,
    toChannel: (name) => ({ exchange: `knative-messaging.bench.${name}`, key: '' }),
    toBridge: (queue) => ({ exchange: '', key: queue }),
  },
  pubsub: {
    kind: 'PubSubChannel',
    server: pubsubServer,
    settings: (address) => ({ config: { project: 'bench', 'emulator.host': address }, secret: {} }),
    spec: {},
    bare: './bare-pubsub.ts',
    rawCount: 20_000,
    eventsASecond: 2500,
    toChannel: (name) => ({ topic: `cre-ch_bench_${name}_uid-${name}` }),
    toBridge: (topic) => ({ topic }),
  },
};

export type RunningBroker = BenchBroker & { readonly address: string; readonly stop: () => Promise<void> };

/** Undefined where it cannot be had. */
export async function startBroker(broker: BenchBroker): Promise<RunningBroker | undefined> {
  const { server } = broker;
  const given = process.env[server.variable];
  if (given !== undefined && given !== '') return { ...broker, address: given, stop: async () => undefined };
  if ((await server.prepare()) !== undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), `millrace-bench-${server.name}-`));
  const { address, pids } = await server.start(folder);
  const stop = async (): Promise<void> => {
    await endAll(pids);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  return { ...broker, address, stop };
}

/** A channel on it in a process of its own, with its subscribers; `LogChannel` needs no broker. */
export function openChannel(
  broker: RunningBroker | undefined,
  {
    name,
    subscribers,
    inFlightMax = 100,
  }: { readonly name: string; readonly subscribers: readonly string[]; readonly inFlightMax?: number },
  profileFolder?: string,
): BenchChild {
  const plan: BrokerPlan = {
    kind: broker?.kind ?? 'LogChannel',
    settings: broker?.settings(broker.address) ?? { config: {}, secret: {} },
    name: `${name}-${process.pid}`,
    spec: broker?.spec ?? {},
    subscribers,
    inFlightMax,
  };
  return new BenchChild('./broker-child.ts', [JSON.stringify(plan)], profileFolder);
}
