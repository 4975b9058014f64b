import { BUS, CLUSTER_BUS } from '../apis/legacy/channels/bus.ts';
import { BUS_CHANNEL } from '../apis/legacy/channels/channel.ts';
import { BUS_SUBSCRIPTION } from '../apis/legacy/channels/subscription.ts';
import { CLUSTER_CHANNEL_PROVISIONER } from '../apis/legacy/eventing/cluster-channel-provisioner.ts';
import { CLUSTER_EVENT_SOURCE, EVENT_SOURCE } from '../apis/legacy/feeds/event-source.ts';
import { CLUSTER_EVENT_TYPE, EVENT_TYPE } from '../apis/legacy/feeds/event-type.ts';
import { FEED } from '../apis/legacy/feeds/feed.ts';
import { keyOf, type Resource } from '../apis/resource.ts';
import { KINDS } from '../apis/serving/types.ts';
import type { Watch } from '../control/controller.ts';
import type { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { Informers } from '../control/informer.ts';
import type { Reconciler } from '../control/reconciler.ts';
import type { KindName } from '../control/resource-client.ts';
import { busChannelReconciler } from '../legacy/bus-channel-reconciler.ts';
import { busReconciler, provisionerReconciler } from '../legacy/bus-reconciler.ts';
import { busSubscriptionReconciler } from '../legacy/bus-subscription-reconciler.ts';
import { channelSubscriptionReconciler } from '../legacy/channel-subscription-reconciler.ts';
import { eventSourceReconciler, eventTypeReconciler } from '../legacy/event-type-reconciler.ts';
import { feedReconciler } from '../legacy/feed-reconciler.ts';
import { GITHUB_SOURCE, KUBERNETES_SOURCE, PUBSUB_SOURCE } from '../legacy/feed-sources.ts';
import { flowReconciler } from '../legacy/flow-reconciler.ts';
import { CHANNEL, SUBSCRIPTION } from '../legacy/names-of-then.ts';
import { provisionedChannelReconciler } from '../legacy/provisioned-channel-reconciler.ts';
import {
  CONTAINER_SOURCE,
  containerSourceReconciler,
  gcpPubSubSourceReconciler,
  gitHubSourceReconciler,
} from '../legacy/source-reconcilers.ts';
import type { StartOne } from './controllers.ts';

const SECRET = { apiVersion: 'v1', kind: 'Secret' };
/** Whom a DNS name or a reference of then can mean. */
const TARGETS: readonly KindName[] = [
  KINDS.service,
  KINDS.route,
  { apiVersion: 'v1', kind: 'Service' },
  CHANNEL,
];

/** Starts the translators of the kinds of 2018, each with what makes it look again. */
export function legacyControllers(cluster: EmbeddedClient, informers: Informers): (start: StartOne) => void {
  return (startOne) => {
    const start = <R extends Resource>(reconciler: Reconciler<R>, looks: Looks = {}): void => {
      startOne(cluster, reconciler, watchesOf(informers, reconciler.kind, looks));
    };
    for (const kind of [BUS, CLUSTER_BUS]) start(busReconciler(cluster, kind));
    start(provisionerReconciler(cluster));
    start(busChannelReconciler(cluster), { at: [CHANNEL], named: [BUS, CLUSTER_BUS] });
    start(provisionedChannelReconciler(cluster), { at: [CHANNEL], named: [CLUSTER_CHANNEL_PROVISIONER] });
    start(busSubscriptionReconciler(cluster), {
      at: [SUBSCRIPTION],
      named: [...TARGETS, BUS_CHANNEL],
      any: [BUS, CLUSTER_BUS],
    });
    start(channelSubscriptionReconciler(cluster), { at: [SUBSCRIPTION], named: TARGETS });
    for (const kind of [EVENT_SOURCE, CLUSTER_EVENT_SOURCE]) start(eventSourceReconciler(kind));
    for (const kind of [EVENT_TYPE, CLUSTER_EVENT_TYPE])
      start(eventTypeReconciler(cluster, kind), { any: [FEED, EVENT_SOURCE, CLUSTER_EVENT_SOURCE] });
    start(feedReconciler(cluster), {
      at: [GITHUB_SOURCE, KUBERNETES_SOURCE, PUBSUB_SOURCE],
      named: [...TARGETS, BUS_CHANNEL, SECRET, EVENT_TYPE, CLUSTER_EVENT_TYPE],
      any: [EVENT_SOURCE, CLUSTER_EVENT_SOURCE],
    });
    start(flowReconciler(cluster), { at: [BUS_CHANNEL, BUS_SUBSCRIPTION, FEED], named: TARGETS });
    start(gitHubSourceReconciler(cluster), { at: [GITHUB_SOURCE] });
    start(gcpPubSubSourceReconciler(cluster), { at: [PUBSUB_SOURCE] });
    start(containerSourceReconciler(cluster), { at: [CONTAINER_SOURCE], named: TARGETS });
  };
}

/** Which changes concern an object: of what has its name, of what its spec names, of anything of a kind. */
type Looks = {
  readonly at?: readonly KindName[];
  readonly named?: readonly KindName[];
  readonly any?: readonly KindName[];
};

/** Objects of 2018 are few: to look through all of them at each change costs next to nothing. */
function watchesOf(informers: Informers, own: KindName, { at = [], named = [], any = [] }: Looks): Watch[] {
  const all = informers.of(own);
  const keys = (isMeant: (object: Resource) => boolean): readonly string[] =>
    all.all().filter(isMeant).map(keyOf);
  // A translation has the name of what it translates, and what a translation owns says that name.
  const ownersOf = ({ metadata: { ownerReferences = [], namespace } }: Resource): readonly string[] =>
    ownerReferences.map(({ name }) => `${namespace}/${name}`).filter((key) => all.get(key) !== undefined);
  return [
    ...at.map((kind) => ({
      kind,
      concerns: (changed: Resource) => (all.get(keyOf(changed)) === undefined ? [] : [keyOf(changed)]),
    })),
    ...named.map((kind) => ({
      kind,
      concerns: (changed: Resource) => [
        ...keys((object) =>
          JSON.stringify(Reflect.get(object, 'spec') ?? {}).includes(changed.metadata.name),
        ),
        ...ownersOf(changed),
      ],
    })),
    ...any.map((kind) => ({ kind, concerns: () => keys(() => true) })),
  ];
}
