import { connect, type Channel, type ChannelModel } from 'amqplib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BackedChannel, ChannelSpec } from '../../../src/channels/backend.ts';
import type { Consumer, Verdict } from '../../../src/channels/channel.ts';
import { exchangeNameOf, queueNamesOf, type QueueNames } from '../../../src/channels/rabbitmq/names.ts';
import { OPTIONS } from '../../contracts/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { rabbitmqServer } from '../../servers/rabbitmq.ts';
import { sharedServer } from '../../servers/shared.ts';
import { aChannelSpec, World } from './rabbitmq-world.ts';

const server = await sharedServer(rabbitmqServer);
const why = server.kind === 'missing' ? ` (left out: ${server.reason})` : '';
const address = server.kind === 'running' ? server.address : '';
const SETTLED: Verdict = { kind: 'settled' };
const settle: Consumer = async () => SETTLED;

describe.skipIf(server.kind === 'missing')(
  `what a channel has in RabbitMQ is deleted by somebody${why}`,
  () => {
    const world = new World(address);
    let somebody: ChannelModel;
    let plain: Channel;
    let spec: ChannelSpec;
    let exchange: string;
    let names: QueueNames;
    let channel: BackedChannel;
    beforeAll(async () => {
      somebody = await connect(address);
      plain = await somebody.createChannel();
    });
    beforeEach(async () => {
      spec = aChannelSpec();
      exchange = exchangeNameOf(spec);
      names = queueNamesOf(exchange, 'audit');
      channel = await world.open(spec);
    });
    afterEach(() => world.release());
    afterAll(() => somebody.close());

    const isLost = () => expect.poll(() => channel.lost.aborted, { timeout: 5000 }).toBe(true);
    async function serveAgain(): Promise<string[]> {
      const seen: string[] = [];
      channel = await world.open(spec);
      await channel.consume('audit', OPTIONS, async ({ event }) => (seen.push(idOf(event)), SETTLED));
      return seen;
    }

    it.each(['main', 'retry'] as const)(
      'its %s queue: the channel is lost, and makes it anew when it opens',
      async (which) => {
        await channel.consume('audit', OPTIONS, settle);
        await plain.deleteQueue(names[which]);
        await isLost();
        expect(channel.lost.reason).toMatchObject({
          code: 'CHANNEL_LOST',
          message: expect.stringContaining('deleted'),
        });
        const seen = await serveAgain();
        await channel.publish(anEvent('after'));
        await expect.poll(() => seen).toEqual(['after']);
        expect(await channel.check()).toBeUndefined();
      },
    );

    it('X2 the queue of a group that consumes nothing: an event is refused, not dropped', async () => {
      await channel.consume('audit', { ...OPTIONS, inFlightMax: 0 }, settle);
      await plain.deleteQueue(names.main);
      expect(await channel.check()).toBe(`queue ${names.main} was deleted`);
      await expect(channel.publish(anEvent())).rejects.toMatchObject({
        code: 'CHANNEL_LOST',
        retryable: true,
      });
      await isLost();
      const seen = await serveAgain();
      await channel.publish(anEvent('after'));
      await expect.poll(() => seen).toEqual(['after']);
    });

    it('X2 a channel without any group takes events that nobody gets', async () => {
      await channel.publish(anEvent('nobody'));
      const seen: string[] = [];
      await channel.consume('audit', OPTIONS, async ({ event }) => (seen.push(idOf(event)), SETTLED));
      await channel.publish(anEvent('somebody'));
      await expect.poll(() => seen).toEqual(['somebody']);
    });

    it('its exchange: events are refused in the words of the broker, and taken again when it opens', async () => {
      await channel.consume('audit', OPTIONS, settle);
      await channel.publish(anEvent());
      await plain.deleteExchange(exchange);
      expect(await channel.check()).toBe(`exchange ${exchange} was deleted`);
      await expect(channel.publish(anEvent())).rejects.toMatchObject({
        code: 'CHANNEL_LOST',
        message: expect.stringContaining('NOT_FOUND'),
      });
      await isLost();
      const seen = await serveAgain();
      await channel.publish(anEvent('after'));
      await expect.poll(() => seen).toEqual(['after']);
    });

    it('a waiting queue: the channel is lost, and has it anew when something is to wait', async () => {
      const offers: number[] = [];
      const twice: Consumer = async ({ attempt }) => {
        offers.push(attempt);
        return attempt < 3 ? { kind: 'retry', dueMs: Date.now() + 100, reason: 'busy', code: 503 } : SETTLED;
      };
      await channel.consume('audit', OPTIONS, twice);
      await channel.publish(anEvent());
      await expect.poll(() => offers).toEqual([1, 2, 3]);
      await plain.deleteQueue(names.waits[0] ?? '');
      await isLost();
      channel = await world.open(spec);
      await channel.consume('audit', OPTIONS, twice);
      await channel.publish(anEvent());
      await expect.poll(() => offers, { timeout: 5000 }).toEqual([1, 2, 3, 1, 2, 3]);
    });

    it('its dead-letter queue: check() says so, what is given up stays owed, and is a dead letter in the end', async () => {
      const failure = { dest: 'http://gone.test/', code: 410, data: '', reason: 'gone' };
      await channel.consume('audit', OPTIONS, async () => ({ kind: 'dead', failure }));
      await plain.deleteQueue(names.dead);
      expect(await channel.check()).toBe(`queue ${names.dead} was deleted`);
      await channel.publish(anEvent('given up'));
      await isLost();
      channel = await world.open(spec);
      await channel.consume('audit', OPTIONS, async () => ({ kind: 'dead', failure }));
      await expect
        .poll(() => channel.deadLetters({ limit: 1 }), { timeout: 5000 })
        .toMatchObject([{ failure, group: 'audit' }]);
    });

    it('remove() takes everything away that was made, says what was owed, and may be called again', async () => {
      await channel.consume('audit', OPTIONS, async ({ event }) =>
        idOf(event) === 'dead'
          ? { kind: 'dead', failure: { dest: '', code: 410, data: '', reason: 'gone' } }
          : { kind: 'retry', dueMs: Date.now() + 60_000, reason: 'busy', code: 503 },
      );
      for (const id of ['dead', 'a', 'b']) await channel.publish(anEvent(id));
      await expect
        .poll(async () => (await channel.backlog())[0])
        .toMatchObject({ events: 2, retrying: 2, dead: 1 });
      expect(await channel.remove()).toBe(2);
      for (const queue of [names.main, names.retry, names.dead, ...names.waits]) {
        const looking = await somebody.createChannel();
        looking.on('error', () => undefined);
        await expect(looking.checkQueue(queue)).rejects.toMatchObject({ code: 404 });
      }
      const again = await world.open({ ...spec, groups: ['audit'] });
      expect(await again.remove()).toBe(0);
    });
  },
);
