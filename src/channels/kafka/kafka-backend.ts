import { parseIsoDuration } from '../../base/duration.ts';
import { PlatformError } from '../../base/errors.ts';
import type { BackedChannel, Backend, BackendTools, ChannelSpec } from '../backend.ts';
import { KafkaConnection } from '../../clients/kafka/connection.ts';
import { lost, refused, wordsOf } from '../../clients/kafka/faults.ts';
import { listGroups } from '../../clients/kafka/groups.ts';
import { KafkaChannel } from './kafka-channel.ts';
import type { MemberTimes } from '../../clients/kafka/member.ts';
import { Pulse } from '../../clients/kafka/pulse.ts';
import { ChannelNames } from './names.ts';
import type { Protocol } from '../../clients/kafka/protocol.ts';
import { Publisher } from './publisher.ts';
import { addressesOf, type KafkaSettings } from '../../clients/kafka/settings.ts';
import { eventBytesMax, makeTopic } from '../../clients/kafka/topics.ts';

export type KafkaBackendOptions = {
  readonly tools: BackendTools;
  readonly times: MemberTimes;
  readonly deadLettersMax: number;
};

/** The cluster is asked whether it is there this often. */
const PULSE_EVERY_MS = 1000;
const GROUPS_AGE_MAX_MS = 1000;

/** A cluster that channels are kept in. Lost is what no broker of it answers for, not what one broker's connection does. */
export class KafkaBackend implements Backend {
  readonly #protocol: Protocol;
  readonly #settings: KafkaSettings;
  readonly #options: KafkaBackendOptions;
  readonly #connection: KafkaConnection;
  readonly #publisher: Publisher;
  readonly #lost = new AbortController();
  readonly #pulse: Pulse;
  readonly #channels = new Set<KafkaChannel>();
  #groups: { readonly names: Promise<readonly string[]>; readonly atMs: number } | undefined;

  constructor(protocol: Protocol, settings: KafkaSettings, options: KafkaBackendOptions) {
    this.#protocol = protocol;
    this.#settings = settings;
    this.#options = options;
    this.#connection = this.#connect();
    this.#publisher = new Publisher(this.#connection);
    this.#pulse = new Pulse(this.#connection, options.tools.clock, PULSE_EVERY_MS, (error) =>
      this.#lose(error),
    );
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Rejects unless a broker answers, and takes us in. */
  async start(): Promise<void> {
    try {
      await this.#connection.metadata([]);
    } catch (error) {
      this.#connection.close();
      throw refused(`connecting to ${addressesOf(this.#settings)}`, error);
    }
    this.#pulse.start();
  }

  async open(spec: ChannelSpec): Promise<BackedChannel> {
    if (this.#lost.signal.aborted) throw refused('opening a channel', this.#lost.signal.reason);
    const names = new ChannelNames(spec);
    const topic = await this.#topic(names.topic);
    if (topic === undefined) await this.#make(spec, names.topic);
    else if (spec.externalName === undefined && !spec.claim.isOurs) throw taken(names.topic);
    const bytesMax = await eventBytesMax(this.#connection, names.topic);
    const channel = new KafkaChannel(
      spec,
      names,
      {
        ...this.#options,
        connection: this.#connection,
        publisher: this.#publisher,
        connect: () => this.#connect(),
        listGroups: () => this.#listGroups(),
      },
      bytesMax,
    );
    this.#channels.add(channel);
    if (this.#lost.signal.aborted) channel.lose(lost(wordsOf(this.#lost.signal.reason)));
    return channel;
  }

  async close(): Promise<void> {
    this.#pulse.stop();
    await Promise.all(this.#channels.values().map((channel) => channel.close()));
    this.#connection.close();
  }

  async #topic(name: string): ReturnType<KafkaConnection['topic']> {
    try {
      return await this.#connection.topic(name, true);
    } catch (error) {
      throw refused(`reading topic ${name}`, error);
    }
  }

  async #make(spec: ChannelSpec, topic: string): Promise<void> {
    if (spec.externalName !== undefined)
      throw new PlatformError('CHANNEL_NOT_FOUND', `topic ${topic}, which is external, is not there`, {
        retryable: true,
      });
    const shape = shapeOf(spec);
    await spec.claim.make();
    const configEntries = [{ name: 'retention.ms', value: String(shape.retentionMs) }];
    await makeTopic(this.#connection, { topic, ...shape, configEntries });
  }

  #connect(): KafkaConnection {
    return new KafkaConnection(this.#protocol, this.#settings, () => void this.#pulse.ask());
  }

  #listGroups(): Promise<readonly string[]> {
    if (this.#groups === undefined || Date.now() - this.#groups.atMs > GROUPS_AGE_MAX_MS) {
      const names = listGroups(this.#connection);
      this.#groups = { names, atMs: Date.now() };
      names.catch(() => (this.#groups = undefined)); // whoever asked is told
    }
    return this.#groups.names;
  }

  #lose(error: unknown): void {
    if (this.#lost.signal.aborted) return;
    const reason = lost(`Kafka at ${addressesOf(this.#settings)} is gone: ${wordsOf(error)}`, error);
    this.#lost.abort(reason);
    for (const channel of this.#channels) channel.lose(reason);
    this.#connection.close();
  }
}

function shapeOf({ spec }: ChannelSpec): {
  numPartitions: number;
  replicationFactor: number;
  retentionMs: number;
} {
  const { numPartitions = 1, replicationFactor = 1, retentionDuration = 'PT168H' } = spec;
  const retentionMs = parseIsoDuration(String(retentionDuration));
  if (!isCount(numPartitions, 2 ** 31 - 1)) throw invalid('spec.numPartitions', 'a whole number from 1 on');
  if (!isCount(replicationFactor, 32_767)) throw invalid('spec.replicationFactor', 'from 1 to 32767');
  if (retentionMs === undefined) throw invalid('spec.retentionDuration', 'an ISO 8601 duration');
  return { numPartitions, replicationFactor, retentionMs };
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max;
}

function invalid(field: string, expected: string): PlatformError {
  return new PlatformError('CHANNEL_SPEC_INVALID', `${field}: has to be ${expected}`, { retryable: false });
}

function taken(topic: string): PlatformError {
  const message =
    `topic ${topic} is there, and was not made for this channel; to use it as it is, annotate the channel with ` +
    `messaging.millrace.dev/external-name: ${topic} (or kafka.eventing.knative.dev/external.topic)`;
  return new PlatformError('CHANNEL_NAME_TAKEN', message, { retryable: true });
}
