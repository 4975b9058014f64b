import { keyOf, type Resource } from '../apis/resource.ts';
import type { BackingChannel } from '../apis/duck.ts';
import type { Clock } from '../base/clock.ts';
import { PlatformError } from '../base/errors.ts';
import { within } from '../base/within.ts';
import type { Claim } from '../channels/backend.ts';
import type { Channel, DeadLetterStore } from '../channels/channel.ts';
import type { ChannelHost, Served } from '../channels/control/backing-reconciler.ts';
import type { Door } from '../channels/ingress/ingress.ts';
import type { LogStore } from '../channels/log/log-store.ts';
import { MemoryChannel } from '../channels/memory/memory-channel.ts';
import { ProgressWatch } from '../channels/progress-watch.ts';
import type { SupervisedChannel } from '../channels/supervised/supervised-channel.ts';
import type { Dispatcher, Served as Dispatched } from '../dispatcher/dispatcher.ts';
import type { Informers } from '../control/informer.ts';
import { planDelivery } from '../subscriptions/delivery-plan.ts';
import { onSignal, publishSignal } from '../telemetry/signals.ts';
import { BACKING_KINDS } from './adapters.ts';
import { Backends, externalNameOf } from './backends.ts';

export type OpenChannel = {
  readonly key: string;
  readonly uid: string;
  readonly channel: Channel & DeadLetterStore;
};

type Opened = OpenChannel & { readonly object: BackingChannel; readonly supervised?: SupervisedChannel };

export type ChannelHostOptions = {
  readonly store: LogStore;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly graceMs: number;
  readonly urlOf: (namespace: string, name: string) => string;
};

const MEMORY_BOUNDS = { owedMax: 100_000, owedBytesMax: 256 * 1024 * 1024, deadLettersMax: 1000 };
/** A pass waits so long for a broker's first answer; what comes later starts a pass of its own. */
const OPEN_WAIT_MS = 5000;
const PROGRESS_EVERY_MS = 10_000;

/** The channels of this platform by object: opened when their object appears, served by their plans. */
export class Channels implements ChannelHost {
  readonly #options: ChannelHostOptions;
  readonly #backends: Backends;
  readonly #open = new Map<string, Opened>(); // by uid
  readonly #doors = new Map<string, Door & { readonly uid: string }>(); // by namespace/name
  readonly #watches = new Map<string, ProgressWatch>(); // by key
  readonly #stalled = new Map<string, ReadonlyMap<string, string>>(); // by key, then group
  readonly #stop = new AbortController();
  readonly #unheard: () => void;
  #onChange: (object: BackingChannel) => void = () => undefined;
  /** Whether there is an object of that key, open or not; until they are read, there may be one of any. */
  #isThere: (key: string) => boolean = () => true;

