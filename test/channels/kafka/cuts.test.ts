import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Verdict } from '../../../src/channels/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import { KafkaProcess, kafkaServer } from '../../servers/kafka.ts';
import { KafkaWorld } from './kafka-world.ts';

const folder = temporaryFolder('kafka-cuts');
const reason = await kafkaServer.prepare();
const OPTIONS = { start: 'latest', inFlightMax: 10, isOrdered: false } as const;
const SETTLED: Verdict = { kind: 'settled' };
const LOST_MAX_MS = 10_000;

describe.skipIf(reason !== undefined)(
  `a connection to Kafka that breaks (${reason ?? 'a server of its own'})`,
  () => {
    let server: KafkaProcess;
    let proxy: TcpProxy;
    let world: KafkaWorld;
    const through = (): string => `127.0.0.1:${proxy.port}`;

    beforeAll(async () => {
      server = await KafkaProcess.make(join(folder, 'kafka'), {
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
    afterEach(async () => {
      proxy.release();
      proxy.isDown = false;
      await world.release();
    });
    afterAll(async () => {
      await server.end();
      await proxy.close();
    });

    it('before the answer to a publisher: it is told so, and what the broker took is delivered once', async () => {
      world = new KafkaWorld(server.address);
      const direct = await world.open();
      const seen: string[] = [];
      await direct.consume('audit', OPTIONS, async ({ event }) => (seen.push(idOf(event)), SETTLED));
      const channel = await (await world.connect(through())).open(world.spec());
      await channel.publish(anEvent('before'));
      proxy.hold('answers');
      const taken = expect.poll(() => seen).toEqual(['before', 'unanswered']);
      const published = channel.publish(anEvent('unanswered')).then(() => 'accepted', codeOf);
      await taken;
      proxy.cut();
      proxy.release();
      expect(await published).toBe('CHANNEL_LOST');
      expect(channel.lost.aborted).toBe(false); // one connection is cut, and the cluster is there
      await channel.publish(anEvent('after'));
      await expect.poll(() => seen).toEqual(['before', 'unanswered', 'after']);
    });

    it('while events are in work: they are settled once it is back, and none comes again', async () => {
      world = new KafkaWorld(server.address);
      const channel = await (await world.connect(through())).open(world.spec());
      const gate = Promise.withResolvers<Verdict>();
      const seen: string[] = [];
      await channel.consume('audit', OPTIONS, async ({ event }) => {
        seen.push(idOf(event));
        return idOf(event).startsWith('work') ? gate.promise : SETTLED;
      });
      for (const id of ['work-1', 'work-2', 'quick']) await channel.publish(anEvent(id));
      await expect.poll(() => seen.length).toBe(3);
      proxy.cut();
      gate.resolve(SETTLED);
      await until(() => channel.publish(anEvent('after')));
      await expect.poll(() => seen).toContain('after');
      await expect.poll(() => channel.backlog(), { timeout: 5000 }).toMatchObject([{ events: 0 }]);
      expect(seen).toHaveLength(4);
    });

    it('without a word, half-open: publishers are refused in time, the channel is lost, and nothing is when it opens anew', async () => {
      world = new KafkaWorld(server.address);
      const channel = await (await world.connect(through())).open(world.spec());
      const seen: string[] = [];
      await channel.consume('audit', OPTIONS, async ({ event, attempt }) => {
        seen.push(`${idOf(event)} ${attempt}`);
        if (idOf(event) !== 'retried' || attempt > 1) return SETTLED;
        return { kind: 'retry', dueMs: Date.now() + 60_000, reason: 'busy', code: 503 };
      });
      await channel.publish(anEvent('retried'));
      await expect
        .poll(async () => (await channel.backlog())[0], { timeout: 5000 })
        .toMatchObject({ retrying: 1 });
      proxy.hold('all');
      const startedMs = Date.now();
      expect(await channel.publish(anEvent('into the void')).catch(codeOf)).toBe('CHANNEL_LOST');
      expect(Date.now() - startedMs).toBeLessThan(7000);
      await expect.poll(() => channel.lost.aborted, { timeout: LOST_MAX_MS }).toBe(true);
      expect(String(channel.lost.reason)).toContain(through());
      proxy.cut();
      proxy.release();
      const again = await (await world.connect(through())).open(world.spec());
      await again.consume(
        'audit',
        OPTIONS,
        async ({ event, attempt }) => (seen.push(`${idOf(event)} ${attempt}`), SETTLED),
      );
      await again.publish(anEvent('again'));
      await expect.poll(() => seen, { timeout: LOST_MAX_MS }).toContain('again 1');
      const [figures] = await again.backlog();
      expect(figures).toMatchObject({ retrying: 1 });
    }, 40_000);

    it('is refused at first: connect() says where, and whoever opens is told so at once', async () => {
      world = new KafkaWorld(server.address);
      proxy.isDown = true;
      const failed = expect(world.connect(through())).rejects;
      await failed.toMatchObject({ code: 'BACKEND_UNREACHABLE', retryable: true });
      await expect(world.connect(through())).rejects.toThrow(through());
    });
  },
);

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : error);

async function until(act: () => Promise<void>): Promise<void> {
  await expect.poll(() => act().then(() => 'done', String), { timeout: 10_000, interval: 50 }).toBe('done');
}
