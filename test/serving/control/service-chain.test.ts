import { beforeEach, describe, expect, it } from 'vitest';
import { LABELS } from '../../../src/apis/serving/shared.ts';
import { KINDS } from '../../../src/apis/serving/types.ts';
import { configurationReconciler } from '../../../src/serving/control/configuration-reconciler.ts';
import { aConfiguration, aRevision, aRoute, aService } from '../../kit/serving-objects.ts';
import { ServingWorld } from '../../kit/serving-world.ts';
import { conditionIn, type World } from '../../kit/world.ts';

let serving: ServingWorld;
let world: World;
beforeEach(async () => {
  serving = await ServingWorld.open();
  world = serving.world;
});

const service = (name = 'hello') => serving.service(name);
const configuration = (name = 'hello') => serving.configuration(name);
const round = () => serving.round();
const ready: ServingWorld['ready'] = (...given) => serving.ready(...given);

describe('a Service', () => {
  it('makes a Configuration and a Route that it owns, and tells of both', async () => {
    const { metadata } = await world.apply(
      aService({ metadata: { labels: { team: 'a' }, annotations: { note: 'n' } } }),
    );
    expect((await service()).events?.map(({ message }) => message)).toEqual([
      'Created Configuration "hello"',
      'Created Route "hello"',
    ]);
    for (const kind of [KINDS.configuration, KINDS.route]) {
      const child = await world.get(kind, 'hello');
      expect(child.metadata.labels).toEqual({
        team: 'a',
        [LABELS.service]: 'hello',
        ...(kind === KINDS.configuration && { [LABELS.serviceUid]: metadata.uid }),
      });
      expect(child.metadata.annotations).toMatchObject({ note: 'n' });
      expect(child.metadata.ownerReferences).toEqual([
        { ...KINDS.service, name: 'hello', uid: metadata.uid, controller: true, blockOwnerDeletion: true },
      ]);
    }
    expect((await world.get(KINDS.route, 'hello'))['spec']).toEqual({
      traffic: [{ configurationName: 'hello', latestRevision: true, percent: 100 }],
    });
    expect(conditionIn(await world.get(KINDS.service, 'hello'), 'Ready')).toEqual({
      status: 'Unknown',
      reason: 'OutOfDate',
      message: 'The Configuration is still working to reflect the latest desired specification.',
    });
  });

  it('is ready in the golden shape once its revision is, and then writes nothing more', async () => {
    await world.apply(aService());
    await round();
    await ready('hello-00001');
    await round();
    const { status } = await world.get(KINDS.service, 'hello');
    const at = { status: 'True', lastTransitionTime: '2030-01-01T00:00:00Z' };
    expect(status).toEqual({
      observedGeneration: 1,
      url: 'http://hello.default.localhost',
      address: { url: 'http://hello.default.svc.cluster.local' },
      latestCreatedRevisionName: 'hello-00001',
      latestReadyRevisionName: 'hello-00001',
      traffic: [{ latestRevision: true, percent: 100, revisionName: 'hello-00001' }],
      conditions: ['ConfigurationsReady', 'Ready', 'RoutesReady'].map((type) => ({ type, ...at })),
    });
    const before = world.version;
    await round();
    expect(world.version).toBe(before);
  });

  it.each([
    ['Configuration', 'ConfigurationsReady', () => aConfiguration()],
    ['Route', 'RoutesReady', () => aRoute('hello', [{ configurationName: 'hello', percent: 100 }])],
  ])('leaves a %s of its name alone that is not its own', async (kind, condition, object) => {
    await world.apply(object());
    await world.apply(aService());
    const before = await world.get({ ...KINDS.route, kind }, 'hello');
    expect((await service()).next).toEqual({ afterMs: 10_000 }); // nothing tells that it has gone
    expect(conditionIn(await world.get(KINDS.service, 'hello'), condition)).toEqual({
      status: 'False',
      reason: 'NotOwned',
      message: `There is an existing ${kind} "hello" that we do not own. Delete it, or give the Service another name.`,
    });
    expect(await world.get({ ...KINDS.route, kind }, 'hello')).toBe(before);
  });

  it('keeps its traffic on the last good revision when a new one fails, and says why', async () => {
    await world.apply(aService());
    await round();
    await ready('hello-00001');
    await round();
    await world.apply(aService({ spec: { timeoutSeconds: 5 } }));
    await round();
    await ready('hello-00002', 'False', 'it fell over');
    await round();
    const failed = await world.get(KINDS.service, 'hello');
    expect(failed.status).toMatchObject({
      latestCreatedRevisionName: 'hello-00002',
      latestReadyRevisionName: 'hello-00001',
      traffic: [{ latestRevision: true, percent: 100, revisionName: 'hello-00001' }],
    });
    expect(conditionIn(failed, 'Ready')).toEqual({
      status: 'False',
      reason: 'RevisionFailed',
      message: 'Revision "hello-00002" failed with message: it fell over.',
    });
    expect(conditionIn(failed, 'RoutesReady')).toEqual({ status: 'True' });
  });

  it('tells of a revision that failed, once', async () => {
    await world.apply(aService());
    await round();
    await ready('hello-00001', 'False', 'it fell over');
    const told = {
      type: 'Warning',
      reason: 'LatestCreatedFailed',
      message: 'Latest created revision "hello-00001" has failed',
    };
    const configuration = configurationReconciler(world.controller, world.clock);
    expect((await world.pass(configuration, 'hello')).events).toContainEqual(told);
    expect((await world.pass(configuration, 'hello')).events).toEqual([]);
  });

  it('is not ready before its traffic has moved to the latest revision', async () => {
    await world.apply(aService());
    await round();
    await ready('hello-00001');
    await round();
    await world.apply(aService({ spec: { timeoutSeconds: 5 } }));
    await round();
    await ready('hello-00002');
    await configuration();
    await service();
    expect(conditionIn(await world.get(KINDS.service, 'hello'), 'RoutesReady')).toEqual({
      status: 'Unknown',
      reason: 'TrafficNotMigrated',
      message: 'Traffic is not yet migrated to the latest revision.',
    });
    await round();
    expect(conditionIn(await world.get(KINDS.service, 'hello'), 'Ready')).toEqual({ status: 'True' });
  });
});

