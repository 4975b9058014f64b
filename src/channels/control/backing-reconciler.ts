import { isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import type { BackingChannel, SubscriberStatus } from '../../apis/duck.ts';
import { BACKED_CONDITIONS, BACKING_CONDITIONS } from '../../apis/messaging/backing-status.ts';
import type { PlatformError } from '../../base/errors.ts';
import { resolveDestination } from '../../control/destination-resolver.ts';
import type { Outcome, Reconciler, Told } from '../../control/reconciler.ts';
import type { KindName, ResourceClient } from '../../control/resource-client.ts';
import type { Claim } from '../backend.ts';
import { groupOf } from '../../apis/registry.ts';
import { claimOn, rememberServed } from './claim.ts';

/** How it stands with one subscriber in the data plane. */
export type Served = { readonly uid: string; readonly isReady: boolean; readonly message?: string };

/** The data plane's side of a backing channel: it opens the channel and serves its subscribers. */
export interface ChannelHost {
  /**
   * Brings the data plane in step with the object; resolves once events are kept for every subscriber that is said to
   * be ready. `forgotten` are those that were served before and are no more, with what they were still owed. `fault` is
   * what keeps the channel from taking events, or is wrong with it. `url` is undefined when it cannot have an address.
   */
  serve(
    channel: BackingChannel,
    claim: Claim,
  ): Promise<{
    readonly url: string | undefined;
    readonly fault?: PlatformError;
    readonly subscribers: readonly Served[];
    readonly forgotten: readonly { readonly name: string; readonly events: number }[];
  }>;
  /** Removes the channel with all that it holds; returns how many events were still owed. */
  remove(channel: BackingChannel, claim: Claim): Promise<number>;
}

/** Where a kind keeps its events: in this platform, or in a broker. */
export type Keeper = 'platform' | 'broker';

/** A channel kind that keeps events: its object is served by the host, and its status says how. */
export function backingReconciler(
  kind: KindName,
  cluster: ResourceClient,
  host: ChannelHost,
  keeper: Keeper = 'platform',
): Reconciler<BackingChannel> {
  return {
    kind,
    conditions: keeper === 'broker' ? BACKED_CONDITIONS : BACKING_CONDITIONS,
    finalizer: `${kind.kind.toLowerCase()}s.${groupOf(kind.apiVersion)}`,
    async reconcile(channel) {
      const sink = await deadLetterSink(cluster, channel);
      const resolved: BackingChannel = {
        ...channel,
        status: { ...channel.status, ...(sink.url !== undefined && { deadLetterSinkUri: sink.url }) },
      };
      const { url, subscribers, forgotten, fault } = await host.serve(resolved, claimOn(cluster, channel));
      if (keeper === 'broker') {
        const ready = subscribers.filter(({ isReady }) => isReady).map(({ uid }) => uid);
        await rememberServed(cluster, channel, ready);
      }
      const address = url === undefined ? undefined : { url };
      const outcome: Outcome = {
        status: {
          address,
          addresses: address && [address],
          deadLetterSinkUri: sink.url,
          subscribers: subscribers.map((served) => statusOf(served, channel)),
        },
        marks: [
          ...(keeper === 'broker' ? backedMarks(fault) : OWN_MARKS),
          addressable(url, fault),
          ...POLICIES,
          sink.mark,
        ],
        next: 'settled',
        events: forgotten.filter(({ events }) => events > 0).map(givenUp),
      };
      return outcome;
    },
    async finalize(channel) {
      const events = await host.remove(channel, claimOn(cluster, channel));
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

const OWN_MARKS = ['DispatcherReady', 'ServiceReady', 'EndpointsReady', 'ChannelServiceReady'].map((type) =>
  isTrue(type),
);
const POLICIES = [isTrue('EventPoliciesReady', 'AuthOIDCFeatureNotEnabled')];

/** Which of the steps towards the broker fails, in its words; those behind it are not known. */
function backedMarks(fault: PlatformError | undefined): Mark[] {
  const steps = ['ConfigParsed', 'DataPlaneAvailable', 'TopicReady'];
  const failed =
    fault === undefined ? steps.length : steps.indexOf(STEP_OF[fault.code] ?? 'DataPlaneAvailable');
  const marks = steps.map((type, i) => {
    if (i < failed) return isTrue(type);
    return i === failed ? isFalse(type, reasonOf(fault), fault?.message ?? '') : isUnknown(type);
  });
  return [...marks, isTrue('ChannelServiceReady')];
}

const STEP_OF: Readonly<Record<string, string>> = {
  BACKEND_SETTINGS_INVALID: 'ConfigParsed',
  CHANNEL_NAME_TAKEN: 'TopicReady',
  CHANNEL_NOT_FOUND: 'TopicReady',
  CHANNEL_SPEC_INVALID: 'TopicReady',
};

/** `CHANNEL_NAME_TAKEN` as a condition's reason: `ChannelNameTaken`. */
function reasonOf(fault: PlatformError | undefined): string {
  const words = (fault?.code ?? '').toLowerCase().split('_');
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function addressable(url: string | undefined, fault: PlatformError | undefined): Mark {
  if (url !== undefined) return isTrue('Addressable');
  return isFalse('Addressable', reasonOf(fault), fault?.message ?? 'the channel has no address');
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
