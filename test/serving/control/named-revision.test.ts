import { beforeEach, describe, expect, it } from 'vitest';
import { ANNOTATIONS, LABELS } from '../../../src/apis/serving/shared.ts';
import { KINDS } from '../../../src/apis/serving/types.ts';
import { aConfiguration, aService } from '../../kit/serving-objects.ts';
import { ServingWorld } from '../../kit/serving-world.ts';
import type { World } from '../../kit/world.ts';

let serving: ServingWorld;
let world: World;
beforeEach(async () => {
  serving = await ServingWorld.open();
  world = serving.world;
});

const apply = async (name: string, timeoutSeconds: number): Promise<void> => {
  await world.apply(aService({ template: { name }, spec: { timeoutSeconds } }));
  await serving.round();
};
const deployed = async (name: string, timeoutSeconds: number): Promise<void> => {
  await apply(name, timeoutSeconds);
  await serving.ready(name);
  await serving.round();
};
const onMain = async (): Promise<string | undefined> => (await serving.splits())['hello.default'];

describe('a revision that its user names', () => {
  it('gets the traffic, and gives it back to the one before by its name (TestRollbackBYOName)', async () => {
    await deployed('hello-one', 1);
    await deployed('hello-two', 2);
    expect(await onMain()).toBe('100 hello-two');
    await apply('hello-one', 1);
    expect(await onMain()).toBe('100 hello-one');
    const { status } = await world.get(KINDS.service, 'hello');
    expect(status).toMatchObject({
      latestCreatedRevisionName: 'hello-one',
      latestReadyRevisionName: 'hello-one',
      traffic: [{ revisionName: 'hello-one', percent: 100, latestRevision: true }],
    });
    expect(await serving.condition(KINDS.service, 'hello', 'Ready')).toEqual({ status: 'True' });
    const { items } = await world.controller.list(KINDS.revision, 'default');
    expect(items).toHaveLength(2);
  });

  it('is refused under a name that has another spec already, and traffic stays where it is', async () => {
    await deployed('hello-one', 1);
    await deployed('hello-two', 2);
    await apply('hello-one', 3);
    expect(await serving.condition(KINDS.configuration, 'hello', 'Ready')).toEqual({
      status: 'False',
      reason: 'RevisionFailed',
      message:
        'Revision creation failed with message: revisions.serving.knative.dev "hello-one" already exists.',
    });
    expect(await serving.condition(KINDS.service, 'hello', 'RoutesReady')).toEqual({
      status: 'False',
      reason: 'RevisionNameTaken',
      message:
        'The revision name "hello-one" is taken by a conflicting Revision, so traffic will not be migrated',
    });
    expect(await onMain()).toBe('100 hello-two');
  });

  it('is refused under the name of another’s revision', async () => {
    await world.apply(aConfiguration({ name: 'hello-a', template: { name: 'hello-a-b' } }));
    await serving.configuration('hello-a');
    await world.apply(aService({ template: { name: 'hello-a-b' } }));
    await serving.service();
    await serving.configuration();
    await serving.service();
    expect(await serving.condition(KINDS.service, 'hello', 'RoutesReady')).toMatchObject({
      reason: 'RevisionNameTaken',
    });
    await expect(world.get(KINDS.route, 'hello')).rejects.toThrow('no Route default/hello');
  });

  it('is not routed to before its Configuration has made it', async () => {
    await deployed('hello-one', 1);
    await world.apply(
      aService({
        template: { name: 'hello-two' },
        traffic: [{ revisionName: 'hello-two', percent: 100 }],
      }),
    );
    await serving.service();
    const route = await world.get(KINDS.route, 'hello');
    expect(route['spec']).toMatchObject({ traffic: [{ configurationName: 'hello' }] });
    expect(await serving.condition(KINDS.service, 'hello', 'ConfigurationsReady')).toMatchObject({
      reason: 'OutOfDate',
    });
  });

  it('cannot be changed under its name', async () => {
    await deployed('hello-one', 1);
    const changed = aService({ template: { name: 'hello-one' }, spec: { timeoutSeconds: 2 } });
    expect(await world.refusal(changed)).toContain(
      'validation failed: Saw the following changes without a name change (-old +new): spec.template.metadata.name',
    );
  });
});

describe('what is handed on', () => {
  it('is who made and last changed a Service, its labels and annotations, and never more (TestAnnotationPropagation, TestLabelPropagation)', async () => {
    const own = { labels: { team: 'a' }, annotations: { note: 'n', [ANNOTATIONS.lastApplied]: '{}' } };
    await world.apply(aService({ metadata: own, template: { labels: { only: 'revision' } } }));
    await serving.round();
    for (const kind of [KINDS.configuration, KINDS.route]) {
      const { labels = {}, annotations = {} } = (await world.get(kind, 'hello')).metadata;
      expect(labels).toMatchObject({ team: 'a', [LABELS.service]: 'hello' });
      expect(annotations).toMatchObject({
        note: 'n',
        [ANNOTATIONS.creator]: 'admin',
        [ANNOTATIONS.lastModifier]: 'admin',
      });
      expect(annotations).not.toHaveProperty(ANNOTATIONS.lastApplied);
    }
    const revision = await world.get(KINDS.revision, 'hello-00001');
    expect(revision.metadata.labels).toMatchObject({ only: 'revision' });
    expect(revision.metadata.labels).not.toHaveProperty('team');
    expect(revision.metadata.annotations).toMatchObject({ [ANNOTATIONS.creator]: 'admin' });
    expect(revision.metadata.annotations).not.toHaveProperty(ANNOTATIONS.lastModifier);
  });

  it('goes again when it is taken away', async () => {
    await world.apply(aService({ metadata: { labels: { team: 'a' }, annotations: { note: 'n' } } }));
    await serving.round();
    const service = await world.get(KINDS.service, 'hello');
    const { note: _note, ...annotations } = service.metadata.annotations ?? {};
    await world.apply({ ...service, metadata: { ...service.metadata, labels: {}, annotations } });
    await serving.round();
    for (const kind of [KINDS.configuration, KINDS.route]) {
      const { metadata } = await world.get(kind, 'hello');
      expect(metadata.labels).not.toHaveProperty('team');
      expect(metadata.annotations).not.toHaveProperty('note');
    }
    expect((await world.get(KINDS.configuration, 'hello')).metadata.annotations?.[ANNOTATIONS.routes]).toBe(
      'hello',
    );
  });
});
