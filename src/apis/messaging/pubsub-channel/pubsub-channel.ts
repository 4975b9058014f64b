import { backingKind } from '../channelable.ts';

/** Millrace's own kind, in the shape of InMemoryChannel: its events are in a topic of Google Pub/Sub. */
export const pubSubChannelKind = backingKind({
  kind: 'PubSubChannel',
  plural: 'pubsubchannels',
  singular: 'pubsubchannel',
  shortNames: ['psc'],
  versions: ['v1alpha1'],
});
