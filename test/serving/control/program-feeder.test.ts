import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KINDS } from '../../../src/apis/serving/types.ts';
import { ProgramFeeder } from '../../../src/serving/control/program-feeder.ts';
import { Programs } from '../../../src/serving/programs/programs.ts';
import type { InstanceSpec } from '../../../src/serving/runtime/runtime.ts';
import { TwinRuntime } from '../../kit/runtime.ts';
import { World, type Stated } from '../../kit/world.ts';

let world: World;
let runtime: TwinRuntime;
let programs: Programs;
let feeder: ProgramFeeder;
let specs: InstanceSpec[];
let images: Map<string, string>;

class Recording extends TwinRuntime {
  override start(spec: InstanceSpec, id: string): ReturnType<TwinRuntime['start']> {
    specs.push(spec);
    return super.start(spec, id);
  }
}

beforeEach(async () => {
  world = await World.open();
  [specs, images] = [[], new Map([['heart', 'sha256:one']])];
  runtime = new Recording((_, response) => response.end());
  programs = new Programs({ runtime, clock: world.clock });
  const digestOf = (reference: string) => images.get(reference);
  feeder = new ProgramFeeder({
    cluster: world.controller,
    informers: world.informers,
    programs,
    clock: world.clock,
    random: () => 0.5,
    resolveImage: (reference) =>
      digestOf(reference) === undefined ? undefined : { digest: digestOf(reference) ?? '' },
    bundleOf: (digest) => ({
      directory: `/images/${digest}`,
      launch: { kind: 'program', command: ['heart'] },
    }),
  });
});
afterEach(async () => {
  await feeder.close();
  await programs.close(0);
  await runtime.close();
});

const OWNER = {
  apiVersion: 'sources.knative.dev/v1',
  kind: 'ContainerSource',
  name: 'heart',
  uid: 'u',
  controller: true,
};
const apply = (container: object = {}, owner: object = OWNER): Promise<Stated> =>
  world.apply({
    ...KINDS.deployment,
    metadata: { name: 'heart-deployment', namespace: 'default', ownerReferences: [owner] },
    spec: { replicas: 1, template: { spec: { containers: [{ name: 'c', image: 'heart', ...container }] } } },
  });
const deployment = () => world.get(KINDS.deployment, 'heart-deployment');
const available = async () => {
  const { conditions = [] } = ((await deployment()).status ?? {}) as {
    conditions?: { type: string; message: string }[];
  };
  return conditions.find(({ type }) => type === 'Available');
};
const pods = async () => (await world.controller.list<Stated>(KINDS.pod, 'default')).items;
async function running(): Promise<void> {
  await expect
    .poll(async () => JSON.stringify((await pods()).map(({ status }) => status)))
    .toContain('"ready":true');
  world.clock.advance(1000);
  await expect.poll(available).toMatchObject({ status: 'True', reason: 'MinimumReplicasAvailable' });
}

describe('the Deployment of a program', () => {
  it('is run as its container says, with Pods that show it', async () => {
    await world.configMap('default', 'settings', { word: 'sesame' });
    await apply({
      args: ['--loud'],
      workingDir: '/tmp',
      env: [{ name: 'WORD', valueFrom: { configMapKeyRef: { name: 'settings', key: 'word' } } }],
    });
    await feeder.start();
    await running();
    expect(specs).toMatchObject([
      {
        service: undefined,
        containers: [
          {
            directory: '/images/heart@sha256:one',
            launch: { kind: 'program', command: ['heart', '--loud'] },
            env: { WORD: 'sesame' },
            workingDir: '/tmp',
            isServing: false,
            readiness: undefined,
          },
        ],
      },
    ]);
    const [pod] = await pods();
    expect(pod?.metadata.ownerReferences).toMatchObject([{ kind: 'Deployment', name: 'heart-deployment' }]);
    expect(pod?.status).toMatchObject({
      phase: 'Running',
      containerStatuses: [{ name: 'c', ready: true, restartCount: 0 }],
    });
    expect((await deployment()).status).toMatchObject({
      replicas: 1,
      readyReplicas: 1,
      availableReplicas: 1,
    });
  });

  it('keeps its image until its template changes, whatever is pushed', async () => {
    await apply();
    await feeder.start();
    await running();
    images.set('heart', 'sha256:two');
    feeder.imagePushed();
    runtime.started[0]?.crash();
    await expect.poll(() => specs.length).toBe(2);
    expect(specs[1]?.containers[0]?.directory).toBe('/images/heart@sha256:one');
    await apply({ env: [{ name: 'NEW', value: 'yes' }] });
    await expect.poll(() => specs.at(-1)?.containers[0]?.directory).toBe('/images/heart@sha256:two');
  });

  it('says what it lacks, and starts when that comes', async () => {
    images.clear();
    const env = [{ name: 'WORD', valueFrom: { secretKeyRef: { name: 'vault', key: 'word' } } }];
    await apply({ env });
    await feeder.start();
    await expect.poll(available).toMatchObject({
      status: 'False',
      reason: 'MinimumReplicasUnavailable',
      message: expect.stringContaining('push it with: millrace push heart'),
    });
    images.set('heart', 'sha256:one');
    feeder.imagePushed();
    await expect
      .poll(async () => (await available())?.message)
      .toBe('key word of Secret default/vault is not there');
    await world.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'vault', namespace: 'default' },
      stringData: { word: 'sesame' },
    });
    await expect.poll(() => specs.length).toBe(1);
  });

  it('counts restarts in its Pod, and says how it ended', async () => {
    await apply();
    await feeder.start();
    await running();
    runtime.started[0]?.crash();
    await expect.poll(() => runtime.started.length).toBe(2);
    runtime.started[1]?.crash();
    await expect
      .poll(async () => (await pods())[0]?.status)
      .toMatchObject({
        containerStatuses: [{ restartCount: 2, state: { waiting: { reason: 'CrashLoopBackOff' } } }],
      });
    await expect
      .poll(available)
      .toMatchObject({ status: 'False', message: 'Container failed with: exited with code 3' });
  });

  it('has its Pods replaced when they are deleted, and goes with them', async () => {
    await apply();
    await feeder.start();
    await running();
    const [before] = await pods();
    await world.admin.remove(KINDS.pod, 'default', before?.metadata.name ?? '');
    await expect
      .poll(async () => (await pods()).map(({ metadata }) => metadata.name === before?.metadata.name))
      .toEqual([false]);
    await world.admin.remove(KINDS.deployment, 'default', 'heart-deployment');
    await expect.poll(pods).toEqual([]);
    expect(programs.standingOf('default/heart-deployment')).toEqual([]);
  });

  it('is nobody’s business when no ContainerSource owns it', async () => {
    await apply({}, { ...OWNER, kind: 'Revision' });
    await world.apply({
      ...KINDS.pod,
      metadata: { name: 'left', namespace: 'default', ownerReferences: [{ ...OWNER, kind: 'Deployment' }] },
    });
    await feeder.start();
    await world.informers.synced();
    expect(await pods()).toEqual([]); // what a former run left
    expect(specs).toEqual([]);
    expect((await deployment()).status).toBeUndefined();
  });
});
