import { afterEach, describe, expect, it } from 'vitest';
import type { Verdict } from '../../../src/channels/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { plainKafka, plainProducer } from '../../kit/plain-kafka.ts';
import { kafkaServer } from '../../servers/kafka.ts';
import { sharedServer } from '../../servers/shared.ts';
import { FAILURE, KafkaWorld, QUICK } from './kafka-world.ts';

const server = await sharedServer(kafkaServer);
const why = server.kind === 'missing' ? ` (skipped: ${server.reason})` : '';
const OPTIONS = { start: 'latest', inFlightMax: 10, isOrdered: false } as const;
const SETTLED: Verdict = { kind: 'settled' };
const address = server.kind === 'running' ? server.address : '';

type Admin = ReturnType<ReturnType<typeof plainKafka>['admin']>;

async function asAdmin<T>(act: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = plainKafka(address).admin();
  await admin.connect();
  try {
    return await act(admin);
  } finally {
    await admin.disconnect();
  }
}

async function removeBefore(admin: Admin, topic: string, offset: string): Promise<void> {
  await admin.fetchTopicOffsets(topic); // without it, deleteTopicRecords does not know the topic's leader
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
}

describe.skipIf(server.kind === 'missing')(`a Kafka that others change${why}`, () => {
  let world = new KafkaWorld('');
  afterEach(() => world.release());

  it('topic deleted: the channel is lost and says why, and what opens anew makes it again', async () => {
    world = new KafkaWorld(address);
    const channel = await world.open();
    await channel.consume('audit', OPTIONS, async () => SETTLED);
    await channel.publish(anEvent('before'));
    expect(await channel.check()).toBeUndefined();
    await asAdmin((admin) => admin.deleteTopics({ topics: [world.topic] }));
    await expect.poll(() => channel.lost.aborted, { timeout: 10_000 }).toBe(true);
    expect(String(channel.lost.reason)).toContain(world.topic);
    await expect(channel.publish(anEvent('lost'))).rejects.toMatchObject({
      code: 'CHANNEL_LOST',
      retryable: true,
    });
    const again = await world.open();
    const seen: string[] = [];
    await again.consume('audit', OPTIONS, async ({ event }) => (seen.push(idOf(event)), SETTLED));
    await again.publish(anEvent('after'));
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['after']);
  }, 40_000);

  it('retry topic deleted: check() says so, and the channel opens anew without what was in it', async () => {
    world = new KafkaWorld(address);
    const channel = await world.open();
    await channel.consume('audit', OPTIONS, async () => SETTLED);
    const retry = `${world.topic}.audit.retry`;
    await asAdmin((admin) => admin.deleteTopics({ topics: [retry] }));
    await expect.poll(() => channel.check(), { timeout: 10_000 }).toContain(retry);
    await expect.poll(() => channel.lost.aborted, { timeout: 10_000 }).toBe(true);
    const again = await world.open();
    const seen: string[] = [];
    await again.consume('audit', OPTIONS, async ({ event }) => (seen.push(idOf(event)), SETTLED));
    await again.publish(anEvent('after'));
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['after']);
  }, 40_000);

  it('records removed that were still owed: the rest is delivered, and check() says how many are gone', async () => {
    world = new KafkaWorld(address);
    const channel = await world.open();
    await channel.consume('audit', OPTIONS, async () => SETTLED);
    await channel.close();
    const producer = await world.open();
    for (let i = 0; i < 5; i += 1) await producer.publish(anEvent(`e-${i}`));
    await asAdmin((admin) => removeBefore(admin, world.topic, '3'));
    const seen: string[] = [];
    await producer.consume('audit', OPTIONS, async ({ event }) => (seen.push(idOf(event)), SETTLED));
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['e-3', 'e-4']);
    expect(await producer.check()).toContain('has removed 3 events');
  });

  it('partitions added: a group that is there reads them from their beginning', async () => {
    world = new KafkaWorld(address);
    const channel = await world.open();
    const seen: string[] = [];
    const options = { ...OPTIONS, start: 'latest' } as const;
    await channel.consume('audit', options, async ({ event }) => (seen.push(idOf(event)), SETTLED));
    await channel.close();
    await asAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic: world.topic, count: 3 }] }));
    const again = await world.open();
    const ids = Array.from({ length: 12 }, (_, i) => `e-${i}`);
    for (const id of ids) await again.publish(anEvent(id));
    await again.consume('audit', options, async ({ event }) => (seen.push(idOf(event)), SETTLED));
    await expect.poll(() => seen.toSorted(), { timeout: 10_000 }).toEqual(ids.toSorted());
    await asAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic: world.topic, count: 4 }] }));
    const producer = await plainProducer(address); // another program finds the new partition first
    await producer.send({ topic: world.topic, messages: [{ partition: 3, value: 'x' }] });
    await producer.disconnect();
    await expect.poll(() => seen, { timeout: 25_000 }).toContain('partition:3/offset:0');
  }, 40_000);

  it('dead-letter topic full: the event stays owed, and is buried once there is room', async () => {
    world = new KafkaWorld(address, { ...QUICK, deadLettersMax: 2 });
    const channel = await world.open();
    let offers = 0;
    await channel.consume('audit', OPTIONS, async () => ((offers += 1), { kind: 'dead', failure: FAILURE }));
    for (const id of ['a', 'b', 'c']) await channel.publish(anEvent(id));
    const full = { events: 1, dead: 2, isDeadFull: true };
    await expect.poll(async () => (await channel.backlog())[0], { timeout: 10_000 }).toMatchObject(full);
    const topic = `${world.topic}.audit.dead`;
    await asAdmin((admin) => removeBefore(admin, topic, '1'));
    await expect
      .poll(async () => (await channel.backlog())[0], { timeout: 15_000 })
      .toMatchObject({ events: 0 });
    const letters = await channel.deadLetters({ limit: 10 });
    expect(letters.map(({ attempts }) => attempts)).toEqual([1, 1]);
    expect(letters.map(({ event }) => idOf(event))).toContain('c');
    expect(offers).toBe(3); // nobody was offered what was given up
  }, 40_000);
});