  constructor(options: ChannelHostOptions) {
    this.#options = options;
    const { clock, graceMs } = options;
    this.#backends = new Backends({ clock, random: Math.random, graceMs }, (object) =>
      this.#onChange(object),
    );
    this.#unheard = onSignal('dispatcher.attempted', ({ channel, group }) =>
      this.#watches.get(channel)?.ended(group),
    );
  }

  /** Where brokers are is read from these; `onChange` is told of an object whose channel stands otherwise than before. */
  follow(informers: Informers, onChange: (object: BackingChannel) => void): void {
    this.#onChange = onChange;
    this.#backends.follow(informers);
    void this.#watchProgress();
    const all = BACKING_KINDS.map((kind) => informers.of(kind));
    void Promise.all(all.map(({ synced }) => synced)).then(() => {
      const stays = (object: Resource | undefined): boolean =>
        object !== undefined && object.metadata.deletionTimestamp === undefined;
      this.#isThere = (key) => all.some((informer) => stays(informer.get(key)));
    });
  }

  /** `opening`: its object is there, or may be, and it answers in a moment. */
  door(namespace: string, name: string): Door | 'opening' | undefined {
    const key = `${namespace}/${name}`;
    return this.#doors.get(key) ?? (this.#isThere(key) ? 'opening' : undefined);
  }

  all(): readonly OpenChannel[] {
    return [...this.#open.values()];
  }

  async serve(object: BackingChannel, claim: Claim): ReturnType<ChannelHost['serve']> {
    const { dispatcher, urlOf } = this.#options;
    const { namespace = '', name, uid = '' } = object.metadata;
    const { key, channel, supervised } = await this.#openFor(object, claim);
    const other = this.#doors.get(keyOf(object));
    if (other !== undefined && other.uid !== uid) return { ...taken(object, other.key), forgotten: [] };
    this.#doors.set(keyOf(object), { key, channel, uid });
    if (supervised !== undefined) await opened(supervised);
    const planned = (object.spec?.subscribers ?? []).map((entry) => planDelivery(object, entry));
    const results = await dispatcher.serve(key, channel, planned);
    const fault = supervised?.fault;
    const subscribers = results.flatMap((served) => this.#statedOf(served, key, supervised));
    const forgotten = fault === undefined ? await this.#forget(key, results) : [];
    return { url: urlOf(namespace, name), subscribers, forgotten, ...(fault !== undefined && { fault }) };
  }

  async remove(object: BackingChannel, claim: Claim): Promise<number> {
    const { store, dispatcher } = this.#options;
    const { key, uid, channel, supervised } = await this.#openFor(object, claim);
    if (this.#doors.get(keyOf(object))?.uid === uid) this.#doors.delete(keyOf(object));
    dispatcher.leave(key);
    const owed = await this.#remove(
      object,
      { key, uid, channel, ...(supervised && { supervised }) },
      claim,
      store,
    );
    for (const { uid: group, name } of object.spec?.subscribers ?? [])
      this.#tellForgot(key, group, name ?? group);
    this.#open.delete(uid);
    this.#watches.delete(key);
    this.#stalled.delete(key);
    this.#backends.forget(uid);
    return owed;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#unheard();
    this.#doors.clear();
    await Promise.all(this.all().map(({ channel }) => channel.close()));
    await this.#backends.close();
  }

  async #remove(
    object: BackingChannel,
    { key, uid, channel, supervised }: Omit<Opened, 'object'>,
    claim: Claim,
    store: LogStore,
  ): Promise<number> {
    if (object.kind === 'LogChannel') return store.removeChannel(uid, key);
    if (supervised !== undefined) {
      await opened(supervised);
      const isExternal = externalNameOf(object) !== undefined;
      if (claim.isOurs || isExternal) return supervised.remove();
      await supervised.close(); // nothing was made
      return 0;
    }
    const owed = (await channel.backlog()).reduce((sum, { events }) => sum + events, 0);
    await channel.close();
    return owed;
  }

  async #openFor(object: BackingChannel, claim: Claim): Promise<Opened> {
    const { store, clock, graceMs } = this.#options;
    const uid = object.metadata.uid ?? '';
    const key = `${object.kind}/${keyOf(object)}`;
    const kind = Backends.kindOf(object);
    const known = this.#open.get(uid);
    if (known !== undefined && kind === undefined) return known;
    const supervised = kind && this.#backends.channelFor(object, kind, claim);
    const channel =
      supervised ??
      (object.kind === 'LogChannel'
        ? await store.channel(key, uid)
        : new MemoryChannel({ ...MEMORY_BOUNDS, key, clock, graceMs }));
    const opened = { object, key, uid, channel, ...(supervised !== undefined && { supervised }) };
    this.#open.set(uid, opened);
    if (!this.#watches.has(key)) this.#watches.set(key, new ProgressWatch());
    return opened;
  }

  #statedOf(served: Dispatched, key: string, supervised: SupervisedChannel | undefined): Served[] {
    if (served.kind === 'gone') return [];
    const { group: uid } = served;
    const fault = supervised?.fault ?? supervised?.groupFault(uid);
    const message =
      fault?.message ??
      (served.kind === 'waiting' ? served.reason : undefined) ??
      this.#stalled.get(key)?.get(uid);
    return [message === undefined ? { uid, isReady: true } : { uid, isReady: false, message }];
  }

  async #forget(key: string, results: readonly Dispatched[]): Promise<{ name: string; events: number }[]> {
    const forgotten: { name: string; events: number }[] = [];
    for (const served of results) {
      if (served.kind !== 'gone') continue;
      const events = await this.#options.dispatcher.forget(key, served.group);
      this.#watches.get(key)?.forget(served.group);
      forgotten.push({ name: served.name, events });
      this.#tellForgot(key, served.group, served.name);
    }
    return forgotten;
  }

  #tellForgot(channel: string, group: string, name: string): void {
    const [, namespace] = channel.split('/');
    const subscription = `${namespace}/${name}`; // always in the namespace of its channel
    publishSignal('channel.forgot', { atMs: this.#options.clock.nowMs(), channel, group, subscription });
  }

  async #watchProgress(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      await clock.until(clock.nowMs() + PROGRESS_EVERY_MS, this.#stop.signal);
      for (const opened of this.#open.values()) await this.#lookAt(opened);
    }
  }

  async #lookAt({ key, channel, object }: Opened): Promise<void> {
    const watch = this.#watches.get(key);
    const backlogs = await channel.backlog().catch(() => undefined); // what is not open is told otherwise
    if (watch === undefined || backlogs === undefined) return;
    const stalled = watch.stalled(backlogs, this.#options.clock.nowMs());
    const before = this.#stalled.get(key);
    this.#stalled.set(key, stalled);
    const isOther = [...stalled.keys()].join() !== [...(before?.keys() ?? [])].join();
    if (isOther) this.#onChange(object);
  }
}

function taken(
  object: BackingChannel,
  by: string,
): Omit<Awaited<ReturnType<ChannelHost['serve']>>, 'forgotten'> {
  const message = `${by} answers at the address of ${keyOf(object)} already; give one of them another name`;
  const fault = new PlatformError('CHANNEL_ADDRESS_TAKEN', message, { retryable: true });
  const uids = (object.spec?.subscribers ?? []).map(({ uid }) => uid);
  return { url: undefined, fault, subscribers: uids.map((uid) => ({ uid, isReady: false, message })) };
}

/** It goes on being opened; then a change is told. */
async function opened({ tried }: SupervisedChannel): Promise<void> {
  await within(OPEN_WAIT_MS, tried, () => new Error('not yet')).catch(() => undefined);
}
