import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { Consumer, GroupOptions, Verdict } from '../../../src/channels/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { seededRandom, seedOfThisRun } from '../../kit/journal.ts';
import { kafkaServer } from '../../servers/kafka.ts';
import { sharedServer } from '../../servers/shared.ts';
import { FAILURE, KafkaWorld } from './kafka-world.ts';

const server = await sharedServer(kafkaServer);
const why = server.kind === 'missing' ? ` (skipped: ${server.reason})` : '';
const address = server.kind === 'running' ? server.address : '';
const ORDERED: GroupOptions = { start: 'latest', inFlightMax: 10, isOrdered: true };
const SETTLED: Verdict = { kind: 'settled' };
const PARTITIONS = { spec: { numPartitions: 3, replicationFactor: 1, retentionDuration: 'PT168H' } };

describe.skipIf(server.kind === 'missing')(`an ordered subscription on Kafka${why}`, () => {
  let world = new KafkaWorld('');
  afterEach(() => world.release());

  it('keeps each key in order while events fail, platforms come and go, and it goes on from its notes', async () => {
    world = new KafkaWorld(address);
    const random = seededRandom(seedOfThisRun());
    const options = { ...ORDERED, sharedName: `shared-${randomUUID()}` };
    const settled: string[] = [];
    const running = new Map<string, string>(); // what each key has in work
    const together: string[] = [];
    const work: Consumer = async ({ event, attempt }, signal) => {
      const [key = ''] = idOf(event).split('.');
      const before = running.get(key);
      if (before !== undefined) together.push(`${before} and ${idOf(event)}`);
      running.set(key, idOf(event));
      await new Promise((resolve) => setTimeout(resolve, random() * 10));
      running.delete(key);
      if (signal.aborted) return { kind: 'retry', dueMs: Date.now(), reason: 'aborted', code: 0 };
      if (attempt < 4 && random() < 0.2)
        return { kind: 'retry', dueMs: Date.now() + 20, reason: 'busy', code: 503 };
      settled.push(idOf(event));
      return SETTLED;
    };
    const channels = [await world.open(PARTITIONS)];
    await channels[0]?.consume('audit', options, work);
    const publisher = await world.open(PARTITIONS);
    const next = new Map<string, number>();
    const published: string[] = [];
    const publish = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 1) {
        const key = `k${Math.floor(random() * 12)}`;
        const nth = (next.get(key) ?? 0) + 1;
        next.set(key, nth);
        published.push(`${key}.${nth}`);
        await publisher.publish(anEvent(`${key}.${nth}`, { partitionkey: key }));
      }
    };
    for (let change = 0; change < 4; change += 1) {
      const publishing = publish(60);
      if (change % 2 === 0) {
        const joined = await world.open(PARTITIONS);
        await joined.consume('audit', options, work);
        channels.push(joined);
      } else {
        await channels.shift()?.close();
      }
      await publishing;
    }
    await expect.poll(() => new Set(settled).size, { timeout: 20_000 }).toBe(published.length);
    expect(together).toEqual([]);
    expect(settled).toHaveLength(published.length); // in order, everything is handed over before it goes elsewhere
    for (const key of next.keys()) {
      const numbers = settled.filter((id) => id.startsWith(`${key}.`)).map((id) => Number(id.split('.')[1]));
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    }
  }, 60_000);

  it('keeps a later stage of an event, and what is behind it in its place, over a restart', async () => {
    world = new KafkaWorld(address);
    const reply = { ...anEvent('reply'), body: Buffer.of(0, 255) };
    let channel = await world.open();
    const before: string[] = [];
    await channel.consume('audit', ORDERED, async ({ event, stage, attempt }) => {
      before.push(`${idOf(event)} ${stage.kind} ${attempt}`);
      if (idOf(event) === 'a1' && stage.kind === 'deliver')
        return { kind: 'advance', stage: { kind: 'reply', reply } };
      return { kind: 'retry', dueMs: Date.now() + 100, reason: 'busy', code: 503 };
    });
    for (const id of ['a1', 'a2', 'b1']) await channel.publish(anEvent(id, { partitionkey: id.slice(0, 1) }));
    await expect
      .poll(() => before, { timeout: 10_000 })
      .toEqual(expect.arrayContaining(['a1 reply 2', 'b1 deliver 2'])); // so that one attempt of each is noted
    await world.closeAll();
    channel = await world.open();
    const seen: string[] = [];
    const bodies: number[][] = [];
    await channel.consume('audit', ORDERED, async ({ event, stage, attempt }) => {
      seen.push(`${idOf(event)} ${stage.kind} ${attempt > 1}`);
      if (stage.kind === 'reply') bodies.push([...stage.reply.body]);
      return SETTLED;
    });
    await expect
      .poll(() => seen.toSorted(), { timeout: 10_000 })
      .toEqual(['a1 reply true', 'a2 deliver false', 'b1 deliver true']);
    expect(seen.indexOf('a1 reply true')).toBeLessThan(seen.indexOf('a2 deliver false'));
    expect(bodies).toEqual([[0, 255]]);
  }, 30_000);

  it('puts what is given up aside, and its key goes on', async () => {
    world = new KafkaWorld(address);
    const channel = await world.open();
    const seen: string[] = [];
    await channel.consume('audit', ORDERED, async ({ event }) => {
      seen.push(idOf(event));
      return idOf(event) === 'a1' ? { kind: 'dead', failure: FAILURE } : SETTLED;
    });
    for (const id of ['a1', 'a2']) await channel.publish(anEvent(id, { partitionkey: 'a' }));
    await expect.poll(() => seen).toEqual(['a1', 'a2']);
    expect(await channel.deadLetters({ limit: 10, group: 'audit' })).toMatchObject([{ failure: FAILURE }]);
  });

  it('keeps events without a key in one order, whatever partition their topic has', async () => {
    world = new KafkaWorld(address);
    const channel = await world.open(PARTITIONS);
    const seen: string[] = [];
    await channel.consume('audit', ORDERED, async ({ event }) => (seen.push(idOf(event)), SETTLED));
    const ids = Array.from({ length: 20 }, (_, i) => `e-${i}`);
    for (const id of ids) await channel.publish(anEvent(id));
    await expect.poll(() => seen.length, { timeout: 5000 }).toBe(20);
    expect(seen).toEqual(ids);
  });
});
