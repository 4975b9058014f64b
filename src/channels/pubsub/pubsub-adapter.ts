import { randomBytes } from 'node:crypto';
import { PlatformError } from '../../base/errors.ts';
import { Link } from '../../clients/pubsub/link.ts';
import { readSettings, requireDefaultCredentials } from '../../clients/pubsub/settings.ts';
import type { Backend, BackendAdapter, BackendTools, BackedChannel, ChannelSpec } from '../backend.ts';
import { GroupStore } from './group-store.ts';
import { Names } from './names.ts';
import { PubsubChannel } from './pubsub-channel.ts';

/** Channels in topics of Google Pub/Sub. */
export const pubsubAdapter: BackendAdapter = {
  kind: 'PubSubChannel',
  configMap: 'pubsub-channel-config',
  async connect(settings, tools) {
    const read = readSettings(settings, process.env);
    if (read.access.kind === 'default') await requireDefaultCredentials(process.env);
    return new PubsubBackend(await Link.open(read, tools.clock), tools);
  },
};

class PubsubBackend implements Backend {
  readonly lost: AbortSignal;
  readonly #link: Link;
  readonly #tools: BackendTools;
  readonly #channels = new Set<BackedChannel>();
  #closed: Promise<void> | undefined;

  constructor(link: Link, tools: BackendTools) {
    this.lost = link.lost;
    this.#link = link;
    this.#tools = tools;
  }

  async open(spec: ChannelSpec): Promise<BackedChannel> {
    if (this.#closed !== undefined)
      throw new PlatformError('CHANNEL_CLOSED', 'the connection is closed', { retryable: true });
    const { clock, graceMs } = this.#tools;
    const link = this.#link;
    const names = new Names(link.project, spec);
    const groups = new GroupStore(link, names, spec);
    await groups.makeChannel();
    const instance = randomBytes(6).toString('base64url');
    const hasOrdered = await groups.hasOrdered();
    const onClose = (): void => void this.#channels.delete(channel);
    const kept = { names, groups, spec, instance, hasOrdered };
    const channel = new PubsubChannel({ link, clock, ...kept, graceMs, onClose });
    this.#channels.add(channel);
    return channel;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#end());
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#channels].map((channel) => channel.close()));
    await this.#link.close();
  }
}
