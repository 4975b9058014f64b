import { beforeEach, describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/apis/resource.ts';
import { PlatformError } from '../../../src/base/errors.ts';
import { backingReconciler, type ChannelHost } from '../../../src/channels/control/backing-reconciler.ts';
import { claimOn, servedBy } from '../../../src/channels/control/claim.ts';
import { aBacking, RABBITMQ } from '../../kit/messaging-objects.ts';
import { conditionIn, World } from '../../kit/world.ts';

const URL_OF = 'http://127.0.0.1:8081/channels/default/orders';

let world: World;
beforeEach(async () => {
  world = await World.open();
});

/** A data plane whose broker says `fault`. */
const host = (fault?: PlatformError): ChannelHost => ({
  serve: async ({ spec }) => ({
    url: URL_OF,
    subscribers: (spec?.subscribers ?? []).map(({ uid }) =>
      fault === undefined ? { uid, isReady: true } : { uid, isReady: false, message: fault.message },
    ),
    forgotten: [],
    ...(fault !== undefined && { fault }),
  }),
  remove: async () => {
    if (fault !== undefined) throw fault;
    return 0;
  },
});

const faulty = (code: string, message: string) => new PlatformError(code, message, { retryable: true });
const reconcilerFor = (fault?: PlatformError) =>
  backingReconciler(RABBITMQ, world.controller, host(fault), 'broker');

describe('a channel in a broker', () => {
  it.each([
    ['BACKEND_SETTINGS_INVALID', 'ConfigParsed', 'BackendSettingsInvalid', []],
    ['BACKEND_UNREACHABLE', 'DataPlaneAvailable', 'BackendUnreachable', ['ConfigParsed']],
    ['BACKEND_REFUSED', 'DataPlaneAvailable', 'BackendRefused', ['ConfigParsed']],
    ['CHANNEL_LOST', 'DataPlaneAvailable', 'ChannelLost', ['ConfigParsed']],
    ['CHANNEL_NAME_TAKEN', 'TopicReady', 'ChannelNameTaken', ['ConfigParsed', 'DataPlaneAvailable']],
  ])('says of %s that %s is False, in the words of the broker', async (code, condition, reason, before) => {
    await world.apply(aBacking(RABBITMQ, 'orders'));
    await world.pass(reconcilerFor(faulty(code, 'the broker says no')), 'orders');
    const object = await world.get(RABBITMQ, 'orders');
    const told = { status: 'False', reason, message: 'the broker says no' };
    expect(conditionIn(object, condition)).toEqual(told);
    expect(conditionIn(object, 'Ready')).toEqual(told);
    for (const type of before) expect(conditionIn(object, type)).toEqual({ status: 'True' });
  });

  it('is ready, by itself, once nothing is wrong any more', async () => {
    await world.apply(aBacking(RABBITMQ, 'orders'));
    await world.pass(reconcilerFor(faulty('CHANNEL_LOST', 'gone')), 'orders');
    await world.pass(reconcilerFor(), 'orders');
    const object = await world.get(RABBITMQ, 'orders');
    expect(conditionIn(object, 'Ready')).toEqual({ status: 'True' });
    expect(object.status).toMatchObject({ address: { url: URL_OF } });
  });

  it('is not deleted while its broker is away', async () => {
    const made = await world.apply(aBacking(RABBITMQ, 'orders'));
    await expect(reconcilerFor(faulty('CHANNEL_LOST', 'gone')).finalize?.(made)).rejects.toThrow('gone');
    expect(await reconcilerFor().finalize?.(made)).toEqual([]);
  });
});

describe('the subscribers that a channel has served', () => {
  it('are remembered when they are gone: what a broker cannot list is found again after a restart', async () => {
    const subscribers = ['u1', 'u2'].map((uid) => ({ uid, subscriberUri: 'http://one.example/' }));
    const apply = (spec: object) =>
      world.controller.apply(
        aBacking(RABBITMQ, 'orders', spec) as Parameters<typeof world.controller.apply>[0],
      );
    await apply({ subscribers });
    await world.pass(reconcilerFor(), 'orders');
    const served = (await world.get(RABBITMQ, 'orders')) as unknown as Resource;
    await world.controller.apply({ ...served, spec: { subscribers: [] } } as Resource);
    await world.pass(reconcilerFor(), 'orders');
    const stored = (await world.get(RABBITMQ, 'orders')) as unknown as Parameters<typeof servedBy>[0];
    expect(stored.status?.subscribers).toEqual([]);
    expect(servedBy(stored)).toEqual(['u1', 'u2']);
    const { resourceVersion } = stored.metadata;
    await world.pass(reconcilerFor(), 'orders');
    expect((await world.get(RABBITMQ, 'orders')).metadata.resourceVersion).toBe(resourceVersion);
  });
});

describe('the claim of a channel on its name', () => {
  it('is made once, stays with the object, and is nobody else’s', async () => {
    const made = await world.apply(aBacking(RABBITMQ, 'orders'));
    const claim = claimOn(world.controller, made);
    expect(claim.isOurs).toBe(false);
    await claim.make();
    expect(claim.isOurs).toBe(true);
    const stored = (await world.get(RABBITMQ, 'orders')) as Resource;
    expect(claimOn(world.controller, stored).isOurs).toBe(true);
    const copy = { ...stored, metadata: { ...stored.metadata, uid: 'another' } };
    expect(claimOn(world.controller, copy).isOurs).toBe(false);
  });

  it('is not made for an object that is gone', async () => {
    const made = await world.apply(aBacking(RABBITMQ, 'orders'));
    await world.controller.remove(RABBITMQ, 'default', 'orders');
    await expect(claimOn(world.controller, made).make()).rejects.toThrow('is no longer there');
  });
});
