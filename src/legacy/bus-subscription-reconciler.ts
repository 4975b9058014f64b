import { isFalse } from '../apis/conditions.ts';
import { BUS_CHANNEL, type BusChannel } from '../apis/legacy/channels/channel.ts';
import {
  BUS_SUBSCRIPTION,
  BUS_SUBSCRIPTION_CONDITIONS,
  type BusSubscription,
} from '../apis/legacy/channels/subscription.ts';
import type { Resource } from '../apis/resource.ts';
import { settled, type Reconciler } from '../control/reconciler.ts';
import type { ResourceClient } from '../control/resource-client.ts';
import { givenArguments, type Given } from './arguments.ts';
import { busOf } from './bus-channel-reconciler.ts';
import { CHANNEL, destinationNamed, SUBSCRIPTION } from './names-of-then.ts';
import { findServed, mirrored, missing, translate, type Translated } from './translation.ts';

/** Where a subscription begins to read, in the words of the Kafka bus. */
const START = 'delivery.millrace.dev/start';
const STARTS: Readonly<Record<string, string>> = { Newest: 'latest', Oldest: 'earliest' };

/** The Subscription of July 2018: channel by name, subscriber and reply by DNS name. */
export function busSubscriptionReconciler(cluster: ResourceClient): Reconciler<BusSubscription> {
  return {
    kind: BUS_SUBSCRIPTION,
    conditions: BUS_SUBSCRIPTION_CONDITIONS,
    async reconcile(subscription) {
      const given = await argumentsOf(cluster, subscription);
      if (given.kind === 'fault')
        return settled({}, isFalse('Dispatching', 'ArgumentMissing', given.message));
      return settled({}, mirrored('Dispatching', await subscriptionOf(cluster, subscription, given.values)));
    },
  };
}

async function subscriptionOf(
  cluster: ResourceClient,
  subscription: BusSubscription,
  given: ReadonlyMap<string, string>,
): Promise<Translated> {
  const { name, namespace = '' } = subscription.metadata;
  const { channel = '', subscriber = '', replyTo = '' } = subscription.spec ?? {};
  const offset = given.get('initialOffset') ?? 'Newest';
  const start = STARTS[offset];
  if (start === undefined) {
    const why = `argument initialOffset: expected Newest or Oldest, got ${JSON.stringify(offset)}`;
    return missing('ArgumentInvalid', why);
  }
  return translate(cluster, subscription, {
    ...SUBSCRIPTION,
    metadata: { name, namespace, annotations: { [START]: start } },
    spec: {
      channel: { ...CHANNEL, name: channel },
      subscriber: await destinationNamed(cluster, subscriber, namespace),
      ...(replyTo !== '' && { reply: await destinationNamed(cluster, replyTo, namespace) }),
    },
  } as Resource);
}

/** Its channel, and so the parameters of its bus, may come later. */
async function argumentsOf(cluster: ResourceClient, { spec, metadata }: BusSubscription): Promise<Given> {
  const channel = await findServed(cluster, BUS_CHANNEL, metadata.namespace, spec?.channel ?? '');
  const found = typeof channel === 'object' ? await busOf(cluster, channel as BusChannel) : undefined;
  const [title, parameters] =
    found?.kind === 'bus' ? [found.title, found.bus?.spec?.parameters?.subscription] : ['', []];
  return givenArguments(title, parameters, spec?.arguments);
}
