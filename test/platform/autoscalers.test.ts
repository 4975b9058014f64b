import { describe, expect, it } from 'vitest';
import { POD_AUTOSCALER } from '../../src/apis/autoscaling/pod-autoscaler/types.ts';
import { keyOf } from '../../src/apis/resource.ts';
import type { Revision } from '../../src/apis/serving/types.ts';
import { systemClock } from '../../src/base/clock.ts';
import { Autoscalers } from '../../src/platform/autoscalers.ts';
import type { StartOne } from '../../src/platform/controllers.ts';
import { podAutoscalerOf } from '../../src/serving/control/autoscaler-objects.ts';
import { Serving } from '../../src/serving/serving.ts';
import { TwinRuntime } from '../kit/runtime.ts';
import { aRevision } from '../kit/serving-objects.ts';
import { World } from '../kit/world.ts';

/** Autoscalers of a world, and whom they looked at. */
async function opened(): Promise<{ autoscalers: Autoscalers; world: World; passes: string[] }> {
  const world = await World.open();
  const serving = new Serving({ runtime: new TwinRuntime(() => undefined), clock: systemClock });
  const autoscalers = new Autoscalers(world.controller, world.informers, serving, {
    host: '127.0.0.1',
    port: 8081,
  });
  const passes: string[] = [];
  const start: StartOne = (_, reconciler) => {
    const counted: typeof reconciler = {
      ...reconciler,
      reconcile(object) {
        passes.push(keyOf(object));
        return reconciler.reconcile(object);
      },
    };
    const controller = world.controllerOf(counted);
    controller.start();
    return controller;
  };
  autoscalers.start(start);
  return { autoscalers, world, passes };
}

async function scaled(world: World, name: string): Promise<void> {
  const revision = (await world.apply(aRevision(name))) as unknown as Revision;
  await world.controller.apply(podAutoscalerOf(revision));
}

describe('the objects that tell of scaling', () => {
  it('are looked at once for all that happens within half a second, and never for what is unknown', async () => {
    const { autoscalers, world, passes } = await opened();
    await scaled(world, 'a-00001');
    await scaled(world, 'b-00001');
    await expect
      .poll(async () => (await world.get(POD_AUTOSCALER, 'b-00001')).status)
      .toMatchObject({ desiredScale: -1 });
    await expect.poll(() => passes).toHaveLength(4); // each one, and again for its own status
    for (let i = 0; i < 1000; i += 1) autoscalers.told('default/a-00001');
    autoscalers.told('default/unknown');
    await expect.poll(() => passes, { timeout: 3000 }).toHaveLength(5);
    autoscalers.told('default/b-00001');
    await expect
      .poll(() => passes.slice(4), { timeout: 3000 })
      .toEqual(['default/a-00001', 'default/b-00001']);
  });
});
