import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { SourceTools } from '../../../src/sources/source.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import { KafkaProcess, kafkaServer } from '../../servers/kafka.ts';
import { SourceWorld, stateOf, type Watched } from './source-world.ts';

const reason = await kafkaServer.prepare();
const WAIT = { timeout: 30_000, interval: 20 };
const many = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${what}-${i}`);
const slowly: SourceTools['deliver'] = async (_, signal) => {
  await systemClock.until(Date.now() + 10, signal);
  signal.throwIfAborted();
  return 'taken';
};

describe.skipIf(reason !== undefined)(
  `a KafkaSource whose Kafka fails (${reason ?? 'a server of its own'})`,
  () => {
    let server: KafkaProcess;
    let proxy: TcpProxy;
    let world: SourceWorld;
    const through = (): string => `127.0.0.1:${proxy.port}`;
    const missing = (watched: Watched, bodies: readonly string[]): string[] => {
      const seen = new Set(watched.bodies);
      return bodies.filter((body) => !seen.has(body));
    };

    beforeAll(async () => {
      server = await KafkaProcess.make(join(temporaryFolder('kafka-source-faults'), 'kafka'), {
        listeners: { CUT: 'PLAINTEXT' },
        advertise: async (listener, port) => {
          if (listener !== 'CUT') return port;
          proxy = await TcpProxy.open('127.0.0.1', port);
          return proxy.port;
        },
      });
      await server.start();
    });
    beforeEach(() => void (world = new SourceWorld(server.address)));
    afterEach(async () => {
      proxy.release();
      await world.release();
    });
    afterAll(async () => {
      await server.end();
      await proxy.close();
    });

    it.each([true, false])(
      'that is cut again and again loses nothing (ordered: %s)',
      async (isOrdered) => {
        await world.makeTopic(2);
        const watched = world.open(world.plan({ isOrdered }, through()), slowly);
        await expect.poll(() => stateOf(watched), WAIT).toBe('running');
        const bodies = many('e', 400);
        for (const partition of [0, 1])
          await world.send(bodies.slice(partition * 200, partition * 200 + 200), { partition });
        for (let cuts = 1; cuts <= 4; cuts += 1) {
          await expect.poll(() => watched.bodies.length, WAIT).toBeGreaterThan(cuts * 50);
          proxy.cut();
        }
        await expect.poll(() => missing(watched, bodies), WAIT).toEqual([]);
        await expect.poll(() => world.committed(), WAIT).toEqual([200, 200]);
        if (!isOrdered) return;
        const firsts = [...new Set(watched.bodies)].filter((body) => bodies.indexOf(body) < 200);
        expect(firsts).toEqual(bodies.slice(0, 200));
      },
      40_000,
    );

    it('that is half-open is found out, told, and read again from where the sink was', async () => {
      await world.makeTopic();
      const watched = world.open(world.plan({}, through()));
      await expect.poll(() => stateOf(watched), WAIT).toBe('running');
      await world.send(['before']);
      await expect.poll(() => watched.bodies, WAIT).toEqual(['before']);
      await expect.poll(() => world.committed(), WAIT).toEqual([1]);
      proxy.hold('all');
      await world.send(['meanwhile']);
      await expect
        .poll(() => watched.states.at(-1), { timeout: 15_000 })
        .toMatchObject({
          kind: 'failing',
          condition: 'ConnectionEstablished',
          reason: 'KafkaUnreachable',
          message: expect.stringContaining(through()),
        });
      proxy.cut();
      proxy.release();
      await expect.poll(() => watched.bodies, WAIT).toEqual(['before', 'meanwhile']);
      expect(stateOf(watched)).toBe('running');
    }, 60_000);

    it('that dies with -9 under load, and comes back, loses nothing of what it had', async () => {
      await world.makeTopic();
      const watched = world.open(world.plan({ isOrdered: false }), slowly);
      await expect.poll(() => stateOf(watched), WAIT).toBe('running');
      const bodies = many('e', 3000);
      await world.send(bodies);
      await expect.poll(() => watched.bodies.length, WAIT).toBeGreaterThan(300);
      await server.end('SIGKILL');
      await expect.poll(() => stateOf(watched), WAIT).toBe('failing');
      await server.start();
      await expect.poll(() => missing(watched, bodies), WAIT).toEqual([]);
      // In hand, and what Kafka had not heard of (L1 and L4 of work.ts).
      expect(watched.bodies.length - 3000).toBeLessThanOrEqual(50 + 500);
      await expect.poll(() => world.committed(), WAIT).toEqual([3000]);
    }, 60_000);
  },
);
