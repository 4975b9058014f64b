import { describe } from 'vitest';
import { rabbitmqAdapter } from '../../../src/sources/rabbitmq/rabbitmq-adapter.ts';
import { sourceContract } from '../../contracts/source.ts';
import { PlainRabbitmq } from '../../kit/plain-rabbitmq.ts';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import { rabbitmqServer } from '../../servers/rabbitmq.ts';
import { sharedServer } from '../../servers/shared.ts';
import { aPlan } from './rabbitmq-world.ts';

const server = await sharedServer(rabbitmqServer);
const why = server.kind === 'missing' ? ` (left out: ${server.reason})` : '';
const address = server.kind === 'running' ? server.address : 'amqp://localhost';

describe.skipIf(server.kind === 'missing')(`RabbitMQ${why}`, () => {
  for (const inFlightMax of [1, 10])
    sourceContract(`RabbitmqSource with parallelism ${inFlightMax}`, async () => {
      const { hostname, port } = new URL(address);
      const proxy = await TcpProxy.open(hostname, Number(port));
      const plain = await PlainRabbitmq.open(address);
      const proxied = new URL(address);
      proxied.port = String(proxy.port);
      const plan = aPlan(proxied.href, { inFlightMax });
      const { exchange = '', from } = plan;
      return {
        produce: (name) => plain.publish(exchange, '', name),
        nameOf: ({ body }) => Buffer.from(body).toString(),
        open: (tools) => rabbitmqAdapter().open(plan, { ...tools, reader: undefined as never }),
        async goAway() {
          proxy.isDown = true;
          proxy.cut();
        },
        async comeBack() {
          proxy.isDown = false;
        },
        keepsWhileClosed: true,
        async release() {
          await plain.run((channel) => channel.deleteQueue(from.queue));
          await plain.run((channel) => channel.deleteExchange(exchange));
          await plain.close();
          await proxy.close();
        },
      };
    });
});
