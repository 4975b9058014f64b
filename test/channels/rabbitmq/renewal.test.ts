import { connect } from 'amqplib';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../../src/base/clock.ts';
import type { Consumer, Verdict } from '../../../src/channels/channel.ts';
import type { DeskTools } from '../../../src/channels/rabbitmq/desk.ts';
import { toMessage } from '../../../src/channels/rabbitmq/envelope.ts';
import { Inbox } from '../../../src/clients/rabbitmq/inbox.ts';
import { Keeping, type KeepingTools } from '../../../src/channels/rabbitmq/keeping.ts';
import { Link } from '../../../src/clients/rabbitmq/link.ts';
import { queueNamesOf } from '../../../src/channels/rabbitmq/names.ts';
import { OrderedSession } from '../../../src/channels/rabbitmq/ordered-session.ts';
import { Publisher } from '../../../src/channels/rabbitmq/publisher.ts';
import { parseSettings } from '../../../src/clients/rabbitmq/settings.ts';
import { Topology } from '../../../src/channels/rabbitmq/topology.ts';
import { WaitLine } from '../../../src/channels/rabbitmq/wait-line.ts';
import { UnorderedSession } from '../../../src/channels/rabbitmq/unordered-session.ts';
import { OPTIONS } from '../../contracts/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { rabbitmqServer } from '../../servers/rabbitmq.ts';
import { sharedServer } from '../../servers/shared.ts';

const server = await sharedServer(rabbitmqServer);
const why = server.kind === 'missing' ? ` (left out: ${server.reason})` : '';
const MINUTE = 60_000;

/** The system's clock, put forward by hand. */
class LeapingClock implements Clock {
  #aheadMs = 0;
  leap(ms: number): void {
    this.#aheadMs += ms;
  }
  nowMs(): number {
    return Date.now() + this.#aheadMs;
  }
  async until(dueMs: number, signal: AbortSignal): Promise<void> {
    while (this.nowMs() < dueMs && !signal.aborted) await pause(2);
  }
}

describe.skipIf(server.kind === 'missing')(
  `what waits longer than RabbitMQ waits for an answer${why}`,
  () => {
    let link: Link;
    let topology: Topology;
    let publisher: Publisher;
    let clock: LeapingClock;
    let tools: KeepingTools;
    beforeAll(async () => {
      const uri = server.kind === 'running' ? server.address : '';
      link = await Link.open(parseSettings({ config: {}, secret: { uri } }), connect);
      topology = new Topology(link);
      publisher = new Publisher(link, systemClock, () => undefined);
    });
    beforeEach(async () => {
      clock = new LeapingClock();
      const exchange = `renewal-${randomUUID()}`;
      const names = queueNamesOf(exchange, 'audit');
      await topology.makeExchange(exchange);
      await topology.makeGroup(exchange, names, true);
      const prefix = 'cloudEvents:' as const;
      tools = { topology, publisher, clock, names, prefix, lost: link.lost, onLost: () => undefined };
    });
    afterAll(() => link.close());

    async function deskTools(): Promise<DeskTools> {
      const reader = {
        prefix: tools.prefix,
        from: { namespace: 'demo', name: 'orders', queue: 'orders' },
        newId: () => randomUUID(),
        newSeq: () => 1,
        nowMs: () => clock.nowMs(),
      };
      const inbox = await Inbox.open(link, () => undefined);
      const nothing = (): undefined => undefined;
      const line = new WaitLine({ link, clock, reader, onLost: nothing });
      const keeping: Keeping = new Keeping(tools, (queue) => line.serve(queue, keeping));
      return {
        ...tools,
        inbox,
        reader,
        keeping,
        onDead: nothing,
        onDeadRoom: nothing,
        onSettled: nothing,
      };
    }

    const publish = async (id: string): Promise<void> => {
      const { body, options } = toMessage(anEvent(id, { partitionkey: id.slice(0, 1) }), 1, tools.prefix);
      await publisher.move({ exchange: '', key: tools.names.main, body, options });
    };
    const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 10_000 });

    it('R3 keeps its place, and whoever takes over has it in order', async () => {
      const offers: string[] = [];
      let isUp = false;
      const serve: Consumer = async ({ event, attempt }): Promise<Verdict> => {
        offers.push(`${idOf(event)} ${attempt}`);
        if (isUp || idOf(event) !== 'a1') return { kind: 'settled' };
        return { kind: 'retry', dueMs: clock.nowMs() + 60 * MINUTE, reason: 'busy', code: 503 };
      };
      const first = new OrderedSession(await deskTools(), link);
      const options = { ...OPTIONS, isOrdered: true };
      await first.serve(options, serve);
      for (const id of ['a1', 'a2', 'a3', 'b1']) await publish(id);
      await eventually(() => offers.toSorted()).toEqual(['a1 1', 'b1 1']);
      const slots = (): string[] =>
        [...first.desk.slots].map(({ owed }) => `${idOf(owed.event)} ${owed.copyId !== undefined}`);
      await eventually(slots).toEqual(['a1 true', 'a2 false', 'a3 false']);
      for (let minutes = 0; minutes < 36; minutes += 12) {
        const ages = (): number[] => [...first.desk.slots].map(({ sinceMs }) => clock.nowMs() - sinceMs);
        clock.leap(12 * MINUTE);
        await eventually(() => Math.max(...ages())).toBeLessThan(10 * MINUTE);
      }
      expect(slots()).toEqual(['a1 true', 'a2 true', 'a3 true']); // moved, each with its place
      await publish('a4');
      await eventually(() => slots().length).toBe(4);
      expect(offers).toHaveLength(2);
      await first.close(100);
      isUp = true;
      const second = new OrderedSession(await deskTools(), link);
      await second.serve(options, serve);
      await eventually(() => second.desk.size).toBe(4);
      clock.leap(30 * MINUTE);
      await eventually(() => offers.slice(2)).toEqual(['a1 2', 'a2 1', 'a3 1', 'a4 1']);
      await eventually(() => second.desk.size).toBe(0);
      await second.close(100);
      expect(await topology.count(tools.names.retry)).toMatchObject({ ready: 0 });
      expect(await topology.count(tools.names.main)).toMatchObject({ ready: 0 });
    }, 40_000);

    it('goes back, unordered, for whoever has a place', async () => {
      const offers: string[] = [];
      const session = new UnorderedSession(await deskTools());
      await session.serve({ ...OPTIONS, inFlightMax: 1 }, async ({ event, attempt }) => {
        offers.push(`${idOf(event)} ${attempt}`);
        if (attempt === 1 && idOf(event) === 'a')
          return { kind: 'retry', dueMs: clock.nowMs() + 300, reason: 'busy', code: 503 };
        return new Promise(() => undefined);
      });
      await publish('a');
      await eventually(() => offers).toEqual(['a 1']);
      await publish('b');
      await eventually(() => offers).toEqual(['a 1', 'b 1']);
      await eventually(() => session.desk.size).toBe(2); // the retry waits for the place of the hanging one
      const other = new UnorderedSession(await deskTools());
      await other.serve({ ...OPTIONS, inFlightMax: 1 }, async ({ event }) => {
        offers.push(`${idOf(event)} elsewhere`);
        return { kind: 'settled' };
      });
      for (let i = 0; i < 20 && session.desk.size > 1; i += 1) {
        clock.leap(12 * MINUTE);
        await pause(20);
      }
      await eventually(() => offers).toContain('a elsewhere');
      await other.close(100, 'may come');
      await session.close(100, 'may come');
    }, 40_000);
  },
);
