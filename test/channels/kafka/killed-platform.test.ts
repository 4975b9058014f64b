import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Channel } from '../../../src/channels/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { kafkaServer } from '../../servers/kafka.ts';
import { sharedServer } from '../../servers/shared.ts';
import { KafkaWorld, QUICK } from './kafka-world.ts';

const folder = temporaryFolder('kafka-child');
const server = await sharedServer(kafkaServer);
const why = server.kind === 'missing' ? ` (skipped: ${server.reason})` : '';
const OPTIONS = { start: 'latest', inFlightMax: 10, isOrdered: false } as const;
const IN_FLIGHT = 10;
/** What was settled within the last commit interval comes again, too: 10 at a time, 5 ms each, 100 ms. */
const IN_INTERVAL = 200;
const TAKEN_OVER_MAX_MS = QUICK.times.sessionTimeoutMs + 5000;

type Child = { readonly process: ChildProcess; said(what: string): string[][] };

async function startChild(world: KafkaWorld, sharedName?: string): Promise<Child> {
  const file = join(folder, `said-${randomUUID()}`);
  const args = [join(import.meta.dirname, 'kafka-child.ts'), ...world.args, file];
  const child = spawn(process.execPath, sharedName === undefined ? args : [...args, sharedName], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const said = (what: string): string[][] =>
    (existsSync(file) ? readFileSync(file, 'utf8') : '')
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([first]) => first === what);
  return { process: child, said };
}

const many = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${what}-${i}`);
const publishAll = async (channel: Channel, ids: readonly string[]): Promise<unknown> =>
  Promise.all(ids.map((id) => channel.publish(anEvent(id))));
const namesIn = (lines: readonly string[][]): string[] => lines.map(([, id = '']) => id);

describe.skipIf(server.kind === 'missing')(`a platform that dies${why}`, () => {
  let world = new KafkaWorld('');
  let child: Child | undefined;
  const open = async (): Promise<Channel & Awaited<ReturnType<KafkaWorld['open']>>> => {
    world = new KafkaWorld(server.kind === 'running' ? server.address : '');
    return world.open();
  };
  const endChild = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined || child.process.exitCode !== null || child.process.signalCode !== null) return;
    child.process.kill(signal);
    await once(child.process, 'exit');
  };
  afterEach(async () => {
    await endChild('SIGKILL');
    await world.release();
  });

  it('with kill -9 while events are in work: none is lost, and few but those come again', async () => {
    const channel = await open();
    child = await startChild(world);
    const ids = [...many('ok', 300), ...many('hang', 5), ...many('later', 300)];
    await publishAll(channel, ids);
    await expect.poll(() => child?.said('settled').length, { timeout: 10_000 }).toBeGreaterThan(200);
    await endChild('SIGKILL');
    const settled = new Set(namesIn(child.said('settled')));
    const seen: string[] = [];
    await channel.consume(
      'audit',
      OPTIONS,
      async ({ event }) => (seen.push(idOf(event)), { kind: 'settled' }),
    );
    const missing = (): string[] => ids.filter((id) => !settled.has(id) && !seen.includes(id));
    await expect.poll(missing, { timeout: TAKEN_OVER_MAX_MS }).toEqual([]);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => settled.has(id)).length).toBeLessThanOrEqual(IN_FLIGHT + IN_INTERVAL);
    await expect.poll(() => channel.backlog(), { timeout: 5000 }).toMatchObject([{ events: 0 }]);
  }, 40_000);

  it('with kill -9 while events are in back-off: their attempts count on, and none comes before its time', async () => {
    const channel = await open();
    child = await startChild(world);
    const ids = many('retry', 20);
    await publishAll(channel, ids);
    await expect.poll(() => child?.said('offered').length).toBe(20);
    const owed = async (): Promise<unknown> => (await channel.backlog())[0];
    await expect.poll(owed, { timeout: 5000 }).toMatchObject({ events: 20, retrying: 20 });
    await endChild('SIGKILL');
    const seen: [id: string, attempt: number, atMs: number][] = [];
    await channel.consume('audit', OPTIONS, async ({ event, attempt }) => {
      seen.push([idOf(event), attempt, Date.now()]);
      return { kind: 'settled' };
    });
    await expect.poll(() => seen.length, { timeout: TAKEN_OVER_MAX_MS }).toBe(20);
    expect(seen.map(([id]) => id).toSorted()).toEqual(ids.toSorted());
    expect(seen.map(([, attempt]) => attempt)).toEqual(Array.from({ length: 20 }, () => 2));
    const dueMs = new Map(child.said('due').map(([, id = '', ms]) => [id, Number(ms)]));
    const early = seen.filter(([id, , atMs]) => atMs < (dueMs.get(id) ?? Number.POSITIVE_INFINITY));
    expect(early).toEqual([]);
  }, 40_000);

  it('with kill -9 while events become dead letters: each is one, or is offered again', async () => {
    const channel = await open();
    child = await startChild(world);
    const ids = many('dead', 400);
    const published = publishAll(channel, ids);
    await expect.poll(async () => (await channel.deadLetters({ limit: 1 })).length).toBe(1);
    await endChild('SIGKILL');
    await published;
    const dead = await channel.deadLetters({ limit: 1000 });
    const buried = new Set(dead.map(({ event }) => idOf(event)));
    expect(dead.length - buried.size).toBe(0);
    const again = new Set<string>();
    await channel.consume(
      'audit',
      OPTIONS,
      async ({ event }) => (again.add(idOf(event)), { kind: 'settled' }),
    );
    const missing = (): string[] => ids.filter((id) => !buried.has(id) && !again.has(id));
    await expect.poll(missing, { timeout: TAKEN_OVER_MAX_MS }).toEqual([]);
    expect([...again].filter((id) => buried.has(id)).length).toBeLessThanOrEqual(IN_FLIGHT + IN_INTERVAL);
  }, 40_000);

  it('or only hangs is taken over from, and settles nothing of it when it wakes', async () => {
    const channel = await open();
    const shared = `shared-${world.name}`;
    child = await startChild(world, shared);
    const seen: string[] = [];
    const options = { ...OPTIONS, sharedName: shared };
    await channel.consume(
      'mine',
      options,
      async ({ event }) => (seen.push(idOf(event)), { kind: 'settled' }),
    );
    const ids = many('ok', 100);
    await publishAll(channel, ids);
    const count = (): number => new Set([...seen, ...namesIn(child?.said('settled') ?? [])]).size;
    await expect.poll(count, { timeout: 10_000 }).toBe(100);
    child.process.kill('SIGSTOP');
    await publishAll(channel, many('while', 100));
    await expect.poll(count, { timeout: TAKEN_OVER_MAX_MS }).toBe(200);
    child.process.kill('SIGCONT');
    await publishAll(channel, many('after', 100));
    await expect.poll(count, { timeout: 10_000 }).toBe(300);
    const settled = [...seen, ...namesIn(child.said('settled'))];
    expect(settled.length - new Set(settled).size).toBeLessThanOrEqual(IN_FLIGHT + IN_INTERVAL);
    await expect.poll(() => channel.backlog(), { timeout: 5000 }).toMatchObject([{ events: 0 }]);
  }, 60_000);
});
