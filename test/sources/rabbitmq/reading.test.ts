import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RabbitmqPlan } from '../../../src/sources/rabbitmq/plan.ts';
import { rabbitmqAdapter } from '../../../src/sources/rabbitmq/rabbitmq-adapter.ts';
import type { RunningSource } from '../../../src/sources/source.ts';
import { PlainRabbitmq } from '../../kit/plain-rabbitmq.ts';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import { rabbitmqServer } from '../../servers/rabbitmq.ts';
import { sharedServer } from '../../servers/shared.ts';
import { aPlan, Told } from './rabbitmq-world.ts';

const server = await sharedServer(rabbitmqServer);
const why = server.kind === 'missing' ? ` (left out: ${server.reason})` : '';
const address = server.kind === 'running' ? server.address : 'amqp://localhost';
const WAIT = { timeout: 10_000, interval: 20 };

describe.skipIf(server.kind === 'missing')(`reading a queue of RabbitMQ${why}`, { timeout: 30_000 }, () => {
  let plain: PlainRabbitmq;
  const opened: RunningSource[] = [];
  const queues: string[] = [];
  beforeAll(async () => {
    plain = await PlainRabbitmq.open(address);
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((source) => source.close()));
    for (const queue of queues.splice(0)) await plain.run((channel) => channel.deleteQueue(queue));
  });
  afterAll(() => plain.close());

  async function running(told: Told, plan: RabbitmqPlan): Promise<RabbitmqPlan> {
    opened.push(told.open(plan));
    queues.push(plan.from.queue);
    await expect.poll(() => told.last?.kind, WAIT).toBe('running');
    return plan;
  }
  const send = ({ exchange = '' }: RabbitmqPlan, body: string, options = {}): Promise<void> =>
    plain.publish(exchange, '', body, options);

  it('makes an event of a plain message, like Knative’s source', async () => {
    const told = new Told();
    const plan = await running(told, aPlan(address));
    await send(plan, '{"n":1}', {
      messageId: 'm-1',
      contentType: 'application/json',
      timestamp: 1_700_000_000,
      headers: { color: 'red', 'content-length': 99 },
    });
    await expect.poll(() => told.events.length, WAIT).toBe(1);
    const [event] = told.events;
    expect(Object.fromEntries(event?.attributes ?? [])).toEqual({
      specversion: '1.0',
      id: 'm-1',
      source: `/apis/v1/namespaces/demo/rabbitmqsources/orders#${plan.from.queue}`,
      type: 'dev.knative.rabbitmq.event',
      subject: 'm-1',
      time: '2023-11-14T22:13:20.000Z',
    });
    expect(event?.contentType).toBe('application/json');
    expect(told.bodies).toEqual(['{"n":1}']);
  });

  it.each<[string, object, string]>([
    [
      'by the AMQP binding',
      {
        contentType: 'text/plain',
        headers: {
          'cloudEvents:specversion': '1.0',
          'cloudEvents:id': 'e-1',
          'cloudEvents:source': '/shop',
          'cloudEvents:type': 'order.placed',
        },
      },
      'hello',
    ],
    [
      'in Knative’s spelling',
      {
        headers: { 'ce-specversion': '1.0', 'ce-id': 'e-1', 'ce-source': '/shop', 'ce-type': 'order.placed' },
      },
      'hello',
    ],
    [
      'structured',
      { contentType: 'application/cloudevents+json' },
      JSON.stringify({ specversion: '1.0', id: 'e-1', source: '/shop', type: 'order.placed', data: 1 }),
    ],
  ])('passes on a CloudEvent %s', async (_, options, body) => {
    const told = new Told();
    const plan = await running(told, aPlan(address));
    await send(plan, body, options);
    await expect.poll(() => told.events.length, WAIT).toBe(1);
    expect(Object.fromEntries(told.events[0]?.attributes ?? [])).toMatchObject({
      id: 'e-1',
      source: '/shop',
      type: 'order.placed',
    });
  });

  it('keeps a CloudEvent that is none out of nobody’s way: it comes as a plain message', async () => {
    const told = new Told();
    const plan = await running(told, aPlan(address));
    await send(plan, 'no json', { contentType: 'application/cloudevents+json' });
    await send(plan, 'bare', { headers: { 'ce-specversion': '1.0', 'ce-id': 'e-1' } });
    await send(plan, '', { contentType: '\n' });
    await expect.poll(() => told.bodies, WAIT).toEqual(['no json', 'bare', '']);
    expect(new Set(told.events.map(({ attributes }) => attributes.get('type')))).toEqual(
      new Set(['dev.knative.rabbitmq.event']),
    );
  });

  it('R1 acknowledges a message only when the sink has its event', async () => {
    const told = new Told();
    const gate = Promise.withResolvers<'taken'>();
    told.take = () => gate.promise;
    const plan = await running(told, aPlan(address));
    await send(plan, 'one');
    await send(plan, 'two');
    await expect.poll(async () => (await plain.count(plan.from.queue))?.ready, WAIT).toBe(1);
    gate.resolve('taken');
    await expect.poll(() => told.bodies, WAIT).toEqual(['one', 'two']);
    await opened.splice(0)[0]?.close();
    expect(await plain.count(plan.from.queue)).toEqual({ ready: 0, consumers: 0 });
  });

  it('R1 rejects what the sink will never take, to the dead-letter exchange of the queue', async () => {
    const plan = aPlan(address, { isPredeclared: true, exchange: undefined });
    const dead = `${plan.from.queue}-dead`;
    queues.push(dead);
    await plain.run((channel) => channel.assertQueue(dead, { durable: true }));
    const letters = { deadLetterExchange: '', deadLetterRoutingKey: dead };
    await plain.run((channel) => channel.assertQueue(plan.from.queue, { durable: true, ...letters }));
    const told = new Told();
    told.take = async ({ body }) => (Buffer.from(body).toString() === 'bad' ? 'refused' : 'taken');
    await running(told, plan);
    await plain.publish('', plan.from.queue, 'bad');
    await plain.publish('', plan.from.queue, 'good');
    await expect.poll(() => told.bodies, WAIT).toEqual(['bad', 'good']);
    await expect.poll(async () => (await plain.count(dead))?.ready, WAIT).toBe(1);
    expect((await plain.count(plan.from.queue))?.ready).toBe(0);
  });

  it.each([1, 5])('R2 has %d in hand, as its parallelism says; one keeps the order', async (inFlightMax) => {
    const told = new Told();
    const gates: PromiseWithResolvers<'taken'>[] = [];
    told.take = () => {
      const gate = Promise.withResolvers<'taken'>();
      gates.push(gate);
      return gate.promise;
    };
    const plan = await running(told, aPlan(address, { inFlightMax }));
    const names = Array.from({ length: 12 }, (_, i) => `${i}`);
    for (const name of names) await send(plan, name);
    const ready = async (): Promise<number | undefined> => (await plain.count(plan.from.queue))?.ready;
    await expect.poll(ready, WAIT).toBe(12 - inFlightMax);
    expect(gates.length).toBe(inFlightMax);
    for (const [i] of names.entries()) {
      await expect.poll(() => gates.length, WAIT).toBe(Math.min(12, i + inFlightMax));
      gates[i]?.resolve('taken');
    }
    await expect.poll(() => told.bodies, WAIT).toEqual(names);
  });

  it('brings fewer at a time when they are large, and all of them', async () => {
    const told = new Told();
    const gate = Promise.withResolvers<'taken'>();
    told.take = () => gate.promise;
    const plan = aPlan(address, { inFlightMax: 100 });
    await running(told, plan);
    const large = 'x'.repeat(16 * 1024 * 1024);
    await send(plan, large); // room for four of these
    for (let i = 0; i < 12; i += 1) await send(plan, `${i}`);
    await expect.poll(async () => (await plain.count(plan.from.queue))?.ready, WAIT).toBeGreaterThan(0);
    gate.resolve('taken');
    await expect.poll(() => told.events.length, WAIT).toBe(13);
  });

  it('lets what is being delivered come to its end when it is closed', async () => {
    const told = new Told();
    const gate = Promise.withResolvers<'taken'>();
    let isAsked = false;
    told.take = () => ((isAsked = true), gate.promise);
    const plan = await running(told, aPlan(address));
    await send(plan, 'one');
    await expect.poll(() => isAsked, WAIT).toBe(true);
    const closing = opened.splice(0)[0]?.close();
    await send(plan, 'two');
    gate.resolve('taken');
    await closing;
    expect(told.bodies).toEqual(['one']);
    expect((await plain.count(plan.from.queue))?.ready).toBe(1);
  });

  it('shares one connection with the sources of the same address, for as long as there is one', async () => {
    const { hostname, port } = new URL(address);
    const proxy = await TcpProxy.open(hostname, Number(port));
    const proxied = `amqp://guest:guest@127.0.0.1:${proxy.port}`;
    const adapter = rabbitmqAdapter();
    const sources = Array.from({ length: 3 }, () => ({ told: new Told(), plan: aPlan(proxied) }));
    for (const { told, plan } of sources) {
      queues.push(plan.from.queue);
      opened.push(told.open(plan, adapter));
    }
    for (const { told } of sources) await expect.poll(() => told.last?.kind, WAIT).toBe('running');
    expect(proxy.connections).toBe(1);
    await opened.shift()?.close(); // the others go on
    for (const { plan } of sources) await send(plan, 'hello');
    await expect.poll(() => sources.map(({ told }) => told.events.length), WAIT).toEqual([0, 1, 1]);
    await Promise.all(opened.splice(0).map((source) => source.close()));
    await expect.poll(() => proxy.connections, WAIT).toBe(0);
    await proxy.close();
  });
});
