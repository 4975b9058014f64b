import { expect, it } from 'vitest';
import { groupOf, KINDS } from '../../src/apis/registry.ts';
import { SOURCE_KINDS } from '../../src/platform/sources.ts';

/** Run by no plan: it has a door; made of other objects; done at admission. */
const OTHERS = ['WebhookSource', 'ContainerSource', 'SinkBinding'];
/** The sources of 2018 that became today's of another kind. */
const LEGACY = 'sources.eventing.knative.dev';

it('every source that can be applied runs, and every source that runs can be applied', () => {
  const applied = KINDS.filter(({ crd }) => crd?.labels['duck.knative.dev/source'] === 'true')
    .filter(({ kind, group }) => !OTHERS.includes(kind) && group !== LEGACY)
    .map(({ group, kind }) => `${kind}.${group}`);
  const running = SOURCE_KINDS.map(({ kind }) => `${kind.kind}.${groupOf(kind.apiVersion)}`).filter(
    (name) => !name.endsWith(LEGACY),
  );
  expect(applied.length).toBeGreaterThan(5);
  expect(running.toSorted()).toEqual(applied.toSorted());
});
