import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SourceTools } from '../../../src/sources/source.ts';
import { MemoryBookmark } from '../../contracts/source.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { kafkaServer } from '../../servers/kafka.ts';
import { sharedServer } from '../../servers/shared.ts';
import { bodyOf, QUICK, SourceWorld, stateOf, type Watched } from './source-world.ts';

const server = await sharedServer(kafkaServer);
const why = server.kind === 'missing' ? ` (skipped: ${server.reason})` : '';
const WAIT = { timeout: 15_000, interval: 20 };
const TAKEN_OVER = { timeout: QUICK.sessionTimeoutMs + 10_000, interval: 50 };
/** In hand, and what was taken within the last commit interval of 100 ms, at 20 ms each; with as much to spare. */
const REPEATED_MAX = { ordered: 2 + 2 * 10, unordered: 50 + 50 * 6 };

const many = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${what}-${i}`);
const running = (watched: Watched): Promise<void> =>
  expect.poll(() => stateOf(watched), WAIT).toBe('running');

describe.skipIf(server.kind === 'missing')(`platforms that share a consumer group${why}`, () => {
  let world: SourceWorld;
  let child: { readonly process: ChildProcess; taken(): string[] } | undefined;
  beforeEach(() => void (world = new SourceWorld(server.kind === 'running' ? server.address : '')));
  afterEach(async () => {
    await endChild();
    await world.release();
  });

  async function startChild(ordering: string): Promise<NonNullable<typeof child>> {
    const file = join(temporaryFolder('kafka-source-child'), 'taken');
    const args = [
      join(import.meta.dirname, 'source-child.ts'),
      world.address,
      world.topic,
      world.group,
      ordering,
      file,
    ];
    const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(started.stdout, 'data');
    const taken = (): string[] =>
      (existsSync(file) ? readFileSync(file, 'utf8') : '').split('\n').slice(0, -1);
    return { process: started, taken };
  }
  async function endChild(): Promise<void> {
    if (child === undefined || child.process.exitCode !== null || child.process.signalCode !== null) return;
    child.process.kill('SIGKILL');
    await once(child.process, 'exit');
  }

  it('divide the partitions, and one that leaves is taken over from where it was', async () => {
    await world.makeTopic(4);
    const plan = world.plan({ isOrdered: false });
    const first = world.open(plan);
    await running(first);
    const second = world.open(plan, undefined, new MemoryBookmark());
    await running(second);
    const claims = (watched: Watched): unknown => Reflect.get(watched.states.at(-1) ?? {}, 'fields');
    await expect
      .poll(
        () =>
          [claims(first), claims(second)]
            .map((each) => String(Reflect.get(Object(each), 'claims')))
            .toSorted(),
        WAIT,
      )
      .toEqual([`${world.topic}: 0,2`, `${world.topic}: 1,3`]);
    for (let partition = 0; partition < 4; partition += 1)
      await world.send(many(`p${partition}`, 20), { partition });
    await expect.poll(() => first.bodies.length + second.bodies.length, WAIT).toBe(80);
    expect([first.bodies.length, second.bodies.length]).toEqual([40, 40]);
    await first.source.close();
    for (let partition = 0; partition < 4; partition += 1)
      await world.send([`later-${partition}`], { partition });
    await expect.poll(() => second.bodies.length, WAIT).toBe(44);
    expect(first.bodies).toHaveLength(40);
  });

  it('lose nothing, and keep each partition in order, while platforms come and go', async () => {
    await world.makeTopic(3);
    const seen = new Map<number, number[]>();
    const take: SourceTools['deliver'] = async (event) => {
      const [, partition, n] = /^p(\d)-(\d+)$/.exec(bodyOf(event)) ?? [];
      seen.set(Number(partition), [...(seen.get(Number(partition)) ?? []), Number(n)]);
      return 'taken';
    };
    const stays = world.open(world.plan(), take);
    await running(stays);
    let isDone = false;
    let sent = 0;
    const sending = (async () => {
      for (; !isDone; sent += 5)
        for (let partition = 0; partition < 3; partition += 1)
          await world.send(
            [0, 1, 2, 3, 4].map((n) => `p${partition}-${sent + n}`),
            { partition },
          );
    })();
    for (let comer = 0; comer < 4; comer += 1) {
      const passing = world.open(world.plan(), take, new MemoryBookmark());
      await running(passing);
      await passing.source.close();
    }
    isDone = true;
    await sending;
    const wanted = Array.from({ length: sent }, (_, n) => n);
    for (let partition = 0; partition < 3; partition += 1)
      await expect.poll(() => seen.get(partition), WAIT).toEqual(wanted); // each once, too: all closed in order
  }, 40_000);

  it.each(['ordered', 'unordered'] as const)(
    'lose nothing when one is killed with -9 in its work (%s)',
    async (ordering) => {
      await world.makeTopic(2);
      child = await startChild(ordering);
      const bodies = many('e', 600);
      for (let partition = 0; partition < 2; partition += 1)
        await world.send(bodies.slice(partition * 300, partition * 300 + 300), { partition });
      await expect.poll(() => child?.taken().length, WAIT).toBeGreaterThan(100);
      await endChild();
      const taken = child.taken();
      const heir = world.open(
        world.plan({ isOrdered: ordering === 'ordered' }),
        undefined,
        new MemoryBookmark(),
      );
      const missing = (): string[] => {
        const seen = new Set([...taken, ...heir.bodies]);
        return bodies.filter((body) => !seen.has(body));
      };
      await expect.poll(missing, TAKEN_OVER).toEqual([]);
      expect(new Set(heir.bodies).size).toBe(heir.bodies.length);
      const repeated = heir.bodies.filter((body) => taken.includes(body)).length;
      expect(repeated).toBeLessThanOrEqual(REPEATED_MAX[ordering]);
      await expect.poll(() => world.committed(), WAIT).toEqual([300, 300]);
    },
    40_000,
  );

  it('may ask for different topics, and each is given its own', async () => {
    const [both, only] = [`${world.topic}-b`, world.topic];
    await world.makeTopic(2, only);
    await world.makeTopic(2, both);
    const first = world.open(world.plan({ topics: [only] }));
    const second = world.open(world.plan({ topics: [only, both] }), undefined, new MemoryBookmark());
    await running(first);
    await running(second);
    for (const partition of [0, 1]) {
      await world.send([`only-${partition}`], { partition, topic: only });
      await world.send([`both-${partition}`], { partition, topic: both });
    }
    await expect
      .poll(() => second.bodies.filter((body) => body.startsWith('both')).toSorted(), WAIT)
      .toEqual(['both-0', 'both-1']);
    await expect
      .poll(
        () => [...first.bodies, ...second.bodies].filter((body) => body.startsWith('only')).toSorted(),
        WAIT,
      )
      .toEqual(['only-0', 'only-1']);
    expect(first.bodies.filter((body) => body.startsWith('both'))).toEqual([]);
  });
});
