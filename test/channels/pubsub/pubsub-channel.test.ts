import { describe } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { BackedChannel, Backend, ChannelSpec } from '../../../src/channels/backend.ts';
import { channelContract } from '../../contracts/channel.ts';
import { aSpec, connectTo, server, title } from './pubsub-world.ts';

describe.skipIf(server.kind === 'missing')(title('pubsub'), () => {
  const address = server.kind === 'running' ? server.address : '';
  let spec: ChannelSpec;
  let backends: Backend[] = [];
  let channels: BackedChannel[] = [];

  const connect = async (opened: ChannelSpec) => {
    const backend = await connectTo(address);
    backends.push(backend);
    const channel = await backend.open(opened);
    channels.push(channel);
    return channel;
  };

  channelContract('pubsub', {
    clock: systemClock,
    tick: () => undefined,
    figures: 'seen',
    open: () => connect((spec = aSpec())),
    reopen: async (channel) => {
      await channel.close();
      return connect((spec = { ...spec, groups: ['audit'] }));
    },
    join: () => connect(aSpec({ name: spec.name, uid: spec.uid }, spec.claim)),
    release: async () => {
      const [open, connected] = [channels, backends];
      [channels, backends] = [[], []];
      const removed = Promise.all(open.map((channel) => channel.remove()));
      const closed = removed.then(() => Promise.all(connected.map((backend) => backend.close())));
      // A consumer that never answers would hold it up for ever: such tests leave it behind.
      await Promise.race([
        closed,
        systemClock.until(systemClock.nowMs() + 1000, new AbortController().signal),
      ]);
    },
  });
});