describe.skipIf(server.kind === 'missing')(`what a channel finds in Kafka, and leaves${why}`, () => {
  let world = new KafkaWorld('');
  afterEach(() => world.release());

  it('a topic of its name that it did not make: it does not touch it, and says how to use it', async () => {
    world = new KafkaWorld(address);
    await asAdmin((admin) => admin.createTopics({ topics: [{ topic: world.topic, numPartitions: 1 }] }));
    const opened = world.open();
    await expect(opened).rejects.toMatchObject({ code: 'CHANNEL_NAME_TAKEN' });
    await expect(opened).rejects.toThrow(/external-name/);
  });

  it('an external topic: it has to be there, is used as it is, and stays', async () => {
    world = new KafkaWorld(address);
    const externalName = `${world.topic}.theirs`;
    await expect(world.open({ externalName })).rejects.toMatchObject({ code: 'CHANNEL_NOT_FOUND' });
    await asAdmin((admin) => admin.createTopics({ topics: [{ topic: externalName, numPartitions: 3 }] }));
    const channel = await world.open({ externalName });
    const seen: string[] = [];
    await channel.consume('audit', OPTIONS, async ({ event }) => {
      seen.push(idOf(event));
      return { kind: 'dead', failure: FAILURE };
    });
    for (const id of ['a', 'b', 'c']) await channel.publish(anEvent(id));
    await expect.poll(() => seen.length).toBe(3);
    await expect.poll(() => channel.deadLetters({ limit: 10 })).toHaveLength(3);
    expect(await channel.remove()).toBe(0);
    const left = await asAdmin((admin) => admin.listTopics());
    expect(left.filter((topic) => topic.startsWith(world.topic))).toEqual([externalName]);
  });

  it('removed: topics and groups go, a group with a name of its own stays, and it says what was owed', async () => {
    world = new KafkaWorld(address);
    const channel = await world.open();
    const shared = `shared-${world.name}`;
    await channel.consume('audit', { ...OPTIONS, inFlightMax: 0 }, async () => SETTLED);
    await channel.consume('ours', { ...OPTIONS, sharedName: shared }, async () => SETTLED);
    await channel.publish(anEvent('owed'));
    expect(await channel.remove()).toBe(1);
    const [topics, groups] = await asAdmin(async (admin) => [
      await admin.listTopics(),
      (await admin.listGroups()).groups.map(({ groupId }) => groupId),
    ]);
    expect(topics.filter((topic) => topic.startsWith(world.topic))).toEqual([
      `${world.topic}.shared.${shared}.retry`,
    ]);
    expect(groups).not.toContain(`kafka.demo.${world.name}.audit`);
  });

  it('an event that is too large: refused with the limit and where it is set, whoever notices it', async () => {
    world = new KafkaWorld(address);
    const channel = await world.open();
    const sized = (bytes: number) => ({ ...anEvent(`b-${bytes}`), body: Buffer.alloc(bytes, 'x') });
    await channel.publish(sized(1_048_000));
    const refused = channel.publish(sized(1_049_000));
    await expect(refused).rejects.toMatchObject({ code: 'EVENT_TOO_LARGE', retryable: false });
    await expect(refused).rejects.toThrow(/1048588.*max\.message\.bytes/);
    const lower = [{ name: 'max.message.bytes', value: '2000' }];
    await asAdmin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: 2, name: world.topic, configEntries: lower }],
      }),
    );
    const publishAll = (): Promise<PromiseSettledResult<void>[]> =>
      Promise.allSettled([10, 5000, 20].map((bytes) => channel.publish(sized(bytes))));
    const statuses = async (): Promise<string[]> => (await publishAll()).map(({ status }) => status);
    await expect.poll(statuses, { timeout: 5000 }).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const [, outcome] = await publishAll();
    expect(outcome).toMatchObject({ reason: { code: 'EVENT_TOO_LARGE' } });
  });

  it('starts where it is told: at the first event that is kept, or at a time', async () => {
    world = new KafkaWorld(address);
    const channel = await world.open();
    await channel.publish(anEvent('old'));
    await pausedPast(Date.now());
    const sinceMs = Date.now();
    await channel.publish(anEvent('new'));
    const seen: string[] = [];
    const settle =
      (group: string) =>
      async ({ event }: { event: ReturnType<typeof anEvent> }) => {
        seen.push(`${group} ${idOf(event)}`);
        return SETTLED;
      };
    await channel.consume('all', { ...OPTIONS, start: 'earliest' }, settle('all'));
    await channel.consume('since', { ...OPTIONS, start: { sinceMs } }, settle('since'));
    await channel.consume('none', { ...OPTIONS, start: { sinceMs: sinceMs + 3_600_000 } }, settle('none'));
    await channel.publish(anEvent('next'));
    await expect
      .poll(() => seen.toSorted(), { timeout: 5000 })
      .toEqual(['all new', 'all next', 'all old', 'none next', 'since new', 'since next']);
  });
});

async function pausedPast(ms: number): Promise<void> {
  await expect.poll(() => Date.now(), { interval: 2 }).toBeGreaterThan(ms + 1);
}
