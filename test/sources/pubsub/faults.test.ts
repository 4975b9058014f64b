import { describe, it, type ExpectStatic, type TestContext } from 'vitest';
import type { RunningSource } from '../../../src/sources/source.ts';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import { address, server, shutSink, SourceWorld, title, WAIT, wrappedText } from './pubsub-source-world.ts';

const CUTS = 10;
const MESSAGES = 400;

type Scene = {
  readonly world: SourceWorld;
  readonly source: RunningSource;
  readonly proxy: TcpProxy;
  readonly expect: ExpectStatic; // the test's own: they run side by side
};

describe.skipIf(server.kind === 'missing').concurrent(title('a CloudPubSubSource whose way breaks'), () => {
  const inWorld =
    (claim: (scene: Scene) => Promise<void>) =>
    async ({ expect }: TestContext): Promise<void> => {
      const [host = '', port = '0'] = address.split(':');
      const proxy = await TcpProxy.open(host, Number(port));
      const world = await SourceWorld.open(`127.0.0.1:${proxy.port}`);
      try {
        const source = world.source();
        await expect.poll(() => world.states.at(-1)?.kind, WAIT).toBe('running');
        await claim({ world, source, proxy, expect });
      } finally {
        proxy.release();
        proxy.isDown = false;
        await world.close();
        await proxy.close();
      }
    };
  const publish = async (
    { topic, plain }: SourceWorld,
    names: readonly string[],
    keyOf: (name: string) => string = () => '',
  ): Promise<void> => {
    const ordered = plain.topic(topic.name, { messageOrdering: true });
    for (const name of names)
      await ordered.publishMessage({ data: Buffer.from(name), orderingKey: keyOf(name) });
  };
  const taken = ({ events }: SourceWorld): Set<string> => new Set(events.map(wrappedText));
  const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `m-${i}`);

  it(
    // Each message has a key of its own: the emulator takes those without one for messages of one key, and repeats all behind one.
    `loses nothing over ${CUTS} cuts under load, and repeats little`,
    inWorld(async ({ world, proxy, expect }) => {
      const names = numbered(MESSAGES);
      let isPublished = false;
      const publishing = publish(world, names, (name) => `key of ${name}`).then(() => (isPublished = true));
      for (let cut = 1; cut <= CUTS; cut += 1) {
        const due = Math.floor((cut * MESSAGES) / (CUTS + 1));
        await expect.poll(() => isPublished || world.events.length >= due, WAIT).toBe(true);
        proxy.cut();
      }
      await publishing;
      await expect.poll(() => taken(world).size, { timeout: 40_000, interval: 50 }).toBe(MESSAGES);
      expect(world.events.length - MESSAGES).toBeLessThanOrEqual(CUTS);
      expect(world.warnings).toEqual([]);
    }),
    60_000,
  );

  it(
    'keeps what is in hand while the sink is away for longer than the deadline, and repeats none of it (R1)',
    inWorld(async ({ world, expect }) => {
      const shut = shutSink();
      world.sink = shut.sink;
      await publish(world, numbered(20));
      const untilMs = Date.now() + 13_000; // the deadline is ten seconds
      await expect.poll(() => Date.now() > untilMs, { timeout: 20_000, interval: 500 }).toBe(true);
      expect(shut.asked).toBe(20);
      shut.open();
      await expect.poll(() => taken(world).size, WAIT).toBe(20);
      await publish(world, ['after']);
      await expect.poll(() => taken(world).has('after'), WAIT).toBe(true);
      expect(world.events).toHaveLength(21);
    }),
    60_000,
  );

  it(
    'finds out that a connection is half-open, says so, and goes on when it is not',
    inWorld(async ({ world, proxy, expect }) => {
      proxy.hold('all');
      await publish(world, numbered(5));
      await expect
        .poll(() => world.states.at(-1), WAIT)
        .toMatchObject({ kind: 'failing', reason: 'PubSubUnreachable' });
      proxy.release();
      proxy.cut();
      await expect.poll(() => taken(world).size, { timeout: 40_000, interval: 50 }).toBe(5);
      await expect.poll(() => world.states.at(-1)?.kind, WAIT).toBe('running');
    }),
    60_000,
  );

  it(
    'shares its connections with the other sources of its project, and closes them with the last',
    inWorld(async ({ world, source, proxy, expect }) => {
      const before = 3; // to publish, to acknowledge, and for the polls of up to fifty
      await expect.poll(() => proxy.connections, WAIT).toBe(before);
      const others = ['a', 'b', 'c'].map((name) =>
        world.source({ subscription: `${world.plan.subscription}-${name}` }),
      );
      const running = (): number => world.states.filter(({ kind }) => kind === 'running').length;
      await expect.poll(running, WAIT).toBeGreaterThanOrEqual(4);
      expect(proxy.connections).toBe(before);
      await Promise.all(others.map((other) => other.close()));
      expect(proxy.connections).toBe(before);
      await source.close();
      await expect.poll(() => proxy.connections, WAIT).toBe(0);
      for (const name of ['a', 'b', 'c'])
        await world.plain.subscription(`${world.plan.subscription}-${name}`).delete();
    }),
    60_000,
  );
});
