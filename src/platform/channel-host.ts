import { keyOf } from '../apis/resource.ts';
import type { BackingChannel } from '../apis/duck.ts';
import type { Clock } from '../base/clock.ts';
import type { Channel, DeadLetterStore } from '../channels/channel.ts';
import type { ChannelHost, Served } from '../channels/control/backing-reconciler.ts';
import type { Door } from '../channels/ingress/ingress.ts';
import type { LogStore } from '../channels/log/log-store.ts';
import { MemoryChannel } from '../channels/memory/memory-channel.ts';
import type { Dispatcher } from '../dispatcher/dispatcher.ts';
import { planDelivery } from '../subscriptions/delivery-plan.ts';

export type OpenChannel = {
  readonly key: string;
  readonly uid: string;
  readonly channel: Channel & DeadLetterStore;
};

export type ChannelHostOptions = {
  readonly store: LogStore;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly graceMs: number;
  readonly urlOf: (namespace: string, name: string) => string;
};

const MEMORY_BOUNDS = { owedMax: 100_000, owedBytesMax: 256 * 1024 * 1024, deadLettersMax: 1000 };

/** The channels of this platform by object: opened when their object appears, served by their plans. */
export class Channels implements ChannelHost {
  readonly #options: ChannelHostOptions;
  readonly #open = new Map<string, OpenChannel>(); // by uid
  readonly #doors = new Map<string, Door>(); // by namespace/name

  constructor(options: ChannelHostOptions) {
    this.#options = options;
  }

  door(namespace: string, name: string): Door | undefined {
    return this.#doors.get(`${namespace}/${name}`);
  }

  all(): readonly OpenChannel[] {
    return [...this.#open.values()];
  }

  async serve(object: BackingChannel): ReturnType<ChannelHost['serve']> {
    const { dispatcher, urlOf } = this.#options;
    const { namespace = '', name } = object.metadata;
    const { key, channel } = await this.#openFor(object);
    this.#doors.set(keyOf(object), { key, channel });
    const planned = (object.spec?.subscribers ?? []).map((entry) => planDelivery(object, entry));
    const results = await dispatcher.serve(key, channel, planned);
    const subscribers: Served[] = [];
    const forgotten: { name: string; events: number }[] = [];
    for (const served of results) {
      if (served.kind === 'gone')
        forgotten.push({ name: served.name, events: await dispatcher.forget(key, served.group) });
      else if (served.kind === 'serving') subscribers.push({ uid: served.group, isReady: true });
      else subscribers.push({ uid: served.group, isReady: false, message: served.reason });
    }
    return { url: urlOf(namespace, name), subscribers, forgotten };
  }

  async remove(object: BackingChannel): Promise<number> {
    const { store, dispatcher } = this.#options;
    const { key, uid, channel } = await this.#openFor(object);
    this.#doors.delete(keyOf(object));
    this.#open.delete(uid);
    dispatcher.leave(key);
    if (object.kind === 'LogChannel') return store.removeChannel(uid, key);
    const owed = (await channel.backlog()).reduce((sum, { events }) => sum + events, 0);
    await channel.close();
    return owed;
  }

  async close(): Promise<void> {
    this.#doors.clear();
    await Promise.all(this.all().map(({ channel }) => channel.close()));
  }

  async #openFor(object: BackingChannel): Promise<OpenChannel> {
    const { store, clock, graceMs } = this.#options;
    const uid = object.metadata.uid ?? '';
    const known = this.#open.get(uid);
    if (known !== undefined) return known;
    const key = `${object.kind}/${keyOf(object)}`;
    const channel =
      object.kind === 'LogChannel'
        ? await store.channel(key, uid)
        : new MemoryChannel({ ...MEMORY_BOUNDS, clock, graceMs });
    const opened = { key, uid, channel };
    this.#open.set(uid, opened);
    return opened;
  }
}
