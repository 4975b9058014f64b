import type { KindDefinition } from '../kind.ts';
import { busKind, clusterBusKind } from './channels/bus.ts';
import { busChannelKind } from './channels/channel.ts';
import { busSubscriptionKind } from './channels/subscription.ts';
import { provisionedChannelKind } from './eventing/channel.ts';
import { clusterChannelProvisionerKind } from './eventing/cluster-channel-provisioner.ts';
import { channelSubscriptionKind } from './eventing/subscription.ts';
import { clusterEventSourceKind, eventSourceKind } from './feeds/event-source.ts';
import { clusterEventTypeKind, eventTypeKind } from './feeds/event-type.ts';
import { feedKind } from './feeds/feed.ts';
import { flowKind } from './flows/flow.ts';
import { containerSourceThenKind } from './sources/container-source.ts';
import { gcpPubSubSourceKind } from './sources/gcp-pubsub-source.ts';
import { gitHubSourceThenKind } from './sources/github-source.ts';

/**
 * The kinds of 2018, translated into today's by src/legacy/. The registry lists them last: discovery names groups in the
 * order of the registry, and of a plural that several groups have, kubectl takes the first.
 */
export const LEGACY_KINDS: readonly KindDefinition[] = [
  provisionedChannelKind,
  channelSubscriptionKind,
  clusterChannelProvisionerKind,
  gitHubSourceThenKind,
  gcpPubSubSourceKind,
  containerSourceThenKind,
  busChannelKind,
  busSubscriptionKind,
  busKind,
  clusterBusKind,
  feedKind,
  eventSourceKind,
  clusterEventSourceKind,
  eventTypeKind,
  clusterEventTypeKind,
  flowKind,
];
