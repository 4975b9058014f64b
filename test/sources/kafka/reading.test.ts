import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { SourceTools } from '../../../src/sources/source.ts';
import { MemoryBookmark } from '../../contracts/source.ts';
import { plainKafka } from '../../kit/plain-kafka.ts';
import { kafkaServer } from '../../servers/kafka.ts';
import { sharedServer } from '../../servers/shared.ts';
import { bodyOf, SourceWorld, stateOf, type Watched } from './source-world.ts';

const server = await sharedServer(kafkaServer);
const why = server.kind === 'missing' ? ` (skipped: ${server.reason})` : '';
const WAIT = { timeout: 15_000, interval: 20 };

const many = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${what}-${i}`);
const running = (watched: Watched): Promise<void> =>
  expect.poll(() => stateOf(watched), WAIT).toBe('running');

describe.skipIf(server.kind === 'missing')(`a KafkaSource that reads${why}`, () => {
  let world: SourceWorld;
  beforeEach(() => void (world = new SourceWorld(server.kind === 'running' ? server.address : '')));
  afterEach(() => world.release());

  /** Takes all but what is held back, and counts what is in hand. */
  function gate(isHeld: (body: string) => boolean): {
    readonly take: SourceTools['deliver'];
    inHandMax: number;
    readonly held: string[];
  } {
    let inHand = 0;
    const self = {
      inHandMax: 0,
      held: [] as string[],
      take: async (event: Parameters<SourceTools['deliver']>[0], signal: AbortSignal) => {
        inHand += 1;
        self.inHandMax = Math.max(self.inHandMax, inHand);
        try {
          if (isHeld(bodyOf(event))) {
            self.held.push(bodyOf(event));
            await systemClock.until(Infinity, signal);
          }
          signal.throwIfAborted();
          await systemClock.until(Date.now() + 1, signal);
          return 'taken' as const;
        } finally {
          inHand -= 1;
        }
      },
    };
    return self;
  }

  it('says which topic is not there, in Kafka’s words, and reads it once it is', async () => {
    const watched = world.open(world.plan({ start: 'earliest' }));
    await expect
      .poll(() => watched.states.at(-1), WAIT)
      .toEqual({
        kind: 'failing',
        condition: 'ConnectionEstablished',
        reason: 'TopicNotFound',
        message: `reading topic ${world.topic}: UNKNOWN_TOPIC_OR_PARTITION: this server does not host this topic-partition`,
      });
    await world.makeTopic();
    await world.send(['first']);
    await expect.poll(() => watched.bodies, WAIT).toEqual(['first']);
    await running(watched);
  });

  it('begins a new group at the end, or with what is kept, as initialOffset says', async () => {
    await world.makeTopic(2);
    await world.send(['old']);
    const latest = world.open(world.plan({ group: `${world.group}-latest` }));
    const earliest = world.open(world.plan({ start: 'earliest' }), undefined, new MemoryBookmark());
    await running(latest);
    await running(earliest);
    await world.send(['new']);
    await expect.poll(() => earliest.bodies.toSorted(), WAIT).toEqual(['new', 'old']);
    await expect.poll(() => latest.bodies, WAIT).toEqual(['new']);
  });

  it('owes what is kept when Kafka has forgotten a group that it had served', async () => {
    await world.makeTopic();
    const before = world.open(world.plan());
    await running(before);
    await world.send(['a']);
    await expect.poll(() => before.bodies, WAIT).toEqual(['a']);
    await before.source.close();
    const admin = plainKafka(world.address).admin();
    await admin.connect();
    await admin.deleteGroups([world.group]);
    await admin.disconnect();
    await world.send(['meanwhile']);
    const after = world.open(world.plan());
    await expect.poll(() => after.bodies, WAIT).toEqual(['a', 'meanwhile']);
  });

  it('ordered: has one record of a partition in hand, and the next ones wait for it', async () => {
    await world.makeTopic(2);
    const { take, held } = gate((body) => body === 'p0-3');
    const watched = world.open(world.plan(), take);
    await running(watched);
    for (const partition of [0, 1]) await world.send(many(`p${partition}`, 10), { partition });
    await expect.poll(() => watched.bodies.length, WAIT).toBe(13);
    expect(watched.bodies.filter((body) => body.startsWith('p0'))).toEqual(['p0-0', 'p0-1', 'p0-2']);
    expect(watched.bodies.filter((body) => body.startsWith('p1'))).toEqual(many('p1', 10));
    expect(held).toEqual(['p0-3']);
    await expect.poll(() => world.committed(), WAIT).toEqual([3, 10]);
  });

  it('unordered: goes on past a record that the sink does not take, and gives that one alone again', async () => {
    await world.makeTopic();
    const { take } = gate((body) => body === 'e-3');
    const first = world.open(world.plan({ isOrdered: false }), take);
    await running(first);
    await world.send(many('e', 200));
    await expect.poll(() => first.bodies.length, WAIT).toBe(199);
    await expect.poll(() => world.committed(), WAIT).toEqual([3]); // never past what is owed
    await first.source.close();
    const second = world.open(world.plan({ isOrdered: false }));
    await running(second);
    await world.send(['after']);
    await expect.poll(() => second.bodies, WAIT).toEqual(['e-3', 'after']);
  });

  it.each([1, 2])(
    'unordered: has no more than 50 records in hand for each of %i consumers',
    async (consumers) => {
      await world.makeTopic(3);
      for (const partition of [0, 1, 2]) await world.send(many(`p${partition}`, 200), { partition });
      const all = gate(() => true);
      const watched = world.open(world.plan({ isOrdered: false, start: 'earliest', consumers }), all.take);
      await running(watched);
      await expect.poll(() => all.held.length, WAIT).toBe(50 * consumers);
      await watched.source.close();
      const some = gate(() => false);
      const again = world.open(world.plan({ isOrdered: false, start: 'earliest', consumers }), some.take);
      await expect.poll(() => new Set(again.bodies).size, WAIT).toBe(600);
      expect(again.bodies).toHaveLength(600);
      expect(some.inHandMax).toBe(50 * consumers);
    },
  );

  it('reads several topics, and calls each record’s topic its source', async () => {
    const topics = [world.topic, `${world.topic}-b`];
    for (const topic of topics) await world.makeTopic(1, topic);
    const watched = world.open(world.plan({ topics }));
    await running(watched);
    for (const topic of topics) await world.send([`in ${topic}`], { topic, key: 'k' });
    await expect.poll(() => watched.bodies.toSorted(), WAIT).toEqual(topics.map((topic) => `in ${topic}`));
    const sources = watched.events.map(({ attributes }) => String(attributes.get('source'))).toSorted();
    expect(sources).toEqual(topics.map((topic) => `/apis/v1/namespaces/demo/kafkasources/orders#${topic}`));
    expect(watched.events.map(({ attributes }) => attributes.get('key'))).toEqual(['k', 'k']);
  });

  it('reads partitions that are added later, from their first record', async () => {
    await world.makeTopic();
    const watched = world.open(world.plan());
    await running(watched);
    const admin = plainKafka(world.address).admin();
    await admin.connect();
    await admin.createPartitions({ topicPartitions: [{ topic: world.topic, count: 2 }] });
    await admin.disconnect();
    await expect
      .poll(() => world.send(['new'], { partition: 1 }).then(() => 'sent', String), WAIT)
      .toBe('sent');
    await expect.poll(() => watched.bodies, WAIT).toEqual(['new']);
  });

  it('goes on with a topic that was deleted and made anew, and says meanwhile that it is gone', async () => {
    await world.makeTopic();
    const watched = world.open(world.plan());
    await running(watched);
    await world.send(many('old', 5));
    await expect.poll(() => world.committed(), WAIT).toEqual([5]);
    const admin = plainKafka(world.address).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [world.topic] });
    await admin.disconnect();
    await expect
      .poll(() => watched.states.at(-1), WAIT)
      .toMatchObject({ kind: 'failing', condition: 'ConnectionEstablished' });
    await world.makeTopic();
    await world.send(['new']);
    await expect.poll(() => watched.bodies, WAIT).toEqual([...many('old', 5), 'new']);
  }, 30_000);

  it('reads nothing, and is running, while it has no consumers', async () => {
    await world.makeTopic();
    const watched = world.open(world.plan({ consumers: 0 }));
    expect(watched.states).toEqual([{ kind: 'running', fields: { consumers: 0 } }]);
    await watched.source.close();
  });

  it('says it in Kafka’s words when its group belongs to consumers of another kind', async () => {
    await world.makeTopic();
    const other = plainKafka(world.address).consumer({ groupId: world.group });
    await other.connect();
    await other.subscribe({ topics: [world.topic] });
    const joined = new Promise((resolve) => other.on('consumer.group_join', resolve));
    await other.run({ eachMessage: async () => undefined });
    await joined;
    const watched = world.open(world.plan());
    await expect
      .poll(() => watched.states.at(-1), WAIT)
      .toMatchObject({
        kind: 'failing',
        condition: 'InitialOffsetsCommitted',
        reason: 'KafkaRefuses',
        message: expect.stringContaining('INCONSISTENT_GROUP_PROTOCOL'),
      });
    await other.disconnect();
    await running(watched);
  }, 30_000);
});
