import { isFalse, isTrue, isUnknown } from '../apis/conditions.ts';
import { BUS_CHANNEL, type BusChannel } from '../apis/legacy/channels/channel.ts';
import { BUS_SUBSCRIPTION } from '../apis/legacy/channels/subscription.ts';
import { FEED } from '../apis/legacy/feeds/feed.ts';
import { FLOW, FLOW_CONDITIONS, type Flow } from '../apis/legacy/flows/flow.ts';
import type { Resource } from '../apis/resource.ts';
import { resolveDestination } from '../control/destination-resolver.ts';
import { settled, waitingFor, type Reconciler } from '../control/reconciler.ts';
import type { ResourceClient } from '../control/resource-client.ts';
import { channelHost, referenceNow } from './names-of-then.ts';
import { mirrored, translate } from './translation.ts';

type ConfigMap = Resource & { readonly data?: Readonly<Record<string, string>> };

/** A Flow becomes a Channel, a Subscription and a Feed of its time, all of its name, which are translated in turn. */
export function flowReconciler(cluster: ResourceClient): Reconciler<Flow> {
  return {
    kind: FLOW,
    conditions: FLOW_CONDITIONS,
    async reconcile(flow) {
      const { name, namespace = '' } = flow.metadata;
      const metadata = { name, namespace };
      const target = await targetOf(cluster, flow);
      if (target.kind === 'missing') {
        const why = 'the target of its action is not known yet';
        return waitingFor(
          {},
          isFalse('ActionTargetResolved', 'ActionTargetNotResolved', target.message),
          ...FLOW_CONDITIONS.dependents
            .slice(1)
            .map((type) => isUnknown(type, 'ActionTargetNotResolved', why)),
        );
      }
      const make = (desired: object) => translate(cluster, flow, desired as Resource);
      const clusterBus = await busOf(cluster, flow);
      const channel = await make({ ...BUS_CHANNEL, metadata, spec: { clusterBus } });
      const spec = { channel: name, subscriber: target.host };
      const subscription = await make({ ...BUS_SUBSCRIPTION, metadata, spec });
      const { trigger, serviceAccountName } = flow.spec ?? {};
      const action = { dnsName: channelHost(name, namespace) };
      const feed = await make({
        ...FEED,
        metadata,
        spec: { action, trigger, ...(serviceAccountName !== undefined && { serviceAccountName }) },
      });
      return settled(
        { channelTarget: channelHost(name, namespace) },
        isTrue('ActionTargetResolved', 'ActionTargetResolved', `Resolved to: ${JSON.stringify(target.host)}`),
        mirrored('ChannelReady', channel),
        mirrored('SubscriptionReady', subscription),
        mirrored('FeedReady', feed),
      );
    },
  };
}

type Target =
  | { readonly kind: 'host'; readonly host: string }
  | { readonly kind: 'missing'; readonly message: string };

/** The host name of the target inside the cluster, as `status.domainInternal` said it then; else its URL. */
async function targetOf(cluster: ResourceClient, { spec, metadata }: Flow): Promise<Target> {
  const { target, targetURI = '' } = spec?.action ?? {};
  if (target === undefined) return { kind: 'host', host: targetURI };
  const resolved = await resolveDestination(cluster, { ref: referenceNow(target) }, metadata.namespace ?? '');
  if (resolved.kind === 'missing') return resolved;
  const { host, hostname, pathname } = new URL(resolved.url);
  const isName = host === hostname && hostname.endsWith('.svc.cluster.local') && pathname === '/';
  return { kind: 'host', host: isName ? hostname : resolved.url };
}

/**
 * ConfigMap `flow-controller-config` says another one than the stub (eventing 540e45168, pkg/controller/flow), for flows
 * that have no channel yet.
 */
async function busOf(cluster: ResourceClient, { metadata }: Flow): Promise<string> {
  const channel = await cluster.find<BusChannel>(BUS_CHANNEL, metadata.namespace, metadata.name);
  const { clusterBus } = channel?.spec ?? {};
  if (clusterBus !== undefined) return clusterBus;
  const config = { apiVersion: 'v1', kind: 'ConfigMap' };
  const found = await cluster.find<ConfigMap>(config, 'knative-eventing', 'flow-controller-config');
  return found?.data?.['default-cluster-bus'] ?? 'stub';
}
