import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Verdict } from '../../../src/channels/channel.ts';
import { exchangeNameOf, queueNamesOf } from '../../../src/channels/rabbitmq/names.ts';
import { OPTIONS } from '../../contracts/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { RabbitmqNode, rabbitmqServer } from '../../servers/rabbitmq.ts';
import { aChannelSpec, World } from './rabbitmq-world.ts';

const MIB = 1024 * 1024;
const SETTLED: Verdict = { kind: 'settled' };
const FAILURE = { dest: 'http://gone.test/', code: 410, data: '', reason: 'gone' };
const reason = await rabbitmqServer.prepare();

/** With a node of its own, since these would trouble others. */
describe.skipIf(reason !== undefined)(`the limits of RabbitMQ ${reason ?? ''}`, () => {
  let node: RabbitmqNode;
  let world: World;
  beforeAll(async () => {
    node = await RabbitmqNode.make(temporaryFolder('rabbitmq-limits'), [`max_message_size = ${2 * MIB}`]);
    await node.start();
    world = new World(node.address);
  });
  afterEach(() => world.release());
  afterAll(() => node.end());

  const sized = (id: string, bytes: number) => ({ ...anEvent(id), body: Buffer.alloc(bytes, id) });
  const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 10_000 });

  it('P2 refuses one event that is larger than it takes, in its words, and takes all others', async () => {
    const channel = await world.open(aChannelSpec());
    const seen = new Map<string, number>();
    await channel.consume('audit', OPTIONS, async ({ event }) => {
      seen.set(idOf(event), event.body.byteLength);
      return SETTLED;
    });
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 20 }, (_, i) => channel.publish(sized(`small-${i}`, 1000))),
      channel.publish(sized('large', 2 * MIB)),
      channel.publish(sized('too large', 2 * MIB + 1)),
      ...Array.from({ length: 20 }, (_, i) => channel.publish(sized(`later-${i}`, 1000))),
      channel.publish(sized('large too', MIB)),
    ]);
    const refused = outcomes
      .filter((each) => each.status === 'rejected')
      .map((each) => each.reason as unknown);
    expect(refused).toMatchObject([
      {
        code: 'EVENT_TOO_LARGE',
        retryable: false,
        message: expect.stringMatching(/max_message_size.*larger than configured max size 2097152/),
      },
    ]);
    await eventually(() => seen.size).toBe(42);
    expect([seen.get('large'), seen.get('large too'), seen.get('small-0')]).toEqual([2 * MIB, MIB, 1000]);
    await expect(channel.publish(sized('again', 2 * MIB + 1))).rejects.toMatchObject({
      code: 'EVENT_TOO_LARGE',
    });
    expect(channel.lost.aborted).toBe(false);
  });

  it('P2 the same when the operator takes less than what usually goes together', async () => {
    const control =
      'application:set_env(rabbit, max_message_size, 20000), persistent_term:put(max_message_size, 20000).';
    await node.control('eval', control);
    try {
      const channel = await world.open(aChannelSpec());
      const seen = new Set<string>();
      await channel.consume('audit', OPTIONS, async ({ event }) => (seen.add(idOf(event)), SETTLED));
      const ids = Array.from({ length: 60 }, (_, i) => `e-${i}`);
      const outcomes = await Promise.allSettled(
        ids.map((id, i) => channel.publish(sized(id, i === 30 ? 30_000 : i % 2 === 0 ? 500 : 19_000))),
      );
      expect(
        outcomes.flatMap((each, i) => (each.status === 'rejected' ? [i, each.reason as unknown] : [])),
      ).toEqual([30, expect.objectContaining({ code: 'EVENT_TOO_LARGE' })]);
      await eventually(() => seen.size).toBe(59);
    } finally {
      await node.control('eval', control.replaceAll('20000', String(2 * MIB)));
    }
  });

  it('keeps a reply of its own size, and offers one that does not fit beside its event from memory', async () => {
    const channel = await world.open(aChannelSpec());
    const offers: string[] = [];
    await channel.consume('audit', OPTIONS, async ({ event, stage }) => {
      offers.push(`${idOf(event)} ${stage.kind}`);
      if (stage.kind !== 'deliver') return SETTLED;
      const reply = sized('reply', idOf(event) === 'fits' ? MIB / 2 : 2 * MIB);
      return { kind: 'advance', stage: { kind: 'reply', reply } };
    });
    await channel.publish(sized('fits', MIB));
    await channel.publish(sized('does not', MIB));
    await eventually(() => offers.toSorted()).toEqual([
      'does not deliver',
      'does not reply',
      'fits deliver',
      'fits reply',
    ]);
    await eventually(async () => (await channel.backlog())[0]).toMatchObject({ events: 0, inFlight: 0 });
  });

  it('P3 while it is short of disk: events are refused at once, what it has is delivered and tried again', async () => {
    const channel = await world.open(aChannelSpec());
    const offers: string[] = [];
    let isUp = false;
    await channel.consume('audit', { ...OPTIONS, inFlightMax: 2 }, async ({ event, attempt }) => {
      offers.push(`${idOf(event)} ${attempt}`);
      if (!isUp) return new Promise(() => undefined);
      return attempt === 1 ? { kind: 'retry', dueMs: Date.now() + 50, reason: 'busy', code: 503 } : SETTLED;
    });
    await channel.consume('idle', { ...OPTIONS, inFlightMax: 0 }, async () => SETTLED);
    for (const id of ['a', 'b', 'c', 'd']) await channel.publish(anEvent(id));
    await node.control('set_disk_free_limit', '10000GB');
    // The publish that meets the alarm is still taken; with it RabbitMQ tells that the connection is blocked.
    const refusal = (): Promise<unknown> =>
      channel.publish(anEvent('away')).then(
        () => 'taken',
        (error: unknown) => error,
      );
    await eventually(refusal).toMatchObject({
      code: 'CHANNEL_LOST',
      retryable: true,
      message: expect.stringContaining('disk'),
    });
    const startMs = performance.now();
    await refusal();
    expect(performance.now() - startMs).toBeLessThan(100);
    expect(await channel.check()).toContain('RabbitMQ takes no events for now');
    isUp = true;
    await channel.consume(
      'idle',
      OPTIONS,
      async ({ event }) => (offers.push(`idle ${idOf(event)}`), SETTLED),
    );
    await eventually(() => offers.filter((offer) => offer.startsWith('idle')).length).toBeGreaterThanOrEqual(
      4,
    );
    await node.control('set_disk_free_limit', '50MB');
    await eventually(refusal).toBe('taken');
    expect(channel.lost.aborted).toBe(false);
    expect(await channel.check()).toBeUndefined();
  });

  it('makes a dead letter, with the reason, of what it gives up by a policy of the operator', async () => {
    const spec = aChannelSpec();
    const channel = await world.open(spec);
    await channel.consume('audit', { ...OPTIONS, inFlightMax: 0 }, async () => SETTLED);
    const { main } = queueNamesOf(exchangeNameOf(spec), 'audit');
    await node.control('set_policy', 'impatient', `^${main}$`, '{"message-ttl":1}', '--apply-to', 'queues');
    try {
      await channel.publish(anEvent('expired'));
      await eventually(() => channel.deadLetters({ limit: 10 })).toMatchObject([
        { group: 'audit', failure: { code: 500, reason: 'RabbitMQ has given it up: expired' } },
      ]);
    } finally {
      await node.control('clear_policy', 'impatient');
    }
  });

  it('P2 what is given up while the dead letters have no room stays owed, says so, and is one when they have', async () => {
    const spec = aChannelSpec();
    const channel = await world.open(spec);
    const queues = queueNamesOf(exchangeNameOf(spec), 'audit');
    await node.control('set_policy', 'small', `^${queues.dead}$`, '{"max-length":1}', '--apply-to', 'queues');
    const offered: string[] = [];
    await channel.consume('audit', OPTIONS, async ({ event }) => {
      offered.push(idOf(event));
      return { kind: 'dead', failure: FAILURE };
    });
    for (let i = 0; i < 6; i += 1) await channel.publish(anEvent(`e-${i}`));
    await eventually(async () => (await channel.backlog())[0]).toMatchObject({
      isDeadFull: true,
      inFlight: 0,
    });
    const countOf = async () => {
      const [{ dead, events } = { dead: 0, events: 0 }] = await channel.backlog();
      return events > 0 ? dead + events : 0;
    };
    await eventually(countOf).toBe(6);
    await node.control('clear_policy', 'small');
    await expect
      .poll(async () => (await channel.backlog())[0], { timeout: 20_000 })
      .toMatchObject({ events: 0, dead: 6, isDeadFull: false });
    expect(offered).toHaveLength(6); // nobody was offered them again
    const letters = await channel.deadLetters({ limit: 10 });
    expect(new Set(letters.map(({ attempts, failure }) => `${attempts} ${failure.reason}`))).toEqual(
      new Set(['1 gone']),
    );
  }, 40_000);

  it('keeps what a group was accepted for though it is killed in the moment that the group is there', async () => {
    const spec = aChannelSpec();
    const channel = await world.open(spec);
    await channel.consume('audit', { ...OPTIONS, inFlightMax: 0 }, async () => SETTLED);
    await channel.publish(anEvent('kept'));
    await node.kill();
    await eventually(() => channel.lost.aborted).toBe(true);
    await world.release();
    await node.start();
    const seen: string[] = [];
    const again = await world.open({ ...spec, groups: ['audit'] });
    await again.consume('audit', OPTIONS, async ({ event }) => (seen.push(idOf(event)), SETTLED));
    await eventually(() => seen).toEqual(['kept']);
  }, 40_000);
});
