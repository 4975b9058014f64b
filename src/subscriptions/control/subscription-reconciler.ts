import type {
  BackingChannel,
  DeliverySpec,
  Destination,
  KReference,
  SubscriberEntry,
} from '../../apis/duck.ts';
import { isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import type { Channel } from '../../apis/messaging/channel/schema.ts';
import type { PhysicalSubscription, Subscription } from '../../apis/messaging/subscription/schema.ts';
import { SUBSCRIPTION_CONDITIONS } from '../../apis/messaging/subscription/status.ts';
import { autoscalingAnnotations } from '../../apis/autoscaling/annotations.ts';
import { KINDS, type Service } from '../../apis/serving/types.ts';
import { resolveDestination } from '../../control/destination-resolver.ts';
import { settled, waitingFor, type Reconciler } from '../../control/reconciler.ts';
import { isUnknownKind, type ResourceClient } from '../../control/resource-client.ts';
import { ANNOTATIONS, groupTaken } from '../annotations.ts';
import { withAnnotations, withoutSubscriber, withSubscriber } from './subscriber-entry.ts';

export const SUBSCRIPTION = { apiVersion: 'messaging.knative.dev/v1', kind: 'Subscription' };
const CHANNEL = { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel' };
const NO_OIDC = isTrue('OIDCIdentityCreated', 'authentication-oidc feature disabled', '');

/** Tells the backing channel who is subscribed. Reads the world, never an event: run it any time, any number of times. */
export function subscriptionReconciler(cluster: ResourceClient): Reconciler<Subscription> {
  return {
    kind: SUBSCRIPTION,
    conditions: SUBSCRIPTION_CONDITIONS,
    finalizer: 'subscriptions.messaging.knative.dev',
    async reconcile(subscription) {
      const { metadata, spec } = subscription;
      const { namespace = '' } = metadata;
      const addresses = await resolveAddresses(cluster, spec, namespace);
      if (addresses.kind === 'missing') {
        return waitingFor({}, isFalse('ReferencesResolved', addresses.reason, addresses.message), NO_OIDC);
      }
      const { physicalSubscription, delivery } = addresses;
      const channel = await backingChannelOf(cluster, spec.channel, namespace);
      if (channel === undefined) {
        const why = `channel ${spec.channel.kind} ${namespace}/${spec.channel.name} is not there, or has no backing channel yet`;
        return waitingFor(
          { physicalSubscription },
          isFalse('ReferencesResolved', 'ChannelReferenceFailed', why),
          isUnknown('AddedToChannel', 'ChannelReferenceFailed', why),
          NO_OIDC,
        );
      }
      const entry = entryOf(subscription, physicalSubscription, delivery);
      const knobs = { ...(await serviceBound(cluster, spec.subscriber, namespace)), ...metadata.annotations };
      const taken = groupTaken(channel, metadata.uid ?? '', knobs[ANNOTATIONS.sharedName]);
      if (taken !== undefined) {
        const mark = isFalse('AddedToChannel', 'ConsumerGroupTaken', taken); // what was written before stays as it was
        return waitingFor({ physicalSubscription }, isTrue('ReferencesResolved'), mark, NO_OIDC);
      }
      const written = await cluster.apply(
        withAnnotations(withSubscriber(channel, entry), subscription, knobs),
      );
      const marks = [
        isTrue('ReferencesResolved'),
        isTrue('AddedToChannel'),
        NO_OIDC,
        readiness(written, subscription),
      ];
      return settled({ physicalSubscription }, ...marks);
    },
    async finalize({ metadata, spec }) {
      const channel = await backingChannelOf(cluster, spec.channel, metadata.namespace ?? '');
      if (channel !== undefined && metadata.uid !== undefined)
        await cluster.apply(withoutSubscriber(channel, metadata.uid));
      return [];
    },
  };
}

/** A Channel only names the one that keeps the events; any other kind is that one itself. */
export async function backingChannelOf(
  cluster: ResourceClient,
  { apiVersion = CHANNEL.apiVersion, kind, name }: KReference,
  namespace: string,
): Promise<BackingChannel | undefined> {
  if (kind !== CHANNEL.kind || apiVersion !== CHANNEL.apiVersion) {
    try {
      return await cluster.find<BackingChannel>({ apiVersion, kind }, namespace, name);
    } catch (error) {
      if (isUnknownKind(error)) return undefined;
      throw error;
    }
  }
  const channel = await cluster.find<Channel>(CHANNEL, namespace, name);
  const backing = channel?.status?.channel;
  if (backing?.apiVersion === undefined) return undefined;
  return cluster.find<BackingChannel>(
    { apiVersion: backing.apiVersion, kind: backing.kind },
    namespace,
    backing.name,
  );
}

type Addresses =
  | {
      readonly kind: 'resolved';
      readonly physicalSubscription: PhysicalSubscription;
      readonly delivery: DeliverySpec | undefined;
    }
  | { readonly kind: 'missing'; readonly reason: string; readonly message: string };

/** All destinations of a Subscription as URLs, or the first that has none yet. */
async function resolveAddresses(
  cluster: ResourceClient,
  spec: Subscription['spec'],
  namespace: string,
): Promise<Addresses> {
  const urls = new Map<string, string>();
  const wanted: readonly (readonly [string, Destination | undefined])[] = [
    ['Subscriber', spec.subscriber],
    ['Reply', spec.reply],
    ['DeadLetterSink', spec.delivery?.deadLetterSink],
  ];
  for (const [role, destination] of wanted) {
    if (destination === undefined || Object.keys(destination).length === 0) continue;
    const resolved = await resolveDestination(cluster, destination, namespace);
    if (resolved.kind === 'missing')
      return {
        kind: 'missing',
        reason: `${role}ResolveFailed`,
        message: `Failed to resolve spec.${lowerFirst(role)}: ${resolved.message}`,
      };
    urls.set(role, resolved.url);
  }
  const [subscriberUri, replyUri, deadLetterSinkUri] = ['Subscriber', 'Reply', 'DeadLetterSink'].map((role) =>
    urls.get(role),
  );
  const delivery = spec.delivery && {
    ...spec.delivery,
    ...(deadLetterSinkUri !== undefined && { deadLetterSink: { uri: deadLetterSinkUri } }),
  };
  const physicalSubscription = {
    ...(subscriberUri !== undefined && { subscriberUri }),
    ...(replyUri !== undefined && { replyUri }),
    ...(deadLetterSinkUri !== undefined && { deadLetterSinkUri }),
  };
  return { kind: 'resolved', physicalSubscription, delivery };
}

function entryOf(
  { metadata }: Subscription,
  { subscriberUri, replyUri }: PhysicalSubscription,
  delivery: DeliverySpec | undefined,
): SubscriberEntry {
  const { uid = '', generation = 1, name, namespace } = metadata;
  return {
    uid,
    generation,
    name,
    ...(namespace !== undefined && { namespace }),
    ...(subscriberUri !== undefined && { subscriberUri }),
    ...(replyUri !== undefined && { replyUri }),
    ...(delivery !== undefined && { delivery }),
  };
}

/** The channel has the last word: it marks a subscriber ready from the moment on that events are kept for it. */
function readiness({ status }: BackingChannel, { metadata }: Subscription): Mark {
  const mark = status?.subscribers?.find(({ uid }) => uid === metadata.uid);
  if (mark?.ready === 'True' && mark.observedGeneration === metadata.generation)
    return isTrue('ChannelReady');
  if (mark?.ready === 'False')
    return isFalse(
      'ChannelReady',
      'SubscriptionNotReady',
      mark.message ?? 'the channel does not serve this subscriber',
    );
  return isUnknown(
    'ChannelReady',
    'SubscriptionNotMarkedReadyByChannel',
    mark?.message ?? 'Subscription not marked ready by channel',
  );
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** A Service with a largest scale and a concurrency of its own takes no more at a time than both allow (contract: Defaults). */
async function serviceBound(
  cluster: ResourceClient,
  subscriber: Destination | undefined,
  namespace: string,
): Promise<Readonly<Record<string, string>>> {
  const { ref } = subscriber ?? {};
  if (ref?.kind !== 'Service' || ref.apiVersion !== KINDS.service.apiVersion) return {};
  const service = await cluster.find<Service>(KINDS.service, ref.namespace ?? namespace, ref.name);
  const { metadata = {}, spec } = service?.spec.template ?? {};
  const maxScale = Number(autoscalingAnnotations(metadata.annotations).get('max-scale') ?? 0);
  const most = maxScale * (spec?.containerConcurrency ?? 0);
  return most > 0 ? { [ANNOTATIONS.inFlightMax]: String(most) } : {};
}
