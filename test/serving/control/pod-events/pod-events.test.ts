import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OF_SCALING } from '../../../../src/apis/core/scaling-events.ts';
import { KINDS } from '../../../../src/apis/serving/types.ts';
import { PodEvents } from '../../../../src/serving/control/pod-events/pod-events.ts';
import { publishSignal } from '../../../../src/telemetry/signals.ts';
import { World } from '../../../kit/world.ts';

const EVENT = { apiVersion: 'v1', kind: 'Event' };
const REVISION = { 'serving.knative.dev/revision': 'hello-00001' };
const RUNNING = { running: { startedAt: '2026-01-01T00:00:00Z' } };
const WAIT = { timeout: 10_000 };

let world: World;
let events: PodEvents;
let errors: unknown[];
beforeEach(async () => {
  world = await World.open();
  errors = [];
  const { controller: cluster, informers, clock } = world;
  events = new PodEvents({ cluster, informers, clock, onError: (error) => errors.push(error) });
});
afterEach(async () => {
  await events.close();
  expect(errors).toEqual([]);
});

async function run(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
  await world.apply({
    ...KINDS.pod,
    metadata: { name, namespace: 'default', labels },
    spec: { nodeName: 'here', containers: [{ name: 'app', image: 'shop:1' }] },
  });
  const status = { name: 'app', image: 'shop:1', restartCount: 0, ready: true, state: RUNNING };
  await world.state(KINDS.pod, name, { phase: 'Running', containerStatuses: [status] });
}
async function written(): Promise<readonly { readonly [field: string]: unknown }[]> {
  return (await world.controller.list(EVENT)).items as unknown as readonly Record<string, unknown>[];
}
const reasons = async (): Promise<unknown[]> => (await written()).map(({ reason }) => reason);
/** Lets time go on until all is written that was to be. */
function later(): Promise<unknown[]> {
  world.clock.advance(100);
  return reasons();
}

describe('the Events of Pods', () => {
  it('are written a second later, not while it happens', async () => {
    events.start();
    await run('web');
    await expect.poll(() => world.clock.sleepers, WAIT).toBe(2); // the informer's, and the one for what is to be written
    world.clock.advance(900);
    expect(await reasons()).toEqual([]);
    await expect.poll(later, WAIT).toEqual(['Scheduled', 'Pulled', 'Created', 'Started']);
    expect((await written())[1]).toMatchObject({
      involvedObject: { kind: 'Pod', name: 'web', fieldPath: 'spec.containers{app}' },
      source: { component: 'kubelet', host: 'here' },
      reportingComponent: 'kubelet',
    });
  });

  it('tell of a probe that fails, and that a Pod is stopped when it goes', async () => {
    events.start();
    await run('web');
    await expect.poll(later, WAIT).toContain('Started');
    const told = { atMs: 0, namespace: 'default', instance: 'web', container: 'app', isLast: false } as const;
    publishSignal('serving.unhealthy', { ...told, probe: 'Readiness', fault: 'connection refused' });
    await world.admin.remove(KINDS.pod, 'default', 'web');
    await expect.poll(later, WAIT).toContain('Killing');
    expect((await written()).find(({ reason }) => reason === 'Unhealthy')).toMatchObject({
      type: 'Warning',
      message: 'Readiness probe failed: connection refused',
    });
  });

  it('tell once that a Pod is stopped: when its instance begins to drain', async () => {
    events.start();
    await run('hello-1', REVISION);
    await expect.poll(later, WAIT).toContain('Started');
    const { status } = await world.get(KINDS.pod, 'hello-1');
    await world.state(KINDS.pod, 'hello-1', { ...(status as object), reason: 'Terminating' });
    await expect.poll(later, WAIT).toContain('Killing');
    await world.admin.remove(KINDS.pod, 'default', 'hello-1');
    await run('web'); // what is told of it comes after
    await expect.poll(async () => (await later()).length, WAIT).toBe(9);
    const killing = (await written()).filter(({ reason }) => reason === 'Killing');
    expect(killing).toMatchObject([{ count: 1 }]);
  });

  it('are marked as those of scaling, of a revision’s instances and of no other Pod', async () => {
    events.start();
    await run('hello-1', REVISION);
    await run('web');
    await expect.poll(async () => (await later()).length, WAIT).toBe(8);
    const marked = (await world.controller.list(EVENT)).items.filter(
      ({ metadata }) => metadata.labels?.[OF_SCALING] === 'true',
    );
    const about = new Set(marked.map(({ metadata }) => metadata.name.split('.')[0]));
    expect([marked.length, ...about]).toEqual([4, 'hello-1']);
  });

  it('are not told again of Pods that an earlier run of the platform had', async () => {
    await run('old');
    world.clock.advance(60_000);
    const { controller: cluster, informers, clock } = world;
    await events.close();
    events = new PodEvents({ cluster, informers, clock, onError: (error) => errors.push(error) });
    events.start();
    await run('new');
    await expect.poll(async () => (await later()).length, WAIT).toBe(4);
    const about = new Set((await world.controller.list(EVENT)).items.map(({ metadata }) => metadata.name));
    expect([...about].every((name) => name.startsWith('new.'))).toBe(true);
  });

  it('find room for what is wrong when there is none for what is routine, and count what found none', async () => {
    events.start();
    await run('web');
    await expect.poll(() => world.clock.sleepers, WAIT).toBe(2); // the informer's, and the one for what is to be written
    const told = { atMs: 0, namespace: 'default', instance: 'web', container: 'app' } as const;
    for (let i = 0; i < 1100; i += 1)
      publishSignal('serving.unhealthy', { ...told, probe: 'Liveness', fault: `${i}`, isLast: true });
    expect(events.dropped).toBe(104); // four were waiting
    publishSignal('serving.unhealthy', { ...told, probe: 'Liveness', fault: 'refused', isLast: false });
    expect(events.dropped).toBe(104);
  });
});
