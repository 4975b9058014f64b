import { afterAll, describe } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { BackedChannel, ChannelSpec } from '../../../src/channels/backend.ts';
import { channelContract } from '../../contracts/channel.ts';
import { rabbitmqServer } from '../../servers/rabbitmq.ts';
import { sharedServer } from '../../servers/shared.ts';
import { aChannelSpec, World } from './rabbitmq-world.ts';

const server = await sharedServer(rabbitmqServer);
const why = server.kind === 'missing' ? ` (left out: ${server.reason})` : '';

describe.skipIf(server.kind === 'missing')(`a channel in RabbitMQ${why}`, () => {
  const world = new World(server.kind === 'running' ? server.address : '');
  let spec: ChannelSpec = aChannelSpec();
  afterAll(() => world.release());

  channelContract('RabbitMQ', {
    clock: systemClock,
    tick: () => undefined,
    open: () => world.open((spec = aChannelSpec())),
    join: () => world.open(spec),
    async reopen(channel): Promise<BackedChannel> {
      await channel.close();
      return world.open({ ...spec, groups: ['audit'] });
    },
    release: () => world.release(),
  });
});
