import { beforeEach, describe, expect, it } from 'vitest';
import { LABELS } from '../../../src/apis/serving/shared.ts';
import { KINDS } from '../../../src/apis/serving/types.ts';
import { revisionReconciler, type InstanceView } from '../../../src/serving/control/revision-reconciler.ts';
import { aRevision, IMAGE } from '../../kit/serving-objects.ts';
import { aContainer, SCALE } from '../../kit/small-platform.ts';
import { conditionIn, World, type Stated } from '../../kit/world.ts';

type View = ReturnType<InstanceView>;
const NONE: View = { ready: 0, desired: 0, trouble: undefined, hasBeenReady: false };
const DEPLOYMENT = KINDS.deployment;

let world: World;
beforeEach(async () => {
  world = await World.open();
});

async function after(view: Partial<View>, images: readonly string[] = [IMAGE]): Promise<Stated> {
  const reconciler = revisionReconciler(world.controller, {
    resolveImage: (reference) => {
      if (reference === '-no-image') throw new Error('no image name');
      return images.includes(reference) ? { digest: 'sha256:abc' } : undefined;
    },
    instances: () => ({ ...NONE, ...view }),
  });
  await world.pass(reconciler, 'r-00001');
  return world.get(KINDS.revision, 'r-00001');
}

describe('a Revision', () => {
  it('pins its image, and makes a Deployment that it owns', async () => {
    const { metadata } = await world.apply(aRevision('r-00001'));
    const { status } = await after({ ready: 1, desired: 2 });
    expect(status).toMatchObject({
      containerStatuses: [{ name: 'user-container', imageDigest: 'dev.local/hello@sha256:abc' }],
      actualReplicas: 1,
      desiredReplicas: 2,
    });
    const deployment = await world.get(DEPLOYMENT, 'r-00001-deployment');
    expect(deployment.metadata.ownerReferences).toMatchObject([{ kind: 'Revision', uid: metadata.uid }]);
    expect(deployment.metadata.labels).toEqual({
      app: 'r-00001',
      [LABELS.revision]: 'r-00001',
      [LABELS.revisionUid]: metadata.uid,
    });
    expect(deployment['spec']).toMatchObject({
      replicas: 2,
      template: { spec: { containers: [{ image: 'dev.local/hello@sha256:abc' }, { name: 'queue-proxy' }] } },
    });
    expect(deployment.status).toMatchObject({ replicas: 2, readyReplicas: 1 });
  });

  it('says why its functions start by a process of their own, and is Ready all the same', async () => {
    await world.apply(aRevision('r-00001'));
    const launch = { kind: 'function', entry: 'index.js' } as const;
    const cold = aContainer({
      launch,
      ownStart: { nodeArgs: [], isRestricted: false, why: ['variable NODE_OPTIONS'] },
    });
    const told = await after({ ready: 1, desired: 1, containers: [cold] });
    expect(conditionIn(told, 'WarmStart')).toEqual({
      status: 'False',
      reason: 'OwnProcess',
      severity: 'Info',
      message:
        'each instance starts by a process of its own, not from a warm runner, because of variable NODE_OPTIONS',
    });
    expect(conditionIn(told, 'Ready')).toEqual({ status: 'True' });
    const warm = await after({ ready: 1, desired: 1, containers: [aContainer({ launch })] });
    expect(JSON.stringify(warm.status)).not.toContain('WarmStart');
  });

  it('keeps its pinned image when the name means another or none by now', async () => {
    await world.apply(aRevision('r-00001'));
    await after({ ready: 1, desired: 1 });
    expect(conditionIn(await after({ ready: 1, desired: 1 }, []), 'Ready')).toEqual({ status: 'True' });
  });

  it('says that its image is not there, and how to bring it', async () => {
    await world.apply(aRevision('r-00001'));
    const missing = await after({}, []);
    expect(conditionIn(missing, 'ContainerHealthy')).toEqual({
      status: 'False',
      reason: 'ContainerMissing',
      message: expect.stringMatching(
        /^Unable to fetch image "dev\.local\/hello": it is not in the local store; push it with: millrace push dev\.local\/hello PATH/,
      ) as string,
    });
    expect(conditionIn(missing, 'Ready')).toMatchObject({ status: 'False', reason: 'ContainerMissing' });
    expect(conditionIn(await after({ ready: 1, desired: 1 }), 'Ready')).toEqual({ status: 'True' });
  });

  it('says that its image has no image’s name', async () => {
    await world.apply(aRevision('r-00001', {}, '-no-image'));
    expect(conditionIn(await after({}), 'Ready')).toMatchObject({
      message: 'Unable to fetch image "-no-image": no image name',
    });
  });

  it('is deploying until its first instance is ready, and stays ready at zero', async () => {
    await world.apply(aRevision('r-00001'));
    expect(conditionIn(await after({ desired: 1 }), 'Ready')).toEqual({
      status: 'Unknown',
      reason: 'Deploying',
      message: 'its first instance is to be started',
    });
    expect(conditionIn(await after({ ready: 1, desired: 1 }), 'Ready')).toEqual({ status: 'True' });
    const atZero = await after({});
    expect(conditionIn(atZero, 'Ready')).toEqual({ status: 'True' });
    expect(conditionIn(atZero, 'Active')).toEqual({
      status: 'False',
      severity: 'Info',
      reason: 'NoTraffic',
      message: 'The target is not receiving traffic.',
    });
    expect(conditionIn(await after({ desired: 1 }), 'Active')).toEqual({
      status: 'Unknown',
      severity: 'Info',
      reason: 'Queued',
      message: 'Requests to the target are being buffered as resources are provisioned.',
    });
  });

  it('that starts at zero is ready without ever having run, and no sooner than it can be woken', async () => {
    await world.apply(aRevision('r-00001', { 'autoscaling.knative.dev/initial-scale': '0' }));
    expect(conditionIn(await after({}), 'Ready')).toMatchObject({ status: 'Unknown', reason: 'Deploying' });
    const planned = await after({ scale: { ...SCALE, initialScale: 0 } });
    expect(conditionIn(planned, 'Ready')).toEqual({ status: 'True' });
  });

  it.each([
    ['ExitCode1', 'boom', 'Container failed with: boom'],
    ['ProgressDeadlineExceeded', 'Initial scale was never achieved', 'Initial scale was never achieved'],
  ])('tells %s', async (code, reason, message) => {
    await world.apply(aRevision('r-00001'));
    const failed = await after({ desired: 1, trouble: { code, reason } });
    for (const type of ['ContainerHealthy', 'ResourcesAvailable', 'Ready'])
      expect(conditionIn(failed, type)).toEqual({ status: 'False', reason: code, message });
    expect(conditionIn(await after({ ready: 1, desired: 1 }), 'Ready')).toEqual({ status: 'True' });
  });

  it('tells what of its spec is not done where it runs, and is ready all the same', async () => {
    await world.apply(aRevision('r-00001'));
    const told = await after({ ready: 1, desired: 1, ignored: ['the cpu limit is not enforced'] });
    expect(conditionIn(told, 'SpecHonoured')).toMatchObject({
      status: 'False',
      reason: 'PartlyIgnored',
      message: 'the cpu limit is not enforced',
    });
    expect(conditionIn(told, 'Ready')).toEqual({ status: 'True' });
  });

  it('writes nothing when nothing has changed', async () => {
    await world.apply(aRevision('r-00001'));
    await after({ ready: 1, desired: 1 });
    const before = world.version;
    await after({ ready: 1, desired: 1 });
    expect(world.version).toBe(before);
  });
});
