import { beforeEach, describe, expect, it } from 'vitest';
import { KINDS } from '../../../src/apis/serving/types.ts';
import type { Happening } from '../../../src/serving/activator/pool-tools.ts';
import { Pods } from '../../../src/serving/control/pods.ts';
import type {
  ContainerState,
  ContainerStatus,
  InstanceStatus,
} from '../../../src/serving/runtime/instance-status.ts';
import { aRevision } from '../../kit/serving-objects.ts';
import { World, type Stated } from '../../kit/world.ts';

let world: World;
let pods: Pods;
let errors: unknown[];
beforeEach(async () => {
  world = await World.open();
  errors = [];
  pods = new Pods(world.controller, (error) => errors.push(error));
  const revision = aRevision('r-00001') as { spec: object };
  await world.apply({
    ...revision,
    spec: { containers: [{ image: 'a', ports: [{ containerPort: 80 }] }, { image: 'b' }] },
  });
});

async function tell(...happenings: Happening[]): Promise<Stated | undefined> {
  for (const happening of happenings)
    pods.follow({ ...happening, revision: 'default/r-00001', id: 'r-00001-x', atMs: world.clock.nowMs() });
  await pods.settled();
  expect(errors).toEqual([]);
  return world.controller.find<Stated>(KINDS.pod, 'default', 'r-00001-x');
}

const RUNNING: ContainerState = { kind: 'running', startedMs: 0 };
const CRASHED: ContainerState = {
  kind: 'terminated',
  exitCode: 3,
  reason: 'Error',
  message: 'exited with code 3',
  startedMs: 1000,
  finishedMs: 2000,
};
const container = (name: string, more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name,
  state: RUNNING,
  isReady: true,
  isStarted: true,
  restarts: 0,
  last: undefined,
  ...more,
});
const changed = (...containers: ContainerStatus[]): Happening => {
  const isReady = containers.every((each) => each.isReady);
  return { kind: 'changed', status: { isReady, containers, initContainers: [] } satisfies InstanceStatus };
};
const READY: Happening = { kind: 'ready', instance: {} as never }; // nothing of it is read

/** READY, STATUS and RESTARTS. */
const shown = (): unknown[] | undefined => world.table(KINDS.pod).rows[0]?.slice(1, 4);

describe('the Pod of an instance', () => {
  it('shows every container, and the gateway as its queue-proxy', async () => {
    expect((await tell({ kind: 'starting' }))?.status).toMatchObject({
      phase: 'Pending',
      containerStatuses: ['user-container-0', 'user-container-1', 'queue-proxy'].map((name) => ({
        name,
        ready: false,
        state: { waiting: { reason: 'ContainerCreating' } },
      })),
    });
    const pod = await tell(changed(container('user-container-0'), container('user-container-1')), READY);
    expect(pod?.status).toMatchObject({
      phase: 'Running',
      containerStatuses: [{ ready: true }, { ready: true }, { ready: true }],
    });
    expect(shown()).toEqual(['3/3', 'Running', 0]);
  });

  it('shows how it stands, though somebody labels it at the same moment', async () => {
    const pod = await tell({ kind: 'starting' });
    const labels = { ...pod?.metadata.labels, mine: 'yes' };
    const labelling = world.apply({ ...pod, metadata: { ...pod?.metadata, labels } });
    const ready = await tell(changed(container('user-container-0'), container('user-container-1')), READY);
    await labelling;
    expect(shown()).toEqual(['3/3', 'Running', 0]);
    expect(ready?.metadata.labels).toMatchObject({ mine: 'yes' });
  });

  it('tells which container is restarted, how often, and how it ended', async () => {
    const pod = await tell(
      { kind: 'starting' },
      READY,
      changed(
        container('user-container-0'),
        container('user-container-1', {
          isReady: false,
          restarts: 2,
          last: CRASHED,
          state: { kind: 'waiting', reason: 'CrashLoopBackOff', message: 'soon' },
        }),
      ),
    );
    expect(pod?.status).toMatchObject({
      containerStatuses: [
        { restartCount: 0 },
        {
          ready: false,
          restartCount: 2,
          state: { waiting: { reason: 'CrashLoopBackOff', message: 'soon' } },
          lastState: { terminated: { exitCode: 3, reason: 'Error', finishedAt: '1970-01-01T00:00:02Z' } },
        },
        { name: 'queue-proxy', ready: false },
      ],
    });
    expect(shown()).toEqual(['1/3', 'CrashLoopBackOff', 2]);
  });

  it('is in CrashLoopBackOff between a crash and the next start, and goes with its id', async () => {
    await tell(
      { kind: 'starting' },
      changed(container('user-container-0', { state: CRASHED, isReady: false })),
    );
    const pod = await tell({ kind: 'failed', code: 'ExitCode3', reason: 'exited with code 3' });
    expect(pod?.status).toMatchObject({
      phase: 'Running',
      containerStatuses: [
        {
          state: {
            waiting: {
              reason: 'CrashLoopBackOff',
              message: 'back-off restarting failed container=user-container-0 pod=r-00001-x',
            },
          },
          lastState: { terminated: { exitCode: 3 } },
        },
        {},
        {},
      ],
    });
    expect(await tell({ kind: 'starting' })).toMatchObject({ metadata: { uid: pod?.metadata.uid } });
    expect(await tell({ kind: 'gone' })).toBeUndefined();
  });

  it('is shown as Terminating while its instance drains', async () => {
    await tell(
      { kind: 'starting' },
      changed(container('user-container-0'), container('user-container-1')),
      READY,
    );
    expect((await tell({ kind: 'draining' }))?.status).toMatchObject({
      phase: 'Running',
      reason: 'Terminating',
    });
    expect(shown()).toEqual(['0/3', 'Terminating', 0]);
    await tell(changed(container('user-container-0', { state: CRASHED }), container('user-container-1')));
    expect(shown()?.[1]).toBe('Terminating');
  });

  it('does not come back when somebody has deleted it', async () => {
    await tell({ kind: 'starting' });
    await world.admin.remove(KINDS.pod, 'default', 'r-00001-x');
    expect(await tell(READY)).toBeUndefined();
  });
});

it('a Pod that is deleted while its status is being written is no error', async () => {
  const { controller } = world;
  const deleting = new Pods(
    {
      find: (kind, namespace, name) => controller.find(kind, namespace, name),
      list: (kind) => controller.list(kind),
      watch: (kind, options) => controller.watch(kind, options),
      apply: (desired) => controller.apply(desired),
      remove: (kind, namespace, name) => controller.remove(kind, namespace, name),
      async patchStatus(object) {
        await controller.remove(KINDS.pod, 'default', object.metadata.name);
        return controller.patchStatus(object);
      },
    },
    (error) => errors.push(error),
  );
  const event = { revision: 'default/r-00001', id: 'r-00001-gone', atMs: world.clock.nowMs() };
  deleting.follow({ ...event, kind: 'starting' });
  await deleting.settled();
  expect(errors).toEqual([]);
  expect(await controller.find(KINDS.pod, 'default', 'r-00001-gone')).toBeUndefined();
});
