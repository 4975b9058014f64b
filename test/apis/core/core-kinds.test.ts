import { describe, expect, it } from 'vitest';
import { namespaceKind, secretKind } from '../../../src/apis/core/core-kinds.ts';
import { podKind } from '../../../src/apis/core/pod.ts';
import { valueAt } from '../../../src/apis/json-path.ts';
import type { AdmissionContext, KindDefinition } from '../../../src/apis/kind.ts';
import type { Resource } from '../../../src/apis/resource.ts';

const CONTEXT: AdmissionContext = {
  operation: 'CREATE',
  old: undefined,
  user: 'admin',
  configMap: () => undefined,
};
type Open = Resource & Readonly<Record<string, unknown>>;
const object = (kind: string, members: object, metadata: object = {}): Open => ({
  apiVersion: 'v1',
  kind,
  metadata: { name: 'one', ...metadata },
  ...members,
});

function row(kind: KindDefinition<Open>, of: Open): Record<string, unknown> {
  const shown = kind.columns
    .filter(({ type }) => type !== 'date')
    .map(({ name, from }) => [name, typeof from === 'string' ? valueAt(of, from) : from(of, 0)]);
  return Object.fromEntries(shown);
}

describe('a Secret', () => {
  it('takes stringData into data, over what was there, and is Opaque', () => {
    const given = object('Secret', { data: { a: 'b2xk', b: 'Yg==' }, stringData: { a: 'new €' } });
    const secret = secretKind.setDefaults(given, CONTEXT);
    expect(secret).toMatchObject({ data: { a: 'bmV3IOKCrA==', b: 'Yg==' }, type: 'Opaque' });
    expect(secret).not.toHaveProperty('stringData');
    expect(secretKind.setDefaults(secret, CONTEXT)).toEqual(secret);
    expect(row(secretKind, secret)).toEqual({ Type: 'Opaque', Data: 2 });
  });

  it('refuses data that is not base64, without telling it', () => {
    const errors = secretKind.validate(object('Secret', { data: { a: 'pass word', b: 'Yg==' } }), CONTEXT);
    expect(errors).toEqual([
      { message: 'invalid value: <hidden>', paths: ['data[a]'], details: 'not base64' },
    ]);
  });
});

describe('a Namespace', () => {
  it('has a label with its name, for selectors', () => {
    const made = namespaceKind.setDefaults(object('Namespace', {}, { labels: { a: 'b' } }), CONTEXT);
    expect(made.metadata.labels).toEqual({ a: 'b', 'kubernetes.io/metadata.name': 'one' });
    expect(namespaceKind.setDefaults(made, CONTEXT)).toEqual(made);
  });

  it('is Active and kept by the finalizer kubernetes until told otherwise', () => {
    const namespace = namespaceKind.setDefaults(object('Namespace', {}), CONTEXT);
    expect(namespace).toMatchObject({ spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } });
    expect(row(namespaceKind, namespace)).toEqual({ Status: 'Active' });
  });
});

describe('a Pod', () => {
  const pod = (status: object, metadata: object = {}): Open =>
    object('Pod', { spec: { containers: [{}, {}], nodeName: 'here' }, status }, metadata);

  it('shows its ready containers, its phase and the sum of its restarts', () => {
    const containerStatuses = [
      { ready: true, restartCount: 2 },
      { ready: false, restartCount: 1 },
    ];
    expect(row(podKind, pod({ phase: 'Running', podIP: '127.0.0.1', containerStatuses }))).toMatchObject({
      Ready: '1/2',
      Status: 'Running',
      Restarts: 3,
      IP: '127.0.0.1',
      Node: 'here',
    });
  });

  it('shows why it waits or ended rather than its phase', () => {
    const waiting = {
      phase: 'Pending',
      containerStatuses: [{ state: { waiting: { reason: 'CrashLoopBackOff' } } }],
    };
    const ended = {
      phase: 'Running',
      containerStatuses: [{ state: { terminated: { reason: 'OOMKilled' } } }],
    };
    expect(row(podKind, pod(waiting))['Status']).toBe('CrashLoopBackOff');
    expect(row(podKind, pod(ended))['Status']).toBe('OOMKilled');
  });

  it('is Terminating once it is deleted, and Pending before it has a status', () => {
    const deleted = pod({ phase: 'Running' }, { deletionTimestamp: '2030-01-01T00:00:00Z' });
    expect(row(podKind, deleted)['Status']).toBe('Terminating');
    expect(row(podKind, object('Pod', {}))).toMatchObject({ Ready: '0/0', Status: 'Pending', Restarts: 0 });
  });
});
