import { beforeAll, describe, expect, it } from 'vitest';
import { API_SERVER_SOURCE } from '../../../src/apis/sources/api-server-source/schema.ts';
import { KUBERNETES_EVENT_SOURCE } from '../../../src/apis/sources/kubernetes-event-source/schema.ts';
import { anApiServerSource } from '../../kit/kubernetes.ts';
import { World } from '../../kit/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.open();
});

const DENIED =
  'admission webhook "validation.webhook.eventing.knative.dev" denied the request: validation failed: ';

describe('an ApiServerSource', () => {
  it('has the defaults of upstream', async () => {
    const ref = { apiVersion: 'v1', kind: 'Service', name: 's' };
    await world.apply(anApiServerSource('plain', { mode: undefined, sink: { ref } }));
    expect(await world.get(API_SERVER_SOURCE, 'plain')).toMatchObject({
      spec: {
        mode: 'Reference',
        serviceAccountName: 'default',
        sink: { ref: { ...ref, namespace: 'default' } },
      },
    });
  });

  it.each<[Record<string, unknown>, string]>([
    [{ mode: 'Ref' }, 'invalid value: Ref: spec.mode'],
    [{ resources: [] }, 'missing field(s): spec.resources'],
    [
      { resources: [{ apiVersion: 'a/b/c', kind: 'Pod' }] },
      'invalid value: a/b/c: spec.resources[0].apiVersion',
    ],
    [{ resources: [{ apiVersion: 'v1', kind: ' ' }] }, 'missing field(s): spec.resources[0].kind'],
    [{ owner: { apiVersion: 'apps/v1' } }, 'missing field(s): spec.owner.kind'],
    [{ owner: { apiVersion: 'a/b/c', kind: 'X' } }, 'invalid value: a/b/c: spec.owner.apiVersion'],
    [{ sink: {} }, 'expected at least one, got none: spec.sink.ref, spec.sink.uri'],
    [
      { filters: [{ exact: { type: 'x' } }] },
      'Filters is not empty but the NewAPIServerFilters feature is disabled.',
    ],
    [
      { namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'Like' }] } },
      'invalid value: Like: spec.namespaceSelector.matchExpressions[0].operator\n"Like" is not a valid label selector operator',
    ],
  ])('is refused in the words of upstream: %j', async (spec, text) => {
    expect(await world.refusal(anApiServerSource('bad', spec))).toBe(DENIED + text);
  });

  it('takes filters once their feature is enabled', async () => {
    const filters = [{ exact: { type: 'dev.knative.apiserver.ref.add' } }];
    await world.configMap('knative-eventing', 'config-features', {
      'new-apiserversource-filters': 'enabled',
    });
    await world.apply(anApiServerSource('filtered', { filters }));
    expect(await world.refusal(anApiServerSource('bad', { filters: [{ exact: { T: 'x' } }] }))).toContain(
      'spec.filters[0].exact[T]',
    );
    await world.configMap('knative-eventing', 'config-features', {});
  });

  it.each<[Record<string, string>, string]>([
    [{ 'sources.millrace.dev/kubeconfig-secret': 'a/b/c' }, 'expected NAME/KEY of a Secret'],
    [{ 'sources.millrace.dev/kubeconfig-secret': 'Not A Name' }, 'expected NAME/KEY of a Secret'],
    [{ 'sources.millrace.dev/cluster': 'elsewhere' }, 'expected in-cluster'],
    [
      { 'sources.millrace.dev/cluster': 'in-cluster', 'sources.millrace.dev/kubeconfig-secret': 'a/b' },
      'sources.millrace.dev/kubeconfig-secret names a cluster already',
    ],
  ])('is refused when its annotations name no cluster: %j', async (annotations, text) => {
    expect(await world.refusal(anApiServerSource('bad', {}, annotations))).toContain(text);
  });

  it('is listed as upstream lists it', async () => {
    expect(world.table(API_SERVER_SOURCE).header).toEqual(['Name', 'Sink', 'Age', 'Ready', 'Reason']);
  });
});

it('a KubernetesEventSource needs a namespace, and its sink is a reference', async () => {
  const source = (spec: object): object => ({
    ...KUBERNETES_EVENT_SOURCE,
    metadata: { name: 'then', namespace: 'default' },
    spec,
  });
  const sink = { apiVersion: 'eventing.knative.dev/v1alpha1', kind: 'Channel', name: 'testchannel' };
  await world.apply(source({ namespace: 'default', serviceAccountName: 'events-sa', sink }));
  expect(await world.get(KUBERNETES_EVENT_SOURCE, 'then')).toMatchObject({ spec: { sink } });
  expect(await world.refusal(source({ sink }))).toContain('spec.namespace: Required value');
});
