import { PlatformError } from '../base/errors.ts';
import type { DeliverySpec } from '../apis/duck.ts';
import type { Channel } from '../channels/channel.ts';
import type { CloudEvent } from '../events/event.ts';
import type { EventSink } from '../events/sink.ts';
import { planDelivery } from '../subscriptions/delivery-plan.ts';
import type { OpenChannel } from './channel-host.ts';
import type { DataPlane } from './data-plane.ts';
import { ownChannelAt } from './own-channel.ts';
import type { Stores } from './stores.ts';

/** A source that cannot be asked again: what it has answered 202 for has to be kept here. */
export type Pushed = {
  readonly key: string; // namespace/name
  readonly uid: string;
  readonly sinkUrl: string | undefined;
};

/**
 * Where pushed events go. A durable channel of ours takes the event itself, so that the sender learns what its broker
 * does not take; for any other sink, and while a broker is away, it is kept in an outbox of the source's own: the same
 * log and the same retries as for a subscription, with the sink as the one subscriber.
 */
export class Outboxes {
  readonly #events: Stores['events'];
  readonly #plane: DataPlane;
  readonly #open = new Map<string, OpenChannel & { readonly sinkUrl: string }>(); // by the uid of the source

  constructor({ events }: Stores, plane: DataPlane) {
    this.#events = events;
    this.#plane = plane;
  }

  /** Those that have been used: what was given up is readable there. */
  all(): readonly OpenChannel[] {
    return [...this.#open.values()];
  }

  sinkFor(source: Pushed): EventSink {
    return {
      send: async (event) => {
        const door = ownChannelAt(source.sinkUrl, this.#plane);
        const durable = door?.key.startsWith('InMemoryChannel/') === true ? undefined : door?.channel;
        const isKept = durable !== undefined && (await isTaken(durable, event));
        if (!isKept) await (await this.#outboxOf(source)).publish(event);
      },
    };
  }

  /** What is owed to sinks since the last run goes on being delivered. */
  async reopen(sources: readonly Pushed[]): Promise<void> {
    for (const source of sources)
      if (source.sinkUrl !== undefined && (await this.#events.hasChannel(`outbox-${source.uid}`)))
        await this.#outboxOf(source);
  }

  /** What an open outbox still owes goes to the sink that the source has now. */
  async follow(source: Pushed): Promise<void> {
    const before = this.#open.get(source.uid)?.sinkUrl;
    if (before !== undefined && source.sinkUrl !== undefined && source.sinkUrl !== before)
      await this.#outboxOf(source);
  }

  /** Gives up what it owed, and says how much that was. */
  async remove({ key, uid }: Pick<Pushed, 'key' | 'uid'>): Promise<number> {
    this.#open.delete(uid);
    if (!(await this.#events.hasChannel(`outbox-${uid}`))) return 0; // it was never needed
    this.#plane.dispatcher.leave(`Outbox/${key}`);
    return this.#events.removeChannel(`outbox-${uid}`, `Outbox/${key}`);
  }

  async #outboxOf({ key, uid, sinkUrl = '' }: Pushed): Promise<Channel> {
    const outbox = `Outbox/${key}`;
    const channel = await this.#events.channel(outbox, `outbox-${uid}`);
    if (this.#open.get(uid)?.sinkUrl === sinkUrl) return channel;
    this.#open.set(uid, { key: outbox, uid, channel, sinkUrl });
    const [namespace = '', name = ''] = key.split('/');
    const object = {
      apiVersion: 'platform.millrace.dev/v1alpha1',
      kind: 'Outbox',
      metadata: { namespace, name },
    };
    await this.#plane.dispatcher.serve(outbox, channel, [
      planDelivery(object, { uid, name, subscriberUri: sinkUrl, delivery: PATIENT }),
    ]);
    return channel;
  }
}

/** A sink that is away is tried for years: it was promised to the sender. What it refuses for good is a dead letter. */
const PATIENT: DeliverySpec = {
  retry: 10_000_000,
  backoffPolicy: 'exponential',
  backoffDelay: 'PT0.2S',
  backoffMax: 'PT30S',
};

/** False when the broker behind the channel is away; any other refusal is the sender's to hear. */
async function isTaken(channel: Channel, event: CloudEvent): Promise<boolean> {
  try {
    await channel.publish(event);
    return true;
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'CHANNEL_LOST') return false;
    throw error;
  }
}
