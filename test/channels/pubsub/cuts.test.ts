import { describe, it, type ExpectStatic, type TestContext } from 'vitest';
import type { BackedChannel, Backend } from '../../../src/channels/backend.ts';
import type { Verdict } from '../../../src/channels/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { Journal, seededRandom, seedOfThisRun } from '../../kit/journal.ts';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import { journalled, Load } from './pubsub-load.ts';
import { aSpec, connectTo, server, SETTLED, title } from './pubsub-world.ts';

const OPTIONS = { start: 'latest', inFlightMax: 20, isOrdered: false } as const;
const CUTS = 10;
const NONE = { lost: [], invented: [], altered: [] };

/** A channel whose broker is behind a relay that breaks. */
class World {
  readonly proxy: TcpProxy;
  readonly #spec = aSpec();
  readonly #backends: Backend[] = [];

  constructor(proxy: TcpProxy) {
    this.proxy = proxy;
  }

  async open(): Promise<BackedChannel> {
    const backend = await connectTo(`127.0.0.1:${this.proxy.port}`);
    this.#backends.push(backend);
    return backend.open(this.#spec);
  }

  async end(): Promise<void> {
    this.proxy.release();
    await (await this.open()).remove();
    await Promise.all(this.#backends.map((backend) => backend.close()));
    await this.proxy.close();
  }
}

type Scene = {
  readonly world: World;
  readonly proxy: TcpProxy;
  readonly channel: BackedChannel;
  readonly expect: ExpectStatic; // the test's own: they run side by side
};

describe.skipIf(server.kind === 'missing').concurrent(title('pubsub over a connection that breaks'), () => {
  const [host = '', port = '0'] = (server.kind === 'running' ? server.address : '').split(':');
  const inWorld =
    (claim: (scene: Scene) => Promise<void>) =>
    async ({ expect }: TestContext): Promise<void> => {
      const proxy = await TcpProxy.open(host, Number(port));
      const world = new World(proxy);
      try {
        await claim({ world, proxy, expect, channel: await world.open() });
      } finally {
        await world.end();
      }
    };

  it(
    `loses nothing over ${CUTS} cuts under load, and needs no opening anew`,
    inWorld(async ({ proxy, channel, expect }) => {
      const random = seededRandom(seedOfThisRun());
      const journal = new Journal();
      await channel.consume('audit', OPTIONS, journalled(journal, random));
      const load = new Load(() => channel, journal, { writers: 8, random });
      for (let cut = 1; cut <= CUTS; cut += 1) {
        const before = journal.counts;
        proxy.cut();
        await expect.poll(() => journal.counts.acked, { timeout: 5000 }).toBeGreaterThan(before.acked + 20);
        await expect
          .poll(() => journal.counts.received, { timeout: 5000 })
          .toBeGreaterThan(before.received + 20);
      }
      await load.end();
      await expect.poll(() => journal.missing(), { timeout: 20_000, interval: 50 }).toEqual([]);
      const { sent, acked, received, repeats } = journal.counts;
      const told = `${CUTS} cuts, ${sent} sent, ${acked} accepted, ${received} seen, ${repeats} repeats`;
      process.stdout.write(`pubsub: ${told}\n`);
      expect(journal.judge()).toEqual(NONE);
      expect(channel.lost.aborted).toBe(false);
      // A cut may repeat what was being published, acknowledged or moved to the retry topic at the time.
      expect(repeats).toBeLessThanOrEqual(CUTS * (8 + OPTIONS.inFlightMax));
    }),
    60_000,
  );

  it(
    'publishes again what the broker took without an answer: twice at most',
    inWorld(async ({ proxy, channel, expect }) => {
      const seen: string[] = [];
      await channel.consume('audit', OPTIONS, async ({ event }) => (seen.push(idOf(event)), SETTLED));
      proxy.hold('answers');
      const before = proxy.requestBytes;
      const publishing = channel.publish({ ...anEvent('e'), body: Buffer.alloc(50_000) });
      await expect.poll(() => proxy.requestBytes, { timeout: 5000 }).toBeGreaterThan(before + 50_000);
      proxy.release();
      proxy.cut();
      await publishing;
      await channel.publish(anEvent('last'));
      await expect.poll(() => seen, { timeout: 15_000 }).toContain('last');
      await expect.poll(() => seen, { timeout: 15_000 }).toContain('e');
      expect(seen.filter((id) => id === 'e').length).toBeLessThanOrEqual(2);
    }),
    40_000,
  );

  it(
    'settles what was at work while the connection was cut, and does not repeat it',
    inWorld(async ({ world, proxy, channel, expect }) => {
      const gate = Promise.withResolvers<Verdict>();
      const offered: string[] = [];
      await channel.consume('audit', OPTIONS, ({ event }) => {
        offered.push(idOf(event));
        return idOf(event) === 'slow' ? gate.promise : Promise.resolve(SETTLED);
      });
      await channel.publish(anEvent('slow'));
      await expect.poll(() => offered, { timeout: 5000 }).toEqual(['slow']);
      proxy.cut();
      gate.resolve(SETTLED);
      await expect
        .poll(async () => (await channel.backlog())[0], { timeout: 5000 })
        .toMatchObject({ events: 0, inFlight: 0 });
      await channel.close();
      const again = await world.open();
      const later: string[] = [];
      await again.consume('audit', OPTIONS, async ({ event }) => (later.push(idOf(event)), SETTLED));
      await again.publish(anEvent('last'));
      await expect.poll(() => later, { timeout: 15_000 }).toContain('last');
      expect(later).toEqual(['last']);
    }),
    40_000,
  );

  it(
    'says within five seconds that a half-open connection takes nothing, is lost soon, and goes on anew',
    inWorld(async ({ world, proxy, channel, expect }) => {
      const answers: ((verdict: Verdict) => void)[] = [];
      await channel.consume('audit', OPTIONS, (_, signal) => {
        return new Promise((resolve) => {
          answers.push(resolve);
          signal.addEventListener('abort', () => resolve(SETTLED));
        });
      });
      await channel.publish(anEvent('at work'));
      await expect.poll(() => answers.length, { timeout: 5000 }).toBe(1);
      proxy.hold('all');
      const startMs = Date.now();
      await expect(channel.publish(anEvent('never'))).rejects.toMatchObject({
        code: 'CHANNEL_LOST',
        retryable: true,
      });
      expect(Date.now() - startMs).toBeLessThan(5000);
      await expect.poll(() => channel.lost.aborted, { timeout: 8000 }).toBe(true);
      expect(channel.lost.reason).toMatchObject({
        code: 'CHANNEL_LOST',
        message: expect.stringContaining('does not answer'),
      });
      expect(await channel.check()).toContain('does not answer');
      await expect(channel.publish(anEvent('never'))).rejects.toMatchObject({ code: 'CHANNEL_LOST' });
      answers[0]?.(SETTLED); // settles nothing any more
      proxy.release();
      const again = await world.open();
      const seen: string[] = [];
      await again.consume('audit', OPTIONS, async ({ event }) => (seen.push(idOf(event)), SETTLED));
      await again.publish(anEvent('after'));
      await expect
        .poll(() => seen, { timeout: 20_000 })
        .toEqual(expect.arrayContaining(['after', 'at work']));
    }),
    60_000,
  );

  it(
    'is lost while it is quiet, too',
    inWorld(async ({ proxy, channel, expect }) => {
      proxy.hold('all');
      await expect.poll(() => channel.lost.aborted, { timeout: 9000 }).toBe(true);
    }),
    20_000,
  );
});
