import { describe } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { channelContract } from '../../contracts/channel.ts';
import { kafkaServer } from '../../servers/kafka.ts';
import { sharedServer } from '../../servers/shared.ts';
import { KafkaWorld } from './kafka-world.ts';

const server = await sharedServer(kafkaServer);
const why = server.kind === 'missing' ? ` (skipped: ${server.reason})` : '';

describe.skipIf(server.kind === 'missing')(`kafka channel${why}`, () => {
  let world = new KafkaWorld('');
  channelContract('kafka', {
    clock: systemClock,
    tick: () => undefined,
    open: async () => {
      world = new KafkaWorld(server.kind === 'running' ? server.address : '');
      return world.open();
    },
    reopen: async () => {
      await world.closeAll();
      return world.open();
    },
    join: () => world.open(),
    release: () => world.release(),
  });
});
