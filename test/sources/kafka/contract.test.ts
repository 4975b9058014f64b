import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { kafkaAdapterWith } from '../../../src/sources/kafka/kafka-adapter.ts';
import type { SourceTools } from '../../../src/sources/source.ts';
import { sourceContract } from '../../contracts/source.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import { KafkaProcess, kafkaServer } from '../../servers/kafka.ts';
import { bodyOf, QUICK, SourceWorld } from './source-world.ts';

const reason = await kafkaServer.prepare();

describe.skipIf(reason !== undefined)(`KafkaSource (${reason ?? 'a server of its own'})`, () => {
  let server: KafkaProcess;
  let proxy: TcpProxy;

  beforeAll(async () => {
    server = await KafkaProcess.make(join(temporaryFolder('kafka-source'), 'kafka'), {
      listeners: { CUT: 'PLAINTEXT' },
      // What clients are sent to is the relay, not the server behind it.
      advertise: async (listener, port) => {
        if (listener !== 'CUT') return port;
        proxy = await TcpProxy.open('127.0.0.1', port);
        return proxy.port;
      },
    });
    await server.start();
  });
  afterAll(async () => {
    await server.end();
    await proxy.close();
  });

  for (const isOrdered of [true, false])
    sourceContract(`KafkaSource, ${isOrdered ? 'ordered' : 'unordered'},`, async () => {
      const world = new SourceWorld(server.address);
      await world.makeTopic(2);
      const plan = world.plan({ isOrdered }, `127.0.0.1:${proxy.port}`);
      return {
        produce: (name) => world.send([name]),
        nameOf: bodyOf,
        open: (tools) => kafkaAdapterWith(QUICK).open(plan, tools as SourceTools), // it reads no objects
        goAway: async () => {
          proxy.isDown = true;
          proxy.cut();
        },
        comeBack: async () => void (proxy.isDown = false),
        keepsWhileClosed: true,
        release: async () => {
          proxy.isDown = false;
          await world.release();
        },
      };
    });
});
