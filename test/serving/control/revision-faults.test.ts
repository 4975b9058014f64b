import { beforeEach, describe, expect, it } from 'vitest';
import { KINDS, type Revision } from '../../../src/apis/serving/types.ts';
import { revisionReconciler } from '../../../src/serving/control/revision-reconciler.ts';
import { unschedulable } from '../../../src/serving/control/scheduling.ts';
import { aRevision, IMAGE } from '../../kit/serving-objects.ts';
import { conditionIn, World, type Stated } from '../../kit/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});

/** On a machine of two cores and a gibibyte, with one image. */
async function after(container: object): Promise<Stated> {
  const revision = aRevision('r-00001') as Revision;
  await world.apply({ ...revision, spec: { containers: [{ image: IMAGE, ...container }] } });
  const reconciler = revisionReconciler(world.controller, {
    resolveImage: (reference) => (reference === IMAGE ? { digest: 'sha256:abc' } : undefined),
    instances: () => ({ ready: 0, desired: 0, trouble: undefined, hasBeenReady: false }),
    machine: { cores: 2, memoryBytes: 1024 ** 3 },
  });
  await world.pass(reconciler, 'r-00001');
  return world.get(KINDS.revision, 'r-00001');
}
const deployments = async (): Promise<number> => (await world.controller.list(KINDS.deployment)).items.length;

describe('a Revision that cannot be', () => {
  it.each([
    [{ requests: { cpu: '50' } }, '1 Insufficient cpu'],
    [{ limits: { memory: '2Gi' } }, '1 Insufficient memory'],
    [{ requests: { cpu: '3', memory: '2Gi' } }, '1 Insufficient cpu, 1 Insufficient memory'],
  ])('since it requests %j says so, as Kubernetes’ scheduler does', async (resources, lack) => {
    const ready = conditionIn(await after({ resources }), 'Ready');
    expect(ready).toMatchObject({ status: 'False', reason: 'Unschedulable' });
    expect(ready?.message).toContain(`0/1 nodes are available: ${lack}.`);
    expect(await deployments()).toBe(0);
  });

  it('since its Deployment is refused says why', async () => {
    const ready = conditionIn(await after({ name: '&Invalid' }), 'Ready');
    expect(ready).toMatchObject({ status: 'False', reason: 'FailedCreate' });
    expect(ready?.message).toContain('Invalid value: "&Invalid"');
  });

  it.each([
    ['dev.local/none', 'ContainerMissing'],
    [`dev.local/none@sha256:${'0'.repeat(64)}`, 'ErrImagePull'],
  ])('since image %s is nowhere has reason %s', async (image, reason) => {
    expect(conditionIn(await after({ image }), 'Ready')).toMatchObject({ status: 'False', reason });
  });
});

it('a Pod fits by the sum of its containers, and by each of its init containers', () => {
  const asking = (cpu: string): object => ({ resources: { requests: { cpu } } });
  const machine = { cores: 2, memoryBytes: 1024 ** 3 };
  expect(unschedulable([asking('1'), asking('1')], [asking('2')], machine)).toBeUndefined();
  expect(unschedulable([asking('1'), asking('1100m')], [], machine)).toContain('Insufficient cpu');
  expect(unschedulable([asking('1')], [asking('3')], machine)).toContain('Insufficient cpu');
});
