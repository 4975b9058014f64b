import { randomUUID } from 'node:crypto';
import { PlatformError } from '../../base/errors.ts';
import type { BackedChannel, Backend, BackendAdapter, BackendTools, ChannelSpec } from '../backend.ts';
import { DeadLetterReader } from './dead-letters.ts';
import { sequence } from './figures.ts';
import { Link } from '../../clients/rabbitmq/link.ts';
import { exchangeNameOf, NAME_MAX } from './names.ts';
import { RabbitmqChannel } from './rabbitmq-channel.ts';
import { parseSettings, type Address } from '../../clients/rabbitmq/settings.ts';
import { Topology } from './topology.ts';
import { refusal } from '../../clients/rabbitmq/within.ts';

/** Channels in RabbitMQ 3.10 or newer: an exchange a channel, quorum queues a group. */
export const rabbitmqAdapter: BackendAdapter = {
  kind: 'RabbitmqChannel',
  configMap: 'rabbitmq-channel-config',
  async connect(settings, tools) {
    const address = parseSettings(settings);
    const { connect } = await import('amqplib');
    return new RabbitmqBackend(await Link.open(address, connect), address, tools);
  },
};

class RabbitmqBackend implements Backend {
  readonly #link: Link;
  readonly #address: Address;
  readonly #tools: BackendTools;
  readonly #newSeq: () => number;
  readonly #deadLetters: DeadLetterReader;
  readonly #open = new Set<RabbitmqChannel>();
  #closing: Promise<void> | undefined;

  constructor(link: Link, address: Address, tools: BackendTools) {
    this.#link = link;
    this.#address = address;
    this.#tools = tools;
    this.#newSeq = sequence(() => tools.clock.nowMs(), tools.random);
    this.#deadLetters = new DeadLetterReader(link, tools.clock);
  }

  get lost(): AbortSignal {
    return this.#link.lost;
  }

  async open(spec: ChannelSpec): Promise<BackedChannel> {
    if (this.#link.lost.aborted) throw this.#link.lost.reason;
    const exchange = spec.externalName ?? spec.ownName ?? exchangeNameOf(spec);
    refuseName(exchange, spec.externalName !== undefined);
    const topology = new Topology(this.#link);
    try {
      await claimExchange(topology, exchange, spec);
    } catch (error) {
      await topology.close();
      throw refusal(`exchange ${exchange}`, error);
    }
    const { clock, graceMs } = this.#tools;
    const { namespace, name } = spec;
    const reader = {
      prefix: this.#address.attributePrefix,
      from: { namespace, name, queue: exchange },
      newId: () => randomUUID(),
      newSeq: this.#newSeq,
      nowMs: () => clock.nowMs(),
    };
    const tools = { link: this.#link, clock, graceMs, reader, deadLetters: this.#deadLetters };
    const channel = new RabbitmqChannel(tools, spec, exchange, topology);
    this.#open.add(channel);
    return channel;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    await Promise.all(this.#open.values().map((channel) => channel.close()));
    await this.#link.close();
  }
}

/** AMQP 0-9-1, 3.1.3: names beginning with `amq.` are the broker's own; the one without a name routes to queues. */
function refuseName(exchange: string, isExternal: boolean): void {
  const isFit = exchange !== '' && Buffer.byteLength(exchange) <= NAME_MAX;
  if (isFit && (isExternal || !exchange.startsWith('amq.'))) return;
  const message = `${JSON.stringify(exchange)} cannot be the exchange of a channel: 1 to ${NAME_MAX} bytes, not beginning with amq.`;
  throw new PlatformError('CHANNEL_SPEC_INVALID', message, { retryable: false });
}

/** An exchange of that name is ours by the claim, or somebody else's, which is used only when it is named. */
async function claimExchange(
  topology: Topology,
  exchange: string,
  { externalName, claim }: ChannelSpec,
): Promise<void> {
  if (externalName === undefined && claim.isOurs) return void (await topology.makeExchange(exchange));
  const isThere = await topology.hasExchange(exchange);
  if (externalName !== undefined) {
    if (isThere) return;
    throw new PlatformError(
      'CHANNEL_NOT_FOUND',
      `there is no exchange ${exchange}, which the channel names`,
      {
        retryable: true,
      },
    );
  }
  if (isThere) {
    const message = `an exchange ${exchange} is there, and was not made for this channel: name it in annotation messaging.millrace.dev/external-name to use it, or delete it`;
    throw new PlatformError('CHANNEL_NAME_TAKEN', message, { retryable: true });
  }
  await claim.make();
  await topology.makeExchange(exchange);
}