describe('a Configuration', () => {
  it('makes a revision for each generation, with its labels, and tells of it', async () => {
    const { metadata } = await world.apply(
      aConfiguration({ template: { labels: { l: 'x' }, annotations: { a: 'y' } } }),
    );
    expect((await configuration()).events?.map(({ message }) => message)).toEqual([
      'Created Revision "hello-00001"',
    ]);
    const revision = await world.get(KINDS.revision, 'hello-00001');
    expect(revision.metadata.labels).toEqual({
      l: 'x',
      [LABELS.configuration]: 'hello',
      [LABELS.configurationUid]: metadata.uid,
      [LABELS.configurationGeneration]: '1',
      [LABELS.service]: '',
      [LABELS.serviceUid]: '',
      [LABELS.routingState]: 'pending',
    });
    expect(revision.metadata.annotations).toMatchObject({ a: 'y' });
    expect(revision.metadata.ownerReferences).toMatchObject([{ kind: 'Configuration', uid: metadata.uid }]);
    expect((await configuration()).events).toEqual([]);
  });

  it('takes the name that its user gives', async () => {
    await world.apply(aConfiguration({ template: { name: 'hello-blue' } }));
    await configuration();
    expect((await world.get(KINDS.configuration, 'hello')).status).toMatchObject({
      latestCreatedRevisionName: 'hello-blue',
    });
  });

  it('shortens a long name with a hash, as upstream does', async () => {
    const name = 'x'.repeat(60);
    await world.apply(aConfiguration({ name }));
    await configuration(name);
    const { status } = await world.get(KINDS.configuration, name);
    expect(status?.['latestCreatedRevisionName']).toMatch(/^x{25}[\da-f]{32}-00001$/);
  });

  it('does not touch a revision of that name that is somebody else’s', async () => {
    await world.apply(aRevision('hello-00001'));
    await world.apply(aConfiguration());
    expect((await configuration()).next).toEqual({ afterMs: 10_000 }); // nothing tells that it has gone
    expect(conditionIn(await world.get(KINDS.configuration, 'hello'), 'Ready')).toEqual({
      status: 'False',
      reason: 'RevisionFailed',
      message:
        'Revision creation failed with message: revisions.serving.knative.dev "hello-00001" already exists.',
    });
  });

  it('moves its latest ready revision forward only, past those that fail', async () => {
    const latest = async (): Promise<unknown> =>
      (await world.get(KINDS.configuration, 'hello')).status?.['latestReadyRevisionName'];
    for (const timeoutSeconds of [1, 2, 3]) {
      await world.apply(aConfiguration({ spec: { timeoutSeconds } }));
      await configuration();
    }
    await ready('hello-00001');
    await configuration();
    expect(await latest()).toBe('hello-00001');
    await ready('hello-00002');
    expect((await configuration()).events?.map(({ message }) => message)).toEqual([
      'LatestReadyRevisionName updated to "hello-00002"',
    ]);
    await ready('hello-00002', 'False', 'gone');
    await configuration();
    expect(await latest()).toBe('hello-00002'); // and not back to the first, which is still ready
    await ready('hello-00003');
    await configuration();
    expect(await latest()).toBe('hello-00003');
  });
});
