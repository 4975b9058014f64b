import { backingKind } from '../channelable.ts';

/** Upstream's InMemoryChannel, with its weaker contract: what it holds is gone with the process. */
export const inMemoryChannelKind = backingKind({
  kind: 'InMemoryChannel',
  plural: 'inmemorychannels',
  singular: 'inmemorychannel',
  shortNames: ['imc'],
  versions: ['v1'],
});
