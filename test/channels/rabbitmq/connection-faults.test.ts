import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BackedChannel, Backend, ChannelSpec } from '../../../src/channels/backend.ts';
import type { Consumer, Verdict } from '../../../src/channels/channel.ts';
import { OPTIONS } from '../../contracts/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { Journal, seededRandom, seedOfThisRun } from '../../kit/journal.ts';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import { rabbitmqServer } from '../../servers/rabbitmq.ts';
import { sharedServer } from '../../servers/shared.ts';
import { journalled, Load } from './rabbitmq-load.ts';
import { aChannelSpec, World } from './rabbitmq-world.ts';

const server = await sharedServer(rabbitmqServer);
const why = server.kind === 'missing' ? ` (left out: ${server.reason})` : '';
const address = server.kind === 'running' ? server.address : '';
const SETTLED: Verdict = { kind: 'settled' };

describe.skipIf(server.kind === 'missing')(`the connection to RabbitMQ breaks${why}`, () => {
  const world = new World(address);
  let proxy: TcpProxy;
  let spec: ChannelSpec;
  let backend: Backend;
  let channel: BackedChannel;
  beforeEach(async () => {
    const { hostname, port, username, password } = new URL(address);
    proxy = await TcpProxy.open(hostname, Number(port));
    backend = await world.platform(`amqp://${username}:${password}@127.0.0.1:${proxy.port}`);
    channel = await world.open((spec = aChannelSpec()), backend);
  });
  afterEach(async () => {
    await world.release();
    await proxy.close();
  });

  /** The same channel on a connection that nobody breaks. */
  const reopen = (): Promise<BackedChannel> => world.open({ ...spec, groups: ['audit'] });
  const isLost = (within = 2000) =>
    expect.poll(() => channel.lost.aborted && backend.lost.aborted, { timeout: within }).toBe(true);

  it('when the broker took an event and its answer is cut: the sender is told, and the event is kept', async () => {
    const seen: string[] = [];
    await channel.consume('audit', { ...OPTIONS, inFlightMax: 0 }, async () => SETTLED);
    await channel.publish(anEvent('opens the way'));
    proxy.hold('answers');
    const before = proxy.requestBytes;
    const publishing = channel.publish(anEvent('taken')).then(
      () => 'accepted',
      (error: unknown) => error,
    );
    await expect.poll(() => proxy.requestBytes - before).toBeGreaterThan(100);
    const direct = await reopen();
    await expect.poll(async () => (await direct.backlog())[0]?.events).toBe(2);
    proxy.cut();
    expect(await publishing).toMatchObject({ code: 'CHANNEL_LOST', retryable: true });
    await isLost();
    await expect(channel.publish(anEvent())).rejects.toMatchObject({ code: 'CHANNEL_LOST' });
    const settle: Consumer = async ({ event }) => (seen.push(idOf(event)), SETTLED);
    await direct.consume('audit', OPTIONS, settle);
    await expect.poll(() => seen).toEqual(['opens the way', 'taken']);
  });

  it('while events are in work: nothing is acknowledged by whoever had them, and they come again', async () => {
    const gates: ((verdict: Verdict) => void)[] = [];
    await channel.consume(
      'audit',
      { ...OPTIONS, inFlightMax: 3 },
      () => new Promise((resolve) => gates.push(resolve)),
    );
    for (const id of ['a', 'b', 'c', 'd']) await channel.publish(anEvent(id));
    await expect.poll(() => gates.length).toBe(3);
    proxy.cut();
    await isLost();
    gates[0]?.(SETTLED);
    gates[1]?.({ kind: 'retry', dueMs: Date.now(), reason: 'busy', code: 503 });
    const seen: string[] = [];
    const direct = await reopen();
    await direct.consume('audit', OPTIONS, async ({ event, attempt }) => {
      seen.push(`${idOf(event)} ${attempt}`);
      return SETTLED;
    });
    await expect.poll(() => seen.toSorted()).toEqual(['a 1', 'b 1', 'c 1', 'd 1']);
    await expect.poll(async () => (await direct.backlog())[0]?.events).toBe(0);
  });

  it('again and again under load: nothing is lost, invented or altered', async () => {
    const random = seededRandom(seedOfThisRun());
    const journal = new Journal();
    await channel.consume('audit', OPTIONS, journalled(journal, random));
    const current = { publish: (...[event]: Parameters<BackedChannel['publish']>) => channel.publish(event) };
    const load = new Load(current, journal, 8, random);
    for (let cut = 0; cut < 10; cut += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20 + random() * 80)); // a random moment is tested
      proxy.cut();
      await isLost();
      backend = await world.platform(`amqp://127.0.0.1:${proxy.port}`);
      channel = await world.open({ ...spec, groups: ['audit'] }, backend);
      await channel.consume('audit', OPTIONS, journalled(journal, random));
    }
    await load.end();
    await expect.poll(() => journal.missing(), { timeout: 10_000 }).toEqual([]);
    await expect.poll(async () => (await channel.backlog())[0]?.events).toBe(0);
    process.stdout.write(`${JSON.stringify(journal.counts)}\n`);
    expect(journal.judge()).toEqual({ lost: [], invented: [], altered: [] });
    expect(journal.counts.repeats).toBeLessThanOrEqual(10 * (OPTIONS.inFlightMax + 8 + 100));
  }, 60_000);

  it('when nothing comes through and nothing ends: a sender is told within 5 s, and the heartbeats end it', async () => {
    const offered: string[] = [];
    await channel.consume('audit', OPTIONS, async ({ event }) => {
      offered.push(idOf(event));
      return new Promise(() => undefined);
    });
    await channel.publish(anEvent('in work'));
    await expect.poll(() => offered).toEqual(['in work']);
    proxy.hold('all');
    const startMs = performance.now();
    await expect(channel.publish(anEvent('unheard'))).rejects.toMatchObject({
      code: 'CHANNEL_LOST',
      retryable: true,
    });
    expect(performance.now() - startMs).toBeLessThan(5200);
    await isLost(20_000);
    const direct = await reopen();
    const seen: string[] = [];
    await direct.consume('audit', OPTIONS, async ({ event }) => (seen.push(idOf(event)), SETTLED));
    await expect.poll(() => seen, { timeout: 20_000 }).toContain('in work'); // when the broker has missed it too
  }, 60_000);
});
