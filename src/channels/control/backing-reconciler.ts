import { isFalse, isTrue, type Mark } from '../../apis/conditions.ts';
import type { BackingChannel, SubscriberStatus } from '../../apis/duck.ts';
import { BACKING_CONDITIONS } from '../../apis/messaging/backing-status.ts';
import { resolveDestination } from '../../control/destination-resolver.ts';
import type { Outcome, Reconciler, Told } from '../../control/reconciler.ts';
import type { KindName, ResourceClient } from '../../control/resource-client.ts';

/** How it stands with one subscriber in the data plane. */
export type Served = { readonly uid: string; readonly isReady: boolean; readonly message?: string };

/** The data plane's side of a backing channel: it opens the channel and serves its subscribers. */
export interface ChannelHost {
  /**
   * Brings the data plane in step with the object; resolves once events are kept for every subscriber that is said to
   * be ready. `forgotten` are those that were served before and are no more, with what they were still owed.
   */
  serve(channel: BackingChannel): Promise<{
    readonly url: string;
    readonly subscribers: readonly Served[];
    readonly forgotten: readonly { readonly name: string; readonly events: number }[];
  }>;
  /** Removes the channel with all that it holds; returns how many events were still owed. */
  remove(channel: BackingChannel): Promise<number>;
}

/** A channel kind that keeps events in this platform: its object is served by the host, and its status says how. */
export function backingReconciler(
  kind: KindName,
  cluster: ResourceClient,
  host: ChannelHost,
): Reconciler<BackingChannel> {
  return {
    kind,
    conditions: BACKING_CONDITIONS,
    finalizer: `${kind.kind.toLowerCase()}s.messaging.knative.dev`,
    async reconcile(channel) {
      const sink = await deadLetterSink(cluster, channel);
      const resolved: BackingChannel = {
        ...channel,
        status: { ...channel.status, ...(sink.url !== undefined && { deadLetterSinkUri: sink.url }) },
      };
      const { url, subscribers, forgotten } = await host.serve(resolved);
      const outcome: Outcome = {
        status: {
          address: { url },
          addresses: [{ url }],
          deadLetterSinkUri: sink.url,
          subscribers: subscribers.map((served) => statusOf(served, channel)),
        },
        marks: [
          isTrue('Addressable'),
          isTrue('DispatcherReady'),
          isTrue('ServiceReady'),
          isTrue('EndpointsReady'),
          isTrue('ChannelServiceReady'),
          isTrue('EventPoliciesReady', 'AuthOIDCFeatureNotEnabled'),
          sink.mark,
        ],
        next: 'settled',
        events: forgotten.filter(({ events }) => events > 0).map(givenUp),
      };
      return outcome;
    },
    async finalize(channel) {
      const events = await host.remove(channel);
      return events === 0
        ? []
        : [
            {
              type: 'Warning',
              reason: 'EventsGivenUp',
              message: `the channel was deleted while ${events} events were still owed to its subscribers`,
            },
          ];
    },
  };
}

function givenUp({ name, events }: { name: string; events: number }): Told {
  return {
    type: 'Warning',
    reason: 'EventsGivenUp',
    message: `subscription ${name} was deleted while ${events} events were still owed to it`,
  };
}

async function deadLetterSink(
  cluster: ResourceClient,
  { spec, metadata }: BackingChannel,
): Promise<{ url: string | undefined; mark: Mark }> {
  const destination = spec?.delivery?.deadLetterSink;
  if (destination === undefined)
    return {
      url: undefined,
      mark: isTrue(
        'DeadLetterSinkResolved',
        'DeadLetterSinkNotConfigured',
        'No dead letter sink is configured.',
      ),
    };
  const resolved = await resolveDestination(cluster, destination, metadata.namespace ?? '');
  if (resolved.kind === 'url') return { url: resolved.url, mark: isTrue('DeadLetterSinkResolved') };
  return {
    url: undefined,
    mark: isFalse('DeadLetterSinkResolved', 'Unable to get the dead letter sink URI', resolved.message),
  };
}

function statusOf({ uid, isReady, message }: Served, { spec }: BackingChannel): SubscriberStatus {
  const generation = spec?.subscribers?.find((entry) => entry.uid === uid)?.generation;
  return {
    uid,
    ready: isReady ? 'True' : 'False',
    ...(generation !== undefined && { observedGeneration: generation }),
    ...(message !== undefined && { message }),
  };
}
