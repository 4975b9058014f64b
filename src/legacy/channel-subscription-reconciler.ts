import { isUnknown } from '../apis/conditions.ts';
import type { Destination } from '../apis/duck.ts';
import { isEmpty } from '../apis/legacy/legacy-kind.ts';
import {
  CHANNEL_SUBSCRIPTION,
  CHANNEL_SUBSCRIPTION_CONDITIONS,
  type ChannelSubscription,
} from '../apis/legacy/eventing/subscription.ts';
import type { Resource } from '../apis/resource.ts';
import { settled, type Reconciler } from '../control/reconciler.ts';
import type { ResourceClient } from '../control/resource-client.ts';
import { destinationNamed, referenceNow, SUBSCRIPTION } from './names-of-then.ts';
import { fieldOf, mirrored, translate } from './translation.ts';

/** The Subscription of Knative 0.2. Without a subscriber, the channel for replies gets the events as they are. */
export function channelSubscriptionReconciler(cluster: ResourceClient): Reconciler<ChannelSubscription> {
  return {
    kind: CHANNEL_SUBSCRIPTION,
    conditions: CHANNEL_SUBSCRIPTION_CONDITIONS,
    async reconcile(subscription) {
      const { name, namespace = '' } = subscription.metadata;
      const { channel = {}, reply } = subscription.spec ?? {};
      const answers =
        reply?.channel === undefined || isEmpty(reply.channel)
          ? undefined
          : { ref: referenceNow(reply.channel) };
      const subscriber = await subscriberOf(cluster, subscription);
      const translated = await translate(cluster, subscription, {
        ...SUBSCRIPTION,
        metadata: { name, namespace },
        spec: {
          channel: referenceNow(channel),
          subscriber: subscriber ?? answers,
          ...(subscriber !== undefined && answers !== undefined && { reply: answers }),
        },
      } as Resource);
      const [subscriberURI, replyURI] = ['subscriberUri', 'replyUri'].map((field) =>
        fieldOf(translated, 'physicalSubscription', field),
      );
      const addresses = {
        ...(subscriberURI !== undefined && { subscriberURI }),
        ...(replyURI !== undefined && { replyURI }),
      };
      const resolved = mirrored('Resolved', translated, 'ReferencesResolved');
      return settled(
        { physicalSubscription: isEmpty(addresses) ? undefined : addresses },
        resolved,
        translated.kind === 'missing'
          ? isUnknown('ChannelReady', translated.reason, translated.message)
          : mirrored('ChannelReady', translated),
      );
    },
  };
}

async function subscriberOf(
  cluster: ResourceClient,
  { spec, metadata }: ChannelSubscription,
): Promise<Destination | undefined> {
  const { ref, dnsName = '' } = spec?.subscriber ?? {};
  if (ref !== undefined && !isEmpty(ref)) return { ref: referenceNow(ref) };
  return dnsName === '' ? undefined : destinationNamed(cluster, dnsName, metadata.namespace ?? '');
}
