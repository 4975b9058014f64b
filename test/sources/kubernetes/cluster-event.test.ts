import { describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/apis/resource.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import {
  apiServerEvent,
  guessedPlural,
  kubernetesEvent,
} from '../../../src/sources/kubernetes/cluster-event.ts';
import { isConcerned } from '../../../src/sources/kubernetes/telling.ts';

const FRAME = { source: 'https://10.0.0.1:443', teller: 'default/watcher', nowMs: Date.UTC(2026, 0, 2) };
const pod = (metadata: Partial<Resource['metadata']> = {}): Resource => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web-1', namespace: 'shop', uid: 'u-1', resourceVersion: '41', ...metadata },
});
const bodyOf = ({ body }: CloudEvent): unknown => JSON.parse(Buffer.from(body).toString());
const withoutId = ({ attributes }: CloudEvent): object => {
  const { id: _, ...rest } = Object.fromEntries(attributes);
  return rest;
};

describe('the events of an ApiServerSource', () => {
  it('hold the object in mode Resource', () => {
    const event = apiServerEvent({ verb: 'add', object: pod() }, 'Resource', FRAME);
    expect(withoutId(event)).toEqual({
      specversion: '1.0',
      source: 'https://10.0.0.1:443',
      type: 'dev.knative.apiserver.resource.add',
      subject: '/apis/v1/namespaces/shop/pods/web-1',
      time: '2026-01-02T00:00:00.000Z',
      kind: 'Pod',
      name: 'web-1',
      namespace: 'shop',
      apiversion: 'v1',
    });
    expect(event.contentType).toBe('application/json');
    expect(bodyOf(event)).toEqual(pod());
  });

  it('name the object in mode Reference', () => {
    const object = { ...pod(), apiVersion: 'apps/v1', kind: 'ReplicaSet' };
    const event = apiServerEvent({ verb: 'delete', object }, 'Reference', FRAME);
    expect(withoutId(event)).toMatchObject({
      type: 'dev.knative.apiserver.ref.delete',
      subject: '/apis/apps/v1/namespaces/shop/replicasets/web-1',
    });
    expect(bodyOf(event)).toEqual({
      kind: 'ReplicaSet',
      namespace: 'shop',
      name: 'web-1',
      apiVersion: 'apps/v1',
    });
  });

  it('have no namespace of what is in none', () => {
    const { namespace: _, ...metadata } = pod().metadata;
    const object = { apiVersion: 'v1', kind: 'Node', metadata };
    const event = apiServerEvent({ verb: 'update', object }, 'Reference', FRAME);
    expect(event.attributes.has('namespace')).toBe(false);
    expect(event.attributes.get('subject')).toBe('/apis/v1/namespaces//nodes/web-1');
    expect(bodyOf(event)).toEqual({ kind: 'Node', name: 'web-1', apiVersion: 'v1' });
  });

  it('have the same id whenever the same change is told, and another for any other', () => {
    const idOf = (verb: 'add' | 'update', version: string, teller = FRAME.teller): string | undefined =>
      apiServerEvent({ verb, object: pod({ resourceVersion: version }) }, 'Resource', {
        ...FRAME,
        teller,
        nowMs: Math.random(),
      }).attributes.get('id');
    expect(idOf('add', '1')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(idOf('add', '1')).toBe(idOf('add', '1'));
    expect(
      new Set([idOf('add', '1'), idOf('update', '1'), idOf('add', '2'), idOf('add', '1', 'x/y')]).size,
    ).toBe(4);
  });

  it.each([
    ['Pod', 'pods'],
    ['NetworkPolicy', 'networkpolicies'],
    ['Ingress', 'ingresses'],
    ['Endpoints', 'endpoints'],
  ])('guess the plural of %s as upstream does', (kind, plural) => {
    expect(guessedPlural(kind)).toBe(plural);
  });
});

it('an event of the legacy source is the core/v1 Event, from the object that it is about', () => {
  const object = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'web-1.17', namespace: 'shop', uid: 'e-1', creationTimestamp: '2026-01-02T03:04:05Z' },
    involvedObject: { apiVersion: 'serving.knative.dev', kind: 'Revision', name: 'web-1', namespace: 'shop' },
    reason: 'RevisionFailed',
  };
  const event = kubernetesEvent(object);
  expect(Object.fromEntries(event.attributes)).toEqual({
    specversion: '1.0',
    id: 'e-1',
    source: '/apis/serving.knative.dev/versionUnknown/namespaces/shop/revisions/web-1',
    type: 'dev.knative.k8s.event',
    time: '2026-01-02T03:04:05Z',
  });
  expect(bodyOf(event)).toEqual(object);
});

describe('spec.owner', () => {
  const tells = {
    kind: 'changes' as const,
    teller: '',
    mode: 'Resource' as const,
    filters: [],
    owner: { apiVersion: 'apps/v1', kind: 'Deployment' },
  };
  const ownedBy = (apiVersion: string, kind: string, controller: boolean): Resource =>
    pod({ ownerReferences: [{ apiVersion, kind, name: 'o', uid: 'o-1', controller }] });
  it.each<[string, Resource, boolean]>([
    ['what it controls', ownedBy('apps/v1', 'Deployment', true), true],
    ['what it owns without controlling it', ownedBy('apps/v1', 'Deployment', false), false],
    ['what another kind controls', ownedBy('apps/v1', 'StatefulSet', true), false],
    ['what the kind of another group controls', ownedBy('example.com/v1', 'Deployment', true), false],
    ['what nothing controls', pod(), false],
    ['an owner itself', { ...pod(), apiVersion: 'apps/v1', kind: 'Deployment' }, true],
  ])('is asked of %s', (_, object, expected) => {
    expect(isConcerned(tells, object)).toBe(expected);
    expect(isConcerned({ ...tells, owner: undefined }, object)).toBe(true);
  });
});
