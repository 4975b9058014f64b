import { afterEach, describe, expect, it } from 'vitest';
import type { BackedChannel, ChannelSpec } from '../../../src/channels/backend.ts';
import type { Consumer, Verdict } from '../../../src/channels/channel.ts';
import { ORDERED_WINDOW } from '../../../src/channels/rabbitmq/ordered-session.ts';
import { OPTIONS } from '../../contracts/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { rabbitmqServer } from '../../servers/rabbitmq.ts';
import { sharedServer } from '../../servers/shared.ts';
import { aChannelSpec, World } from './rabbitmq-world.ts';

const server = await sharedServer(rabbitmqServer);
const why = server.kind === 'missing' ? ` (left out: ${server.reason})` : '';
const address = server.kind === 'running' ? server.address : '';
const SETTLED: Verdict = { kind: 'settled' };
const retryIn = (ms: number): Verdict => ({
  kind: 'retry',
  dueMs: Date.now() + ms,
  reason: 'busy',
  code: 503,
});
const ORDERED = { ...OPTIONS, isOrdered: true };

describe.skipIf(server.kind === 'missing')(`an ordered group in RabbitMQ${why}`, () => {
  const world = new World(address);
  let spec: ChannelSpec;
  afterEach(() => world.release());

  const open = async (): Promise<BackedChannel> => world.open((spec = aChannelSpec()));
  const keyed = (id: string) => anEvent(id, { partitionkey: id.split('-')[0] ?? '' });
  const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 15_000 });

  it('P5 is served by one of two platforms at a time, and the order holds when the other takes over', async () => {
    const first = await open();
    const second = await world.open({ ...spec, groups: [] });
    const settled: string[] = [];
    const by: string[] = [];
    const serve =
      (name: string): Consumer =>
      async ({ event, attempt }) => {
        by.push(name);
        if (attempt === 1 && idOf(event).endsWith('5')) return retryIn(30);
        settled.push(idOf(event));
        return SETTLED;
      };
    const options = { ...ORDERED, sharedName: 'in-order' };
    await first.consume('audit', options, serve('first'));
    await second.consume('theirs', options, serve('second'));
    const keys = ['a', 'b', 'c'];
    const publish = async (from: number, until: number): Promise<void> => {
      for (let i = from; i < until; i += 1)
        for (const key of keys) await second.publish(keyed(`${key}-${i}`));
    };
    await publish(0, 50);
    await eventually(() => settled.length).toBeGreaterThan(30);
    expect(new Set(by)).toEqual(new Set(['first']));
    await Promise.all([first.close(), publish(50, 100)]);
    await eventually(() => new Set(settled).size).toBe(300);
    expect(new Set(by)).toEqual(new Set(['first', 'second']));
    for (const key of keys) {
      const order = settled.filter((id) => id.startsWith(key)).map((id) => Number(id.split('-')[1]));
      expect(order.filter((each, i) => order.indexOf(each) === i)).toEqual(
        Array.from({ length: 100 }, (_, i) => i),
      );
    }
    expect(settled.length).toBe(300); // closed in order, it repeats nothing
  }, 40_000);

  it('keeps everything when the order is switched on and off with events owed', async () => {
    const channel = await open();
    const settled: string[] = [];
    const busy: Consumer = async () => retryIn(100);
    const settle: Consumer = async ({ event }) => (settled.push(idOf(event)), SETTLED);
    await channel.consume('audit', OPTIONS, busy);
    const ids = Array.from({ length: 30 }, (_, i) => `${i % 3}-${i}`);
    for (const id of ids.slice(0, 10)) await channel.publish(keyed(id));
    await eventually(async () => (await channel.backlog())[0]).toMatchObject({ events: 10, inFlight: 0 });
    await channel.consume('audit', ORDERED, busy);
    for (const id of ids.slice(10, 20)) await channel.publish(keyed(id));
    await eventually(async () => (await channel.backlog())[0]?.events).toBe(20);
    await channel.consume('audit', { ...ORDERED, inFlightMax: 0 }, busy);
    await channel.consume('audit', OPTIONS, busy);
    for (const id of ids.slice(20)) await channel.publish(keyed(id));
    await eventually(async () => (await channel.backlog())[0]?.events).toBe(30);
    await channel.consume('audit', ORDERED, settle);
    await eventually(() => new Set(settled).size).toBe(30);
    await eventually(async () => (await channel.backlog())[0]).toMatchObject({ events: 0, retrying: 0 });
    expect(settled).toHaveLength(30);
  }, 40_000);

  it('P6 has no more of a long backlog at hand than its window, while the first key waits', async () => {
    const channel = await open();
    let isUp = false;
    const settled: string[] = [];
    await channel.consume('audit', ORDERED, async ({ event }) => {
      if (idOf(event).startsWith('slow') && !isUp) return retryIn(200);
      settled.push(idOf(event));
      return SETTLED;
    });
    const many = ORDERED_WINDOW + 200;
    await Promise.all(Array.from({ length: many }, (_, i) => channel.publish(keyed(`slow-${i}`))));
    await channel.publish(keyed('other-1'));
    await eventually(async () => (await channel.backlog())[0]?.events).toBe(many + 1);
    expect(settled).toEqual([]); // it stands behind more of the waiting key than the window holds
    isUp = true;
    await eventually(() => settled.length).toBe(many + 1);
    expect(new Set(settled).size).toBe(many + 1);
  }, 40_000);
});
