import { beforeEach, describe, expect, it } from 'vitest';
import { PlatformError } from '../../src/base/errors.ts';
import { isTrue } from '../../src/apis/conditions.ts';
import { CHANNEL_CONDITIONS } from '../../src/apis/messaging/channel/status.ts';
import type { Resource } from '../../src/apis/resource.ts';
import { settled, type Outcome, type Reconciler } from '../../src/control/reconciler.ts';
import { aChannel, CHANNEL } from '../kit/messaging-objects.ts';
import { conditionIn, World } from '../kit/world.ts';

const FINALIZER = 'tests.millrace.dev';
const EVENT = { apiVersion: 'v1', kind: 'Event' };

let world: World;
beforeEach(async () => {
  world = await World.open();
});

/** A reconciler of Channels that does as told, and counts its passes. */
function reconcilerOf(
  reconcile: (object: Resource, pass: number) => Promise<Outcome>,
  rest: Partial<Reconciler<Resource>> = {},
): Reconciler<Resource> & { passes: () => number } {
  let passes = 0;
  return {
    kind: CHANNEL,
    conditions: CHANNEL_CONDITIONS,
    reconcile: (object) => reconcile(object, (passes += 1)),
    passes: () => passes,
    ...rest,
  };
}
const allTrue = async (): Promise<Outcome> =>
  settled({}, ...CHANNEL_CONDITIONS.dependents.map((type) => isTrue(type)));
const stored = () => world.get(CHANNEL, 'orders');

