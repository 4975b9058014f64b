import { PubSub } from '@google-cloud/pubsub';
import { afterAll, beforeAll, describe, it, type ExpectStatic, type TestContext } from 'vitest';
import type { BackedChannel, Backend, ChannelSpec } from '../../../src/channels/backend.ts';
import type { Consumer } from '../../../src/channels/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { aSpec, connectTo, PROJECT, server, SETTLED, title } from './pubsub-world.ts';

const OPTIONS = { start: 'latest', inFlightMax: 10, isOrdered: false } as const;

type Scene = {
  readonly backend: Backend;
  readonly spec: ChannelSpec;
  readonly channel: BackedChannel;
  readonly topic: string;
  readonly subscription: string;
  readonly expect: ExpectStatic; // the test's own: they run side by side
};

describe.skipIf(server.kind === 'missing').concurrent(title('pubsub behind our back'), () => {
  const address = server.kind === 'running' ? server.address : '';
  const clientOptions = { universeDomain: 'googleapis.com' };
  let plain: PubSub;

  beforeAll(() => {
    plain = new PubSub({ projectId: PROJECT, apiEndpoint: address, emulatorMode: true, clientOptions });
  });
  afterAll(() => plain.close());

  const inScene =
    (claim: (scene: Scene) => Promise<void>) =>
    async ({ expect }: TestContext): Promise<void> => {
      const backend = await connectTo(address);
      const spec = aSpec({ groups: ['audit'] });
      const channel = await backend.open(spec);
      const topic = `cre-ch_${spec.namespace}_${spec.name}_${spec.uid}`;
      const subscription = `cre-sub_${spec.namespace}_${spec.name}_audit`;
      await claim({ backend, spec, channel, topic, subscription, expect });
      await (await backend.open(spec)).remove();
      await backend.close();
    };
  const into =
    (seen: string[]): Consumer =>
    async ({ event }) => (seen.push(idOf(event)), SETTLED);

  it(
    'a deleted subscription is noticed, told, and made again by the next opening',
    { timeout: 30_000 },
    inScene(async ({ backend, spec, channel, subscription, expect }) => {
      await channel.consume('audit', OPTIONS, into([]));
      await plain.subscription(subscription).delete();
      await expect.poll(() => channel.lost.aborted, { timeout: 5000 }).toBe(true);
      expect(channel.lost.reason).toMatchObject({ message: expect.stringContaining(subscription) });
      await channel.close();
      const again = await backend.open(spec);
      const seen: string[] = [];
      await again.consume('audit', OPTIONS, into(seen));
      await again.publish(anEvent('later'));
      await expect.poll(() => seen, { timeout: 5000 }).toEqual(['later']);
    }),
  );

  it(
    'a deleted topic is noticed by who publishes and by check(), and what was owed comes through the new one',
    { timeout: 60_000 },
    inScene(async ({ backend, spec, channel, topic, expect }) => {
      await channel.consume('audit', { ...OPTIONS, inFlightMax: 0 }, into([]));
      await channel.publish(anEvent('owed'));
      expect(await channel.check()).toBeUndefined();
      await plain.topic(topic).delete();
      expect(await channel.check()).toContain(topic);
      await expect(channel.publish(anEvent('refused'))).rejects.toMatchObject({
        code: 'CHANNEL_LOST',
        retryable: true,
        message: expect.stringContaining('not found'),
      });
      expect(channel.lost.aborted).toBe(true);
      await channel.close();
      const again = await backend.open(spec);
      const seen: string[] = [];
      await again.consume('audit', OPTIONS, into(seen));
      await again.publish(anEvent('later'));
      await expect.poll(() => seen.toSorted(), { timeout: 5000 }).toEqual(['later', 'owed']);
      expect(await again.check()).toBeUndefined();
    }),
  );

  it(
    'a deleted retry subscription is noticed, and a deleted dead-letter topic is told and made again',
    { timeout: 30_000 },
    inScene(async ({ backend, spec, channel, topic, subscription, expect }) => {
      await channel.consume('audit', OPTIONS, into([]));
      await plain.topic(`${topic}.dead`).delete();
      expect(await channel.check()).toContain(`${topic}.dead`);
      await plain.subscription(`${subscription}.retry`).delete();
      await expect.poll(() => channel.lost.aborted, { timeout: 5000 }).toBe(true);
      await channel.close();
      const again = await backend.open(spec);
      const failure = { dest: '', code: 400, data: '', reason: 'no' };
      await again.consume('audit', OPTIONS, async () => ({ kind: 'dead', failure }));
      await again.publish(anEvent('gone'));
      await expect.poll(() => again.deadLetters({ limit: 1 }), { timeout: 5000 }).toHaveLength(1);
    }),
  );

  it(
    'two who look at the dead letters at once both see them all, the newest first',
    { timeout: 30_000 },
    inScene(async ({ spec, channel, expect }) => {
      const failure = { dest: '', code: 400, data: '', reason: 'no' };
      await channel.consume('audit', { ...OPTIONS, inFlightMax: 1 }, async () => ({ kind: 'dead', failure }));
      const ids = Array.from({ length: 30 }, (_, i) => `e-${i}`);
      for (const id of ids) await channel.publish(anEvent(id));
      const other = await connectTo(address);
      const there = await other.open(spec);
      const seenBy = async (reader: BackedChannel, limit = 100): Promise<string[]> =>
        (await reader.deadLetters({ limit })).map(({ event }) => idOf(event));
      await expect.poll(async () => (await seenBy(channel)).length, { timeout: 10_000 }).toBe(30);
      const [here, elsewhere] = await Promise.all([seenBy(channel), seenBy(there)]);
      for (const seen of [here, elsewhere]) expect(seen.toSorted()).toEqual(ids.toSorted());
      expect(await seenBy(there, 2)).toEqual(['e-29', 'e-28']);
      await other.close();
    }),
  );

  it(
    'a subscription cannot change its order, and says so without losing what it owes',
    { timeout: 30_000 },
    inScene(async ({ channel, expect }) => {
      await channel.consume('audit', { ...OPTIONS, inFlightMax: 0 }, into([]));
      await channel.publish(anEvent('owed'));
      await expect(channel.consume('audit', { ...OPTIONS, isOrdered: true }, into([]))).rejects.toMatchObject(
        { code: 'CHANNEL_SPEC_INVALID', message: expect.stringContaining('unordered') },
      );
      const seen: string[] = [];
      await channel.consume('audit', OPTIONS, into(seen));
      await expect.poll(() => seen, { timeout: 5000 }).toEqual(['owed']);
    }),
  );

  it(
    'in an ordered group an event in back-off holds its own key, however much stands behind it, and no other (P5)',
    { timeout: 60_000 },
    inScene(async ({ channel, expect }) => {
      const settled: string[] = [];
      let isUp = false;
      await channel.consume('audit', { ...OPTIONS, isOrdered: true }, async ({ event }) => {
        if (idOf(event).endsWith('-0') && !isUp)
          return { kind: 'retry', dueMs: Date.now() + 300, reason: 'busy', code: 503 };
        settled.push(idOf(event));
        return SETTLED;
      });
      const idsOf = (key: string): string[] => Array.from({ length: 130 }, (_, i) => `${key}-${i}`);
      const blocked = ['a', 'b', 'c'];
      for (const key of blocked)
        await Promise.all(idsOf(key).map((id) => channel.publish(anEvent(id, { partitionkey: key }))));
      const others = Array.from({ length: 20 }, (_, i) => `free-${i + 1}`);
      for (const id of others) await channel.publish(anEvent(id, { partitionkey: 'free' }));
      await expect.poll(() => settled, { timeout: 15_000 }).toEqual(others);
      isUp = true;
      await expect.poll(() => settled.length, { timeout: 20_000 }).toBe(3 * 130 + 20);
      for (const key of blocked) expect(settled.filter((id) => id.startsWith(`${key}-`))).toEqual(idsOf(key));
    }),
  );
});
