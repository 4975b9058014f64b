import { isFalse, isTrue, type Mark } from '../apis/conditions.ts';
import { EVENT_SOURCE_CONDITIONS, type EventSource } from '../apis/legacy/feeds/event-source.ts';
import { EVENT_TYPE, EVENT_TYPE_CONDITIONS, type EventType } from '../apis/legacy/feeds/event-type.ts';
import { FEED, type Feed } from '../apis/legacy/feeds/feed.ts';
import { keyOf } from '../apis/resource.ts';
import { settled, type Reconciler } from '../control/reconciler.ts';
import type { KindName, ResourceClient } from '../control/resource-client.ts';
import { PlatformError } from '../base/errors.ts';
import { NO_FEEDLETS, originOfSource, originOfType } from './feed-origin.ts';

/** An EventSource or its cluster-wide twin: it says whether its events can be fed here. */
export function eventSourceReconciler(kind: KindName): Reconciler<EventSource> {
  return {
    kind,
    conditions: EVENT_SOURCE_CONDITIONS,
    async reconcile(source) {
      const isKnown = originOfSource(source) !== undefined;
      return settled({}, isKnown ? isTrue('Complete') : isFalse('Complete', 'FeedletsNotRun', NO_FEEDLETS));
    },
  };
}

/** An EventType or its cluster-wide twin; it stays for as long as Feeds use it, as it did then. */
export function eventTypeReconciler(cluster: ResourceClient, kind: KindName): Reconciler<EventType> {
  return {
    kind,
    conditions: EVENT_TYPE_CONDITIONS,
    finalizer: `${kind.kind.toLowerCase()}s.feeds.knative.dev`,
    async reconcile(type) {
      const found = await originOfType(cluster, type, type.metadata.namespace);
      const complete =
        found.kind === 'found' ? isTrue('Complete') : isFalse('Complete', found.reason, found.message);
      return settled({}, complete, await inUse(cluster, type));
    },
    async finalize(type) {
      const users = await usersOf(cluster, type);
      if (users.length === 0) return [];
      throw new PlatformError('DELETION_DELAYED', `Still in use by the Feeds: ${users.join(', ')}`, {
        retryable: true,
      });
    },
  };
}

async function inUse(cluster: ResourceClient, type: EventType): Promise<Mark> {
  const users = await usersOf(cluster, type);
  const severity = { severity: 'Info' } as const;
  return users.length === 0
    ? { type: 'InUse', status: 'False', ...severity }
    : { type: 'InUse', status: 'True', ...severity, message: `In use by the Feeds: ${users.join(', ')}` };
}

async function usersOf(cluster: ResourceClient, { kind, metadata }: EventType): Promise<string[]> {
  const isLocal = kind === EVENT_TYPE.kind;
  const { items } = await cluster.list<Feed>(FEED, metadata.namespace);
  const field = isLocal ? 'eventType' : 'clusterEventType';
  const users = items.filter(({ spec }) => spec?.trigger?.[field] === metadata.name);
  return users.map((feed) => (isLocal ? feed.metadata.name : keyOf(feed)));
}
