import { isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import type { BackingChannel } from '../../apis/duck.ts';
import { conditionOf } from '../../apis/conditions.ts';
import type { Channel } from '../../apis/messaging/channel/schema.ts';
import { CHANNEL_CONDITIONS } from '../../apis/messaging/channel/status.ts';
import { isOwnedBy, ownerOf } from '../../control/owned.ts';
import { settled, type Reconciler } from '../../control/reconciler.ts';
import { isUnknownKind, type ResourceClient } from '../../control/resource-client.ts';

export const CHANNEL = { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel' };

/** Makes the channel that really keeps the events, of the kind in the template, and shows its address as its own. */
export function channelReconciler(cluster: ResourceClient): Reconciler<Channel> {
  return {
    kind: CHANNEL,
    conditions: CHANNEL_CONDITIONS,
    async reconcile(channel) {
      const { namespace = '', name } = channel.metadata;
      const { channelTemplate, delivery } = channel.spec ?? {};
      const kind = { apiVersion: channelTemplate?.apiVersion ?? '', kind: channelTemplate?.kind ?? '' };
      let existing: BackingChannel | undefined;
      try {
        existing = await cluster.find<BackingChannel>(kind, namespace, name);
      } catch (error) {
        if (!isUnknownKind(error)) throw error;
        const why = `this platform has no channel kind ${kind.kind} in ${kind.apiVersion}`;
        return settled(
          {},
          isFalse('BackingChannelReady', 'ChannelKindUnknown', why),
          isUnknown('Addressable', 'ChannelKindUnknown', why),
        );
      }
      if (existing !== undefined && !isOwnedBy(existing, channel)) {
        const why = `${kind.kind} ${namespace}/${name} exists and belongs to somebody else`;
        return settled({}, isFalse('BackingChannelReady', 'NotOwned', why));
      }
      const backing = await cluster.apply<BackingChannel>({
        ...kind,
        metadata: {
          name,
          namespace,
          ownerReferences: [ownerOf(channel)],
          ...copied(channel, existing),
        },
        spec: {
          ...channelTemplate?.spec,
          ...(delivery !== undefined && { delivery }),
          subscribers: existing?.spec?.subscribers ?? [],
        },
      });
      const { status = {} } = backing;
      const fields = {
        channel: { ...kind, name, namespace },
        address: status.address,
        addresses: status.address === undefined ? undefined : [status.address],
        deadLetterSinkUri: status.deadLetterSinkUri,
        subscribers: status.subscribers,
      };
      return settled(
        fields,
        propagated(backing),
        addressed(status.address?.url),
        deadLetter(backing),
        isTrue('EventPoliciesReady', 'AuthOIDCFeatureNotEnabled'),
      );
    },
  };
}

const HANDED_ON = /^(?:delivery\.millrace\.dev|messaging\.millrace\.dev|kafka\.eventing\.knative\.dev)\//;
const OF_SUBSCRIPTION = /\.[\da-f]{8}-[\da-f-]{27}$/; // ends with its uid

/** Annotations that mean something to the channel are handed on, and the knobs of Subscriptions stay. */
function copied(
  channel: Channel,
  existing: BackingChannel | undefined,
): Pick<BackingChannel['metadata'], 'annotations' | 'finalizers' | 'resourceVersion'> {
  const handed = Object.entries(channel.metadata.annotations ?? {}).filter(([name]) => HANDED_ON.test(name));
  const kept = Object.entries(existing?.metadata.annotations ?? {}).filter(
    ([name]) => !HANDED_ON.test(name) || OF_SUBSCRIPTION.test(name),
  );
  const { finalizers, resourceVersion } = existing?.metadata ?? {};
  return {
    annotations: { ...Object.fromEntries(kept), ...Object.fromEntries(handed) },
    // What Subscriptions write at the same time is not lost: this write is then a conflict, and the pass runs again.
    ...(resourceVersion !== undefined && { resourceVersion }),
    ...(finalizers !== undefined && { finalizers }),
  };
}

function propagated(backing: BackingChannel): Mark {
  const ready = conditionOf(backing.status, 'Ready');
  if (ready?.status === 'True') return isTrue('BackingChannelReady');
  if (ready?.status === 'False')
    return isFalse('BackingChannelReady', ready.reason ?? '', ready.message ?? '');
  return isUnknown(
    'BackingChannelReady',
    ready?.reason ?? 'BackingChannelNotConfigured',
    ready?.message ?? 'The backing channel is not ready yet.',
  );
}

function addressed(url: string | undefined): Mark {
  return url === undefined
    ? isUnknown('Addressable', 'emptyHostname', 'The backing channel has no address yet.')
    : isTrue('Addressable');
}

function deadLetter({ status }: BackingChannel): Mark {
  const condition = conditionOf(status, 'DeadLetterSinkResolved');
  return condition?.status === 'False'
    ? isFalse('DeadLetterSinkResolved', condition.reason ?? '', condition.message ?? '')
    : isTrue('DeadLetterSinkResolved', condition?.reason ?? 'DeadLetterSinkNotConfigured');
}
