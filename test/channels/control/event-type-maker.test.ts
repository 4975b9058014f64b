import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EVENT_TYPE, type EventType } from '../../../src/apis/eventing/event-type/schema.ts';
import type { Resource } from '../../../src/apis/resource.ts';
import { EventTypeMaker } from '../../../src/channels/control/event-type-maker.ts';
import { eventTypeReconciler } from '../../../src/channels/control/event-type-reconciler.ts';
import { SeenTypes } from '../../../src/channels/control/seen-types.ts';
import { publishSignal } from '../../../src/telemetry/signals.ts';
import { conditionIn, World, type Stated } from '../../kit/world.ts';

const CHANNEL = { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel' };

let world: World;
let maker: EventTypeMaker;
let isEnabled: boolean;
let errors: unknown[];

beforeEach(async () => {
  world = await World.open();
  [isEnabled, errors] = [true, []];
  await world.apply({ ...CHANNEL, metadata: { name: 'orders', namespace: 'default' } });
  const eventTypes = world.informers.of(EVENT_TYPE);
  maker = new EventTypeMaker({
    client: world.controller,
    clock: world.clock,
    isEnabled: () => isEnabled,
    originOf: async (place) => {
      const [kind, namespace = '', name = ''] = place.split('/');
      if (kind === 'Outbox') return undefined;
      const owner = await world.controller.find<Resource>(CHANNEL, namespace, name);
      const reference = { ...CHANNEL, namespace, name };
      return owner && { owner, reference, isSource: kind === 'WebhookSource' };
    },
    all: () => eventTypes.all() as readonly EventType[],
    isChannel: (url) => url.startsWith('http://events/channels/'),
    onError: (error) => errors.push(error),
  });
  eventTypes.onChange((object, type) => {
    if (type === 'DELETED') maker.deleted(object as EventType);
  });
  await world.informers.synced();
});
afterEach(() => maker.close());

function accept(type: string, source = '/shop', channel = 'LogChannel/default/orders'): void {
  const rest = { id: '1', atMs: 0, durableMs: 0, seq: 1, bytes: 1, groups: [] };
  publishSignal('channel.accepted', { ...rest, type, source, channel });
}
const stored = (): readonly EventType[] =>
  world.store.list({ group: 'eventing.knative.dev', kind: 'EventType' }).items as readonly EventType[];
const names = (): string[] =>
  stored().map(({ spec }) => spec.attributes?.find(({ name }) => name === 'type')?.value ?? '');
/** Time goes on until it is so. */
const until = (read: () => unknown, value: unknown): Promise<void> =>
  expect.poll(() => (world.clock.advance(50), read()), { timeout: 15_000, interval: 2 }).toEqual(value);

describe('what arrives at a channel', () => {
  it('becomes an EventType as upstream makes it: named by a hash, owned by the channel and referring to it', async () => {
    accept('order.paid');
    accept('order.paid');
    await until(names, ['order.paid']);
    const [made] = stored();
    expect(made?.metadata.name).toBe('et-orders-b1d653c271b8f1465f26411dfd99f1b9');
    const uid = (await world.get(CHANNEL, 'orders')).metadata.uid;
    expect(made?.metadata.ownerReferences).toEqual([{ ...CHANNEL, name: 'orders', uid }]);
    expect(made?.spec).toEqual({
      reference: { ...CHANNEL, name: 'orders', namespace: 'default' },
      description: 'Event Type auto-created by controller',
      attributes: [
        { name: 'type', value: 'order.paid', required: true },
        { name: 'source', value: '/shop', required: true },
        { name: 'specversion', required: true },
        { name: 'id', required: false },
      ],
    });
  });

  it('is written at most every 50 ms, and never in the turn of the event', async () => {
    const before = world.version;
    for (let i = 0; i < 10; i += 1) accept(`type.${i}`);
    expect(world.version).toBe(before);
    world.clock.advance(50);
    await expect.poll(names).toEqual(['type.0']);
    await until(() => names().length, 10);
  });

  it('is not made of more types than a hundred of one channel', { timeout: 20_000 }, async () => {
    for (let i = 0; i < 200; i += 1) accept('reading', `/meter/${i}`);
    await until(() => names().length, 100);
    accept('other', '/shop', 'LogChannel/default/other'); // nobody's, but looked at after all of these
    world.clock.advance(50);
    expect(names()).toHaveLength(100);
    expect(errors).toEqual([]);
  });

  it('is left alone when somebody has described it already, whatever it is called', async () => {
    const own = {
      ...EVENT_TYPE,
      metadata: { name: 'mine', namespace: 'default' },
      spec: {
        reference: { ...CHANNEL, name: 'orders' },
        description: 'an order was paid',
        attributes: [
          { name: 'type', value: 'order.paid' },
          { name: 'source', value: '/shop' },
          { name: 'specversion' },
          { name: 'id' },
        ],
      },
    };
    await world.apply(own);
    await expect.poll(() => world.informers.of(EVENT_TYPE).all().length).toBe(1);
    accept('order.paid');
    accept('order.sent');
    await until(() => names().toSorted(), ['order.paid', 'order.sent']);
    const mine = (await world.get(EVENT_TYPE, 'mine')) as Stated & { spec: object };
    expect(mine.spec).toMatchObject({ description: 'an order was paid' });
  });

  it('never overwrites one of the same name', async () => {
    accept('order.paid');
    await until(names, ['order.paid']);
    const [made] = stored();
    await maker.close();
    const other = {
      ...EVENT_TYPE,
      metadata: { name: 'et-orders-x', namespace: 'default' },
      spec: made?.spec,
    };
    await world.apply(other);
    const late = {
      ...other,
      metadata: { ...other.metadata, resourceVersion: '0' },
      spec: { ...made?.spec, description: 'z' },
    };
    await expect(world.controller.apply(late as Resource)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('comes back with the next event after its EventType was deleted', async () => {
    accept('order.paid');
    await until(names, ['order.paid']);
    const name = stored()[0]?.metadata.name ?? '';
    await expect.poll(() => world.informers.of(EVENT_TYPE).get(`default/${name}`)).toBeDefined();
    await world.admin.remove(EVENT_TYPE, 'default', name);
    await expect.poll(() => world.informers.of(EVENT_TYPE).all()).toEqual([]);
    accept('order.paid');
    await until(names, ['order.paid']);
  });

  it('comes anew to a channel that was made anew', async () => {
    accept('order.paid');
    await until(names, ['order.paid']);
    await world.admin.remove(EVENT_TYPE, 'default', stored()[0]?.metadata.name ?? '');
    maker.gone('LogChannel/default/orders');
    accept('order.paid');
    await until(names, ['order.paid']);
  });

  it('is not looked at where nobody can subscribe, nor while the feature is off', async () => {
    accept('order.paid', '/shop', 'Outbox/default/orders');
    isEnabled = false;
    accept('order.sent');
    for (let i = 0; i < 4; i += 1) {
      world.clock.advance(50);
      await Promise.resolve();
    }
    isEnabled = true;
    accept('order.seen');
    await until(names, ['order.seen']);
    accept('order.sent');
    await until(() => names().toSorted(), ['order.seen', 'order.sent']);
  });
});

describe('what a source sends', () => {
  const send = (sinkUrl: string): void =>
    publishSignal('source.sent', {
      id: '1',
      type: 'com.stripe.charge',
      source: '/stripe',
      atMs: 0,
      origin: 'WebhookSource/default/orders',
      sinkUrl,
    });

  it('becomes an EventType of the source, unless a channel tells it', async () => {
    send('http://events/channels/default/orders');
    send('http://elsewhere/');
    await until(names, ['com.stripe.charge']);
    expect(stored()[0]?.metadata.name).toMatch(/^[0-9a-f]{32}$/);
    expect(stored()[0]?.metadata.ownerReferences).toMatchObject([
      { controller: true, blockOwnerDeletion: true },
    ]);
  });
});

describe('the EventType reconciler', () => {
  const pass = async (spec: object): Promise<unknown> => {
    const attributes = ['type', 'source', 'specversion', 'id'].map((name) => ({ name, value: 'x' }));
    const metadata = { name: `t-${JSON.stringify(spec).length}`, namespace: 'default' };
    await world.apply({ ...EVENT_TYPE, metadata, spec: { attributes, ...spec } });
    await world.pass(eventTypeReconciler(world.controller), metadata.name);
    return conditionIn(await world.get(EVENT_TYPE, metadata.name), 'ReferenceExists');
  };

  it('says whether what is referred to is there, in the words of upstream', async () => {
    expect(await pass({})).toEqual({
      status: 'True',
      reason: 'ReferenceNotSet',
      message: 'spec.reference is not set',
    });
    expect(await pass({ reference: { ...CHANNEL, name: 'orders' } })).toEqual({ status: 'True' });
    expect(await pass({ reference: { ...CHANNEL, name: 'nothing' } })).toEqual({
      status: 'False',
      reason: 'ResourceDoesNotExist',
      message: 'Resource in spec.reference does not exist',
    });
    expect(await pass({ reference: { apiVersion: 'a/v1', kind: 'Unknown', name: 'x' } })).toMatchObject({
      status: 'Unknown',
      reason: 'ReferenceGetFailed',
    });
  });
});

describe('the memory of types', () => {
  it('finds each new once, until it or its place is forgotten', () => {
    const seen = new SeenTypes();
    const isNew = (type: string, place = 'a'): boolean => seen.isNew(place, type, '/s');
    expect([isNew('t'), isNew('t'), isNew('u'), isNew('t', 'b')]).toEqual([true, false, true, true]);
    seen.forget('t', '/s');
    expect([isNew('t'), isNew('t', 'b'), isNew('u')]).toEqual([true, true, false]);
    seen.forgetPlace('a');
    expect(isNew('u')).toBe(true);
  });

  it('is bounded in types and in places', () => {
    const seen = new SeenTypes(2);
    expect(['t', 'u', 'v', 't'].map((type) => seen.isNew('a', type, '/s'))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    seen.forget('t', '/s');
    expect(seen.isNew('a', 'v', '/s')).toBe(true);
    const places = Array.from({ length: 3000 }, (_, i) => seen.isNew(`place ${i}`, 't', '/s'));
    expect(places.filter(Boolean)).toHaveLength(1999);
  });
});
