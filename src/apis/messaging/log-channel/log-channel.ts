import { backingKind } from '../channelable.ts';

/** The embedded durable log; the default channel of a platform. Millrace's own kind, in the shape of InMemoryChannel. */
export const logChannelKind = backingKind({
  kind: 'LogChannel',
  plural: 'logchannels',
  singular: 'logchannel',
  shortNames: ['lc'],
  versions: ['v1alpha1'],
});
