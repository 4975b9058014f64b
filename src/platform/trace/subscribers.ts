import type { BackingChannel, Condition } from '../../apis/duck.ts';
import type { Channel } from '../../apis/messaging/channel/schema.ts';
import type { Subscription } from '../../apis/messaging/subscription/schema.ts';
import { groupOf } from '../../apis/registry.ts';
import type { Resource } from '../../apis/resource.ts';
import type { SqliteStore } from '../../apiserver/storage/sqlite-store.ts';
import { ANNOTATIONS } from '../../subscriptions/annotations.ts';
import { BACKING_KINDS } from '../adapters.ts';
import type { Subscriber } from './passed-over.ts';

const MESSAGING = 'messaging.knative.dev';

/** Who is subscribed to a channel, by its key `kind/namespace/name`: by Subscriptions, and by entries of other controllers. */
export function subscribersOf(store: SqliteStore, channel: string): readonly Subscriber[] {
  const [, namespace = ''] = channel.split('/');
  const { items } = store.list({ group: MESSAGING, kind: 'Subscription', namespace });
  const own = (items as readonly Subscription[]).filter((each) => backingKeyOf(store, each) === channel);
  const known = new Set(own.map(({ metadata }) => metadata.uid));
  const foreign = entriesOf(store, channel).filter(({ group }) => !known.has(group));
  return [...own.map(bySubscription), ...foreign];
}

/** A Channel only names the one that keeps the events. */
function backingKeyOf(store: SqliteStore, { spec, metadata }: Subscription): string | undefined {
  const { namespace } = metadata;
  const { kind, name } = spec.channel;
  if (kind !== 'Channel' || !(spec.channel.apiVersion ?? MESSAGING).startsWith(MESSAGING))
    return `${kind}/${namespace}/${name}`;
  const found = store.find({ group: MESSAGING, kind, namespace, name }) as Channel | undefined;
  const backing = found?.status?.channel;
  return backing && `${backing.kind}/${namespace}/${backing.name}`;
}

function bySubscription({ metadata, status }: Subscription): Subscriber {
  const conditions = status?.conditions ?? [];
  const ready = conditions.find(({ type }) => type === 'ChannelReady');
  const isReady = ready?.status === 'True';
  return {
    group: metadata.uid ?? '',
    subscription: `${metadata.namespace}/${metadata.name}`,
    madeMs: timeOf(metadata.creationTimestamp),
    readySinceMs: isReady ? timeOf(ready.lastTransitionTime) : undefined,
    notReady: isReady ? undefined : whyNot(conditions),
    beginsEarlier: (metadata.annotations?.[ANNOTATIONS.start] ?? 'latest') !== 'latest',
  };
}

/** The step that is missing says more than the whole. */
function whyNot(conditions: readonly Condition[]): string | undefined {
  const missing = conditions.filter(({ status, type }) => status !== 'True' && type !== 'Ready');
  const { reason, message } = missing.find(({ status }) => status === 'False') ?? missing[0] ?? {};
  return message || reason || undefined;
}

function entriesOf(store: SqliteStore, channel: string): readonly Subscriber[] {
  const [kind = '', namespace = '', name = ''] = channel.split('/');
  const found = BACKING_KINDS.filter((each) => each.kind === kind)
    .map(({ apiVersion }) => store.find({ group: groupOf(apiVersion), kind, namespace, name }))
    .find((each): each is Resource => each !== undefined) as BackingChannel | undefined;
  return (found?.spec?.subscribers ?? []).map((entry) => {
    const mark = found?.status?.subscribers?.find(({ uid }) => uid === entry.uid);
    const isReady = mark?.ready === 'True';
    return {
      group: entry.uid,
      subscription: `${entry.namespace ?? namespace}/${entry.name ?? entry.uid}`,
      madeMs: undefined,
      readySinceMs: undefined,
      notReady: isReady ? 'it was not when the event came' : mark?.message,
      beginsEarlier: false,
    };
  });
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}
