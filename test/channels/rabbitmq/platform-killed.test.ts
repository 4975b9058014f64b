import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { BackedChannel } from '../../../src/channels/backend.ts';
import type { Consumer, Offer } from '../../../src/channels/channel.ts';
import { OPTIONS } from '../../contracts/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { rabbitmqServer } from '../../servers/rabbitmq.ts';
import { sharedServer } from '../../servers/shared.ts';
import type { ChildOrder } from './rabbitmq-child.ts';
import { aChannelSpec, World } from './rabbitmq-world.ts';

const server = await sharedServer(rabbitmqServer);
const why = server.kind === 'missing' ? ` (left out: ${server.reason})` : '';
const address = server.kind === 'running' ? server.address : '';

describe.skipIf(server.kind === 'missing')(`a platform on RabbitMQ is killed${why}`, () => {
  const world = new World(address);
  const folder = temporaryFolder('rabbitmq-child');
  const children: Child[] = [];
  afterEach(async () => {
    for (const child of children.splice(0)) await child.kill();
    await world.release();
  });

  /** A platform that consumes in a process of its own. */
  async function child(channel: { name: string }, more: Partial<ChildOrder> = {}): Promise<Child> {
    const said = join(folder, `said-${Math.random()}`);
    const order = { address, name: channel.name, said, inFlightMax: 10, isOrdered: false, ...more };
    const running = new Child(order);
    children.push(running);
    await expect.poll(() => running.said, { timeout: 15_000 }).toContain('ready');
    return running;
  }

  async function open(): Promise<{ spec: { name: string }; channel: BackedChannel }> {
    const spec = aChannelSpec(undefined, { groups: ['audit'] });
    return { spec, channel: await world.open(spec) };
  }

  it('P2 while events are in work: the other platform gets them, and P4 no more than those a second time', async () => {
    const { spec, channel } = await open();
    const sharedName = 'shared';
    const other = await child(spec, { sharedName });
    const seen: string[] = [];
    const settle: Consumer = async ({ event }) => (seen.push(idOf(event)), { kind: 'settled' });
    await channel.consume('audit', { ...OPTIONS, sharedName, inFlightMax: 1 }, settle);
    const ids = Array.from({ length: 300 }, (_, i) => `e-${i}`);
    for (const [i, id] of ids.entries()) {
      await channel.publish(anEvent(id, i % 20 === 0 ? { order: 'hang' } : {}));
      if (i === 200) await other.kill();
    }
    const settled = (): string[] => [...seen, ...other.linesOf('settled').map(([, id = '']) => id)];
    await expect.poll(() => new Set(settled()).size, { timeout: 20_000 }).toBe(ids.length);
    const repeats = settled().length - ids.length;
    expect(other.linesOf('settled').length).toBeGreaterThan(10); // both had a share
    expect(seen.length).toBeGreaterThan(100);
    expect(repeats).toBeLessThanOrEqual(10);
    expect(other.linesOf('warning')).toEqual([]);
  });

  it('P2 while it hangs: the other platform gets what it had in work, once its heartbeats are missed', async () => {
    const { spec, channel } = await open();
    const sharedName = 'shared';
    const other = await child(spec, { sharedName });
    await channel.publish(anEvent('hangs', { order: 'hang' }));
    await expect.poll(() => other.linesOf('offered').length).toBe(1);
    other.freeze();
    const seen: string[] = [];
    const settle: Consumer = async ({ event }) => (seen.push(idOf(event)), { kind: 'settled' });
    await channel.consume('audit', { ...OPTIONS, sharedName }, settle);
    await channel.publish(anEvent('after'));
    await expect.poll(() => seen.toSorted(), { timeout: 25_000 }).toContain('hangs');
  }, 40_000);

  it('P2 while an event is in back-off: it comes when it is due, with its attempts', async () => {
    const { spec, channel } = await open();
    const other = await child(spec);
    const beforeMs = Date.now();
    await channel.publish(anEvent('slow', { order: 'retry 1500' }));
    await expect.poll(() => other.linesOf('offered')).toEqual([['offered', 'slow', '1', 'deliver']]);
    await expect.poll(() => other.said, { timeout: 5000 }).toContain('retrying 1'); // it is kept
    await other.kill();
    const offers: [number, number][] = [];
    await channel.consume('audit', OPTIONS, async ({ attempt }) => {
      offers.push([attempt, Date.now() - beforeMs]);
      return { kind: 'settled' };
    });
    await expect.poll(() => offers.length, { timeout: 10_000 }).toBe(1);
    expect(offers[0]?.[0]).toBe(2);
    expect(offers[0]?.[1]).toBeGreaterThanOrEqual(1500);
    await expect.poll(async () => (await backlogOf(channel)).events).toBe(0);
  });

  it('P2 while it writes dead letters: each event is one, or comes again', async () => {
    const { spec, channel } = await open();
    const other = await child(spec, { inFlightMax: 50 });
    const ids = Array.from({ length: 600 }, (_, i) => `e-${i}`);
    const published = Promise.all(ids.map((id) => channel.publish(anEvent(id, { order: 'dead' }))));
    await expect.poll(async () => (await backlogOf(channel)).dead, { interval: 1 }).toBeGreaterThan(0);
    await other.kill();
    await published;
    const again: string[] = [];
    await channel.consume(
      'audit',
      OPTIONS,
      async ({ event }) => (again.push(idOf(event)), { kind: 'settled' }),
    );
    const dead = async (): Promise<string[]> =>
      (await channel.deadLetters({ limit: 1000 })).map(({ event }) => idOf(event));
    await expect.poll(async () => new Set([...again, ...(await dead())]).size, { timeout: 10_000 }).toBe(600);
    await expect.poll(async () => (await backlogOf(channel)).events).toBe(0);
    expect((await dead()).length).toBeGreaterThan(0);
    expect(again.length + (await dead()).length - 600).toBeLessThanOrEqual(50); // P4
  });

  it('P5 while a key waits in order: whoever takes over begins with it, its attempts and its stage', async () => {
    const { spec, channel } = await open();
    const other = await child(spec, { isOrdered: true });
    const key = (id: string, order: string) => anEvent(id, { order, partitionkey: id.slice(0, 1) });
    for (const event of [
      key('a1', 'retry 400'),
      key('b1', 'reply 400'),
      key('a2', 'settle'),
      key('c1', 'settle'),
      key('b2', 'settle'),
    ])
      await channel.publish(event);
    const offered = (id: string, ...rest: string[]) => ['offered', id, ...rest];
    await expect
      .poll(() => other.linesOf('offered'), { timeout: 10_000 })
      .toEqual(expect.arrayContaining([offered('a1', '2', 'deliver'), offered('b1', '1', 'reply')]));
    await other.kill();
    const offers: Offer[] = [];
    await channel.consume('audit', { ...OPTIONS, isOrdered: true }, async (offer) => {
      offers.push(offer);
      return { kind: 'settled' };
    });
    const told = (prefix: string): string[] =>
      offers
        .filter(({ event }) => idOf(event).startsWith(prefix))
        .map(
          ({ event, attempt, stage }) => `${idOf(event)} ${attempt > 1 ? 'again' : attempt} ${stage.kind}`,
        );
    await expect.poll(() => offers.length, { timeout: 15_000 }).toBeGreaterThanOrEqual(4);
    expect([...new Set(told('a'))]).toEqual(['a1 again deliver', 'a2 1 deliver']); // P4: its copy may be there twice
    expect(told('b').at(0)).toMatch(/^b1 (1|again) reply$/);
    expect(told('b').at(-1)).toBe('b2 1 deliver');
    expect(told('c')).toEqual([]); // it had been settled
  });
});

async function backlogOf(channel: BackedChannel) {
  const [backlog] = await channel.backlog();
  return backlog ?? { events: -1, dead: -1 };
}

class Child {
  readonly #process: ChildProcess;
  readonly #said: string;

  constructor(order: ChildOrder) {
    this.#said = order.said;
    const file = join(import.meta.dirname, 'rabbitmq-child.ts');
    this.#process = spawn(process.execPath, [file, JSON.stringify(order)], { stdio: 'inherit' });
  }

  get said(): string {
    return existsSync(this.#said) ? readFileSync(this.#said, 'utf8') : '';
  }

  linesOf(what: string): string[][] {
    return this.said
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([first]) => first === what);
  }

  freeze(): void {
    this.#process.kill('SIGSTOP');
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}
