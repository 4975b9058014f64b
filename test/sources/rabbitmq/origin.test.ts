import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RabbitmqPlan } from '../../../src/sources/rabbitmq/plan.ts';
import { rabbitmqAdapter } from '../../../src/sources/rabbitmq/rabbitmq-adapter.ts';
import type { RunningSource } from '../../../src/sources/source.ts';
import { PlainRabbitmq } from '../../kit/plain-rabbitmq.ts';
import { rabbitmqServer } from '../../servers/rabbitmq.ts';
import { sharedServer } from '../../servers/shared.ts';
import { aPlan, Told } from './rabbitmq-world.ts';

const server = await sharedServer(rabbitmqServer);
const why = server.kind === 'missing' ? ` (left out: ${server.reason})` : '';
const address = server.kind === 'running' ? server.address : 'amqp://localhost';
const WAIT = { timeout: 15_000, interval: 20 };
const LOOK_MS = 300;

describe.skipIf(server.kind === 'missing')(
  `exchange and queue of a source${why}`,
  { timeout: 30_000 },
  () => {
    let plain: PlainRabbitmq;
    const adapter = rabbitmqAdapter(LOOK_MS);
    const opened: RunningSource[] = [];
    beforeAll(async () => {
      plain = await PlainRabbitmq.open(address);
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((source) => source.close()));
    });
    afterAll(() => plain.close());

    function start(told: Told, plan: RabbitmqPlan): RunningSource {
      const source = told.open(plan, adapter);
      opened.push(source);
      return source;
    }
    async function run(told: Told, plan: RabbitmqPlan): Promise<RunningSource> {
      const source = start(told, plan);
      await expect.poll(() => told.last, WAIT).toEqual({ kind: 'running' });
      return source;
    }
    const remove = (told: Told, plan: RabbitmqPlan): Promise<void> | undefined =>
      adapter.remove?.(plan, told.tools);
    const cleanUp = async ({ exchange = '', from }: RabbitmqPlan): Promise<void> => {
      await plain.run((channel) => channel.deleteQueue(from.queue));
      await plain.run((channel) => channel.deleteExchange(exchange));
    };

    it('B2 B3 makes what is not there, and removes what it has made', async () => {
      const told = new Told();
      const plan = aPlan(address);
      const { exchange = '', from } = plan;
      const source = await run(told, plan);
      await plain.run((channel) => channel.assertExchange(exchange, 'headers', { durable: true })); // it is one
      await source.close();
      await plain.publish(exchange, 'any key', 'waits');
      await remove(told, plan);
      expect(await plain.hasExchange(exchange)).toBe(false);
      expect(await plain.count(from.queue)).toBeUndefined();
      expect(told.warnings).toEqual([`MessagesRemoved queue ${from.queue} went with 1 messages in it`]);
      await remove(told, plan); // once more is as good
    });

    it.each(['fanout', 'topic', 'direct'])(
      'B2 B3 uses a %s exchange and a queue that are there as they are, and leaves them so',
      async (type) => {
        const told = new Told();
        const plan = aPlan(address);
        const { exchange = '', from } = plan;
        await plain.run((channel) => channel.assertExchange(exchange, type, { durable: true }));
        await plain.run((channel) => channel.assertQueue(from.queue, { durable: false }));
        const source = await run(told, plan);
        await plain.publish(exchange, '', 'through the exchange');
        await expect.poll(() => told.bodies, WAIT).toEqual(['through the exchange']);
        await source.close();
        await remove(told, plan);
        expect(await plain.hasExchange(exchange)).toBe(true);
        await plain.publish(exchange, '', 'goes nowhere'); // its own bindings are gone
        expect(await plain.count(from.queue)).toEqual({ ready: 0, consumers: 0 });
        expect(told.warnings).toEqual([]);
        await cleanUp(plan);
      },
    );

    it('B3 leaves what somebody else uses, and says so', async () => {
      const told = new Told();
      const plan = aPlan(address);
      const { exchange = '', from } = plan;
      const source = await run(told, plan);
      const other = `${from.queue}-other`;
      await plain.run((channel) => channel.assertQueue(other, { durable: true }));
      await plain.run((channel) => channel.bindQueue(other, exchange, ''));
      await plain.run((channel) => channel.consume(from.queue, () => undefined, { consumerTag: 'theirs' }));
      await source.close();
      await remove(told, plan);
      expect(await plain.hasExchange(exchange)).toBe(true);
      expect((await plain.count(from.queue))?.consumers).toBe(1);
      expect(told.warnings).toEqual([
        expect.stringMatching(/^OriginNotCleaned queue .* somebody else reads it/),
        expect.stringMatching(/^OriginNotCleaned exchange .* other queues are bound to it/),
      ]);
      await plain.run((channel) => channel.cancel('theirs'));
      await plain.run((channel) => channel.deleteQueue(other));
      await cleanUp(plan);
    });

    it('B1 waits for a queue and an exchange that are predeclared, says which is missing, and makes none', async () => {
      const told = new Told();
      const plan = aPlan(address, { isPredeclared: true });
      const { exchange = '', from } = plan;
      start(told, plan);
      const missing = { kind: 'failing', condition: 'ExchangeReady', reason: 'ExchangeNotFound' };
      await expect.poll(() => told.last, WAIT).toMatchObject(missing);
      expect(told.last).toMatchObject({
        message: expect.stringContaining(`no exchange ${exchange} in RabbitMQ at`),
      });
      await plain.run((channel) => channel.assertExchange(exchange, 'direct', { durable: true }));
      await expect
        .poll(() => told.last, WAIT)
        .toMatchObject({ condition: 'ResourcesReady', reason: 'QueueNotFound' });
      expect(await plain.count(from.queue)).toBeUndefined();
      await plain.run((channel) => channel.assertQueue(from.queue, { durable: true }));
      await expect.poll(() => told.last?.kind, WAIT).toBe('running');
      await plain.publish('', from.queue, 'hello');
      await expect.poll(() => told.bodies, WAIT).toEqual(['hello']);
      await opened.splice(0)[0]?.close();
      await remove(told, plan);
      expect(await plain.count(from.queue)).toEqual({ ready: 0, consumers: 0 });
      expect(told.bookmark.writes).toBe(0);
      await cleanUp(plan);
    });

    it('makes its queue anew when somebody deletes it, says so, and delivers no event of it twice', async () => {
      const told = new Told();
      const plan = aPlan(address);
      const { exchange = '', from } = plan;
      let aborted = 0;
      await run(told, plan);
      told.take = (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted += 1;
            reject(new DOMException('stopped', 'AbortError'));
          });
        });
      await plain.publish(exchange, '', 'in hand');
      await expect.poll(async () => (await plain.count(from.queue))?.ready, WAIT).toBe(0);
      await plain.run((channel) => channel.deleteQueue(from.queue));
      await expect.poll(() => aborted, WAIT).toBe(1);
      told.take = async () => 'taken';
      await expect.poll(() => told.last?.kind, WAIT).toBe('running');
      expect(told.states.some((state) => state.kind === 'failing' && state.reason === 'QueueLost')).toBe(
        true,
      );
      expect(told.warnings).toEqual([
        `QueueMadeAnew queue ${from.queue} was deleted, with what was in it; it is made anew`,
      ]);
      await plain.publish(exchange, '', 'after');
      await expect.poll(() => told.bodies, WAIT).toEqual(['after']);
      await cleanUp(plan);
    });

    it('waits for a predeclared queue that somebody deletes, and reads it when it is back', async () => {
      const told = new Told();
      const plan = aPlan(address, { isPredeclared: true, exchange: undefined });
      const { queue } = plan.from;
      await plain.run((channel) => channel.assertQueue(queue, { durable: true }));
      await run(told, plan);
      await plain.run((channel) => channel.deleteQueue(queue));
      await expect.poll(() => told.last, WAIT).toMatchObject({ reason: 'QueueNotFound' });
      await plain.run((channel) => channel.assertQueue(queue, { durable: true }));
      await plain.publish('', queue, 'back');
      await expect.poll(() => told.bodies, WAIT).toEqual(['back']);
      await plain.run((channel) => channel.deleteQueue(queue));
    });

    it('makes its exchange and its bindings anew when somebody deletes them, without a pause for what it reads', async () => {
      const told = new Told();
      const plan = aPlan(address);
      const { exchange = '', from } = plan;
      await run(told, plan);
      await plain.run((channel) => channel.deleteExchange(exchange));
      await expect.poll(() => plain.hasExchange(exchange), WAIT).toBe(true);
      const arrives = async (): Promise<boolean> => {
        await plain.publish(exchange, '', 'again');
        return told.bodies.includes('again');
      };
      await expect.poll(arrives, WAIT).toBe(true);
      expect(told.states.filter(({ kind }) => kind === 'failing')).toEqual([]);
      await cleanUp({ ...plan, from });
    });

    it('leaves what it has made in another broker, and says so', async () => {
      const told = new Told();
      told.bookmark.text = JSON.stringify({ where: 'old.example:5672, virtual host /', queue: true });
      const plan = aPlan(address);
      const source = await run(told, plan);
      expect(told.warnings[0]).toBe(
        'OriginNotCleaned what was made for the source in RabbitMQ at old.example:5672, virtual host / is left there',
      );
      await source.close();
      await remove(told, plan);
      expect(await plain.count(plan.from.queue)).toBeUndefined();
    });

    it('says of an exchange that it may not have that it may not', async () => {
      const told = new Told();
      start(told, aPlan(address, { exchange: 'amq.mine' }));
      await expect
        .poll(() => told.last, WAIT)
        .toMatchObject({
          kind: 'failing',
          condition: 'ExchangeReady',
          reason: 'ExchangeFailed',
          message: expect.stringMatching(/ACCESS.REFUSED/),
        });
    });

    it('cannot be removed while the broker is away, and says the way out', async () => {
      const told = new Told();
      const plan = aPlan('amqp://guest:s3cret@127.0.0.1:1');
      told.bookmark.text = JSON.stringify({ where: '127.0.0.1:1, virtual host /', queue: true });
      const error: unknown = await remove(told, plan)?.catch((caught: unknown) => caught);
      expect(String(error)).toMatch(
        /ECONNREFUSED.*to leave its queue and exchange where they are, delete the Secret/,
      );
      expect(String(error)).not.toContain('s3cret');
      start(told, plan);
      await expect
        .poll(() => told.last, WAIT)
        .toMatchObject({ condition: 'Deployed', reason: 'BrokerUnreachable' });
      expect(JSON.stringify(told.states)).not.toContain('s3cret');
    });
  },
);