describe('a controller', () => {
  it('writes the status that a pass concludes, with the generation that it speaks of', async () => {
    const reconciler = reconcilerOf(allTrue);
    const controller = world.controllerOf(reconciler);
    controller.start();
    await world.apply(aChannel('orders'));
    await expect.poll(async () => conditionIn(await stored(), 'Ready')).toEqual({ status: 'True' });
    expect((await stored()).status).toMatchObject({ observedGeneration: 1 });
    await controller.close();
  });

  it('writes nothing in a second pass over the same world', async () => {
    const reconciler = reconcilerOf(allTrue);
    const controller = world.controllerOf(reconciler);
    await world.apply(aChannel('orders'));
    controller.enqueue('default/orders');
    await expect.poll(async () => conditionIn(await stored(), 'Ready')).toEqual({ status: 'True' });
    const before = world.version;
    controller.enqueue('default/orders');
    await expect.poll(reconciler.passes).toBe(2);
    await controller.close();
    expect(world.version).toBe(before);
  });

  it('keeps the fields of status that a pass does not name, and removes those it names undefined', async () => {
    const reconciler = reconcilerOf(async (_, pass) =>
      pass === 1
        ? settled({ deadLetterSinkUri: 'http://a.example', address: { url: 'http://b.example' } })
        : settled({ address: undefined }),
    );
    const controller = world.controllerOf(reconciler);
    await world.apply(aChannel('orders'));
    controller.enqueue('default/orders');
    await expect.poll(async () => (await stored()).status).toHaveProperty('address');
    controller.enqueue('default/orders');
    await expect.poll(async () => (await stored()).status).not.toHaveProperty('address');
    expect((await stored()).status).toHaveProperty('deadLetterSinkUri', 'http://a.example');
    await controller.close();
  });

  it('sets the finalizer before the first pass, and takes it off after finalize', async () => {
    const seen: unknown[] = [];
    const reconciler = reconcilerOf(
      async ({ metadata }) => {
        seen.push(metadata.finalizers);
        return allTrue();
      },
      {
        finalizer: FINALIZER,
        finalize: async ({ metadata }) => {
          seen.push(['finalize', metadata.finalizers]);
          return [{ type: 'Warning', reason: 'EventsGivenUp', message: '3 were owed' }];
        },
      },
    );
    const controller = world.controllerOf(reconciler);
    controller.start();
    await world.apply(aChannel('orders'));
    await expect.poll(async () => conditionIn(await stored(), 'Ready')).toEqual({ status: 'True' });
    await world.admin.remove(CHANNEL, 'default', 'orders');
    await expect.poll(() => world.controller.find(CHANNEL, 'default', 'orders')).toBeUndefined();
    await controller.close();
    expect(seen[0]).toEqual([FINALIZER]);
    expect(seen.at(-1)).toEqual(['finalize', [FINALIZER]]);
    expect((await world.controller.list(EVENT, 'default')).items).toMatchObject([
      { reason: 'FinalizerUpdate', message: 'Updated "orders" finalizers', count: 2 }, // set, and taken off
      { reason: 'EventsGivenUp', message: '3 were owed', count: 1, involvedObject: { name: 'orders' } },
    ]);
  });

  it('keeps the object while finalize fails', async () => {
    let tries = 0;
    const reconciler = reconcilerOf(allTrue, {
      finalizer: FINALIZER,
      finalize: async () => {
        tries += 1;
        if (tries < 3) throw new Error('not yet');
        return [];
      },
    });
    const controller = world.controllerOf(reconciler);
    controller.start();
    await world.apply(aChannel('orders'));
    await expect.poll(async () => conditionIn(await stored(), 'Ready')).toEqual({ status: 'True' });
    await world.admin.remove(CHANNEL, 'default', 'orders');
    await expect.poll(() => tries).toBe(1);
    expect((await stored()).metadata.finalizers).toEqual([FINALIZER]);
    await expect
      .poll(async () => conditionIn(await stored(), 'Ready'))
      .toMatchObject({ status: 'False', reason: 'DeletionDelayed' });
    await expect
      .poll(async () => {
        world.clock.advance(1000);
        return world.controller.find(CHANNEL, 'default', 'orders');
      })
      .toBeUndefined();
    expect(tries).toBe(3);
    await controller.close();
  });

  it('says nothing of an object that was deleted while it was looked at', async () => {
    const errors: string[] = [];
    let passes = 0;
    const reconciler = reconcilerOf(async () => {
      passes += 1;
      await world.admin.remove(CHANNEL, 'default', 'orders');
      return allTrue();
    });
    const controller = world.controllerOf(reconciler, (key) => errors.push(key));
    controller.start();
    await world.apply(aChannel('orders'));
    await expect.poll(() => passes).toBe(1);
    await controller.close();
    expect(errors).toEqual([]);
  });

  it('waits with the deletion for others without a word but in the status', async () => {
    const errors: string[] = [];
    const finalize = async (): Promise<never> => {
      throw new PlatformError('DELETION_DELAYED', 'still in use', { retryable: true });
    };
    const reconciler = reconcilerOf(allTrue, { finalizer: FINALIZER, finalize });
    const controller = world.controllerOf(reconciler, (key) => errors.push(key));
    controller.start();
    await world.apply(aChannel('orders'));
    await expect.poll(async () => (await stored()).metadata.finalizers).toEqual([FINALIZER]);
    await world.admin.remove(CHANNEL, 'default', 'orders');
    await expect
      .poll(async () => conditionIn(await stored(), 'Ready'))
      .toEqual({ status: 'False', reason: 'DeletionDelayed', message: 'still in use' });
    await controller.close();
    expect(errors).toEqual([]);
    expect((await world.controller.list(EVENT, 'default')).items).toMatchObject([
      { type: 'Normal', reason: 'FinalizerUpdate' },
    ]);
  });

  it('tries a failed pass again after a pause, and tells of it once for each time', async () => {
    const errors: string[] = [];
    const reconciler = reconcilerOf(async (_, pass) => {
      if (pass < 3) throw new Error('no luck');
      return allTrue();
    });
    const controller = world.controllerOf(reconciler, (key) => errors.push(key));
    await world.apply(aChannel('orders'));
    controller.enqueue('default/orders');
    await expect
      .poll(async () => {
        world.clock.advance(1000);
        return conditionIn(await stored(), 'Ready');
      })
      .toEqual({ status: 'True' });
    await controller.close();
    expect(errors).toEqual(['default/orders', 'default/orders']);
    expect((await world.controller.list(EVENT, 'default')).items).toMatchObject([
      { type: 'Warning', reason: 'InternalError', message: 'no luck', count: 2 },
    ]);
  });

  it('tries again after a conflict without telling anybody', async () => {
    const errors: string[] = [];
    const reconciler = reconcilerOf(async (object, pass) => {
      if (pass === 1) {
        await world.apply(aChannel('orders', undefined, { 'example.com/a': '1' }));
        await world.controller.apply(object);
      }
      return allTrue();
    });
    const controller = world.controllerOf(reconciler, (key) => errors.push(key));
    await world.apply(aChannel('orders'));
    controller.enqueue('default/orders');
    await expect
      .poll(async () => {
        world.clock.advance(1000);
        return conditionIn(await stored(), 'Ready');
      })
      .toEqual({ status: 'True' });
    await controller.close();
    expect(reconciler.passes()).toBe(2);
    expect(errors).toEqual([]);
    expect((await world.controller.list(EVENT, 'default')).items).toEqual([]);
    expect((await stored()).metadata.annotations).toHaveProperty(['example.com/a'], '1');
  });

  it('runs no pass for an object that is gone', async () => {
    const reconciler = reconcilerOf(allTrue);
    const controller = world.controllerOf(reconciler);
    controller.enqueue('default/nobody');
    await controller.close();
    expect(reconciler.passes()).toBe(0);
  });
});
