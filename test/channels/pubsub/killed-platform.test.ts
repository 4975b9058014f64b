import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it, type ExpectStatic, type TestContext } from 'vitest';
import type { BackedChannel, Backend } from '../../../src/channels/backend.ts';
import type { GroupOptions } from '../../../src/channels/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import type { ChildOrder } from './pubsub-child.ts';
import { aClaim, aSpec, connectTo, server, SETTLED, title } from './pubsub-world.ts';

const SCRIPT = fileURLToPath(new URL('./pubsub-child.ts', import.meta.url));
/** A lease of ten seconds runs out first. */
const TAKEN_OVER = { timeout: 40_000, interval: 50 };

/** One channel, a platform here, and others in processes of their own. */
class World {
  readonly address: string;
  readonly spec = aSpec({ groups: ['audit'] }, aClaim(true));
  readonly backends: Backend[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'millrace-pubsub-'));
  readonly #expect: ExpectStatic;
  readonly #children: ChildProcess[] = [];

  constructor(address: string, expect: ExpectStatic) {
    this.address = address;
    this.#expect = expect;
  }

  async platform(): Promise<BackedChannel> {
    const backend = await connectTo(this.address);
    this.backends.push(backend);
    return backend.open(this.spec);
  }

  async child(options: Partial<ChildOrder> = {}): Promise<{ kill: () => void; lines: () => string[] }> {
    const said = join(this.#folder, randomUUID());
    const { address, spec } = this;
    const order = { address, spec, group: 'audit', said, inFlightMax: 10, isOrdered: false, ...options };
    const child = spawn(process.execPath, [SCRIPT, JSON.stringify(order)], { stdio: 'inherit' });
    this.#children.push(child);
    const lines = (): string[] => (existsSync(said) ? readFileSync(said, 'utf8').trim().split('\n') : []);
    await this.#expect.poll(lines, { timeout: 20_000, interval: 50 }).toContain('ready');
    return { kill: () => void child.kill('SIGKILL'), lines };
  }

  async end(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await (await this.platform()).remove();
    await Promise.all(this.backends.map((backend) => backend.close()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What is offered here, which settles it all. */
async function offersOf(channel: BackedChannel, options: Partial<GroupOptions> = {}): Promise<string[]> {
  const offers: string[] = [];
  const served = { start: 'latest', inFlightMax: 10, isOrdered: false, ...options } as const;
  await channel.consume('audit', served, async ({ event, attempt, stage }) => {
    offers.push(`${idOf(event)} ${attempt} ${stage.kind}`);
    return SETTLED;
  });
  return offers;
}

type Scene = {
  readonly world: World;
  readonly channel: BackedChannel;
  readonly expect: ExpectStatic; // the test's own: they run side by side
};

describe.skipIf(server.kind === 'missing').concurrent(title('pubsub when a platform is killed'), () => {
  const inWorld =
    (claim: (scene: Scene) => Promise<void>) =>
    async ({ expect }: TestContext): Promise<void> => {
      const world = new World(server.kind === 'running' ? server.address : '', expect);
      try {
        await claim({ world, expect, channel: await world.platform() });
      } finally {
        await world.end();
      }
    };

  it(
    'offers again what was at work, in back-off or in a later stage, goes on counting, and repeats nothing that was done',
    inWorld(async ({ world, channel, expect }) => {
      const child = await world.child();
      const startMs = Date.now();
      for (const [id, order] of [
        ['works', 'hang'],
        ['waits', 'retry 4000'],
        ['waits long', 'retry 12000'], // longer than a lease
        ['answered', 'reply 4000'],
        ['given up', 'dead'],
        ['done', 'settle'],
      ] as const)
        await channel.publish(anEvent(id, { order }));
      await expect
        .poll(child.lines, { timeout: 10_000 })
        .toEqual(
          expect.arrayContaining(['settled done', 'offered answered 1 reply', 'offered given up 1 deliver']),
        );
      await expect.poll(() => channel.deadLetters({ limit: 5 }), { timeout: 10_000 }).toHaveLength(1);
      await expect
        .poll(child.lines)
        .toEqual(expect.arrayContaining(['offered works 1 deliver', 'offered waits 1 deliver']));
      child.kill();
      const offers = await offersOf(channel);
      await expect
        .poll(() => offers.toSorted(), TAKEN_OVER)
        .toEqual(['answered 2 reply', 'waits 2 deliver', 'waits long 2 deliver', 'works 1 deliver']);
      expect(Date.now() - startMs).toBeGreaterThan(12_000);
      expect(await channel.deadLetters({ limit: 5 })).toMatchObject([
        { group: 'audit', attempts: 1, failure: { code: 410, reason: 'gone' } },
      ]);
      expect(child.lines().filter((line) => line.startsWith('warning'))).toEqual([]);
    }),
    60_000,
  );

  it(
    'keeps a dead letter exactly once seen, or the event owed, wherever dead-lettering is cut',
    inWorld(async ({ world, channel, expect }) => {
      const child = await world.child();
      const ids = Array.from({ length: 40 }, (_, i) => `e-${i}`);
      const publishing = Promise.all(ids.map((id) => channel.publish(anEvent(id, { order: 'dead' }))));
      await expect.poll(() => child.lines().length, { interval: 1, timeout: 10_000 }).toBeGreaterThan(10);
      child.kill();
      await publishing;
      const offers = await offersOf(channel);
      const letters = async (): Promise<string[]> =>
        (await channel.deadLetters({ limit: 100 })).map(({ event }) => idOf(event));
      const found = async (): Promise<number> =>
        new Set([...(await letters()), ...offers.map((line) => line.split(' ')[0])]).size;
      await expect.poll(found, TAKEN_OVER).toBe(40);
    }),
    60_000,
  );

  it(
    'keeps the order of a key over a kill, and how often its first event was tried (P5)',
    inWorld(async ({ world, channel, expect }) => {
      const child = await world.child({ isOrdered: true });
      const to = await world.platform(); // which finds an ordered group, and publishes with keys
      for (const [id, order] of [
        ['a1', 'retry 1000'],
        ['b1', 'settle'],
        ['a2', 'settle'],
        ['b2', 'settle'],
        ['a3', 'settle'],
      ] as const)
        await to.publish(anEvent(id, { order, partitionkey: id.slice(0, 1) }));
      await expect
        .poll(child.lines, { timeout: 10_000 })
        .toEqual(expect.arrayContaining(['offered a1 2 deliver', 'settled b1', 'settled b2']));
      child.kill();
      const offers = await offersOf(channel, { isOrdered: true });
      await expect
        .poll(() => offers, TAKEN_OVER)
        .toEqual([expect.stringMatching(/^a1 [23] deliver$/), 'a2 1 deliver', 'a3 1 deliver']);
    }),
    60_000,
  );

  it.for([false, true])(
    'lets the other platform of a shared group take over (ordered: %s)',
    { timeout: 60_000 },
    (isOrdered, context) =>
      inWorld(async ({ world, channel, expect }) => {
        const sharedName = `shared-${randomUUID()}`;
        const child = await world.child({ sharedName, isOrdered, inFlightMax: 3, group: 'theirs' });
        const offers = await offersOf(channel, { sharedName, isOrdered, inFlightMax: 3 });
        const ids = Array.from({ length: 30 }, (_, i) => `e-${i}`);
        for (const id of ids) await channel.publish(anEvent(id, { partitionkey: `k-${id}` }));
        const settled = (): string[] => [
          ...child.lines().flatMap((line) => (line.startsWith('settled ') ? [line.slice(8)] : [])),
          ...offers.map((line) => line.split(' ')[0] ?? ''),
        ];
        await expect.poll(() => settled().length, { timeout: 10_000 }).toBe(30);
        expect(settled().toSorted()).toEqual(ids.toSorted()); // each to one of them
        for (let i = 0; i < 10; i += 1)
          await channel.publish(anEvent(`hangs-${i}`, { order: 'hang', partitionkey: `k-${i}` }));
        child.kill();
        await expect.poll(() => new Set(settled()).size, TAKEN_OVER).toBe(40);
        expect(offers.filter((line) => line.startsWith('hangs'))).toHaveLength(10);
      })(context),
  );
});
