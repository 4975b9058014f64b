import { describe, expect, it } from 'vitest';
import { renderFieldErrors } from '../../../src/apis/field-error.ts';
import type { Resource } from '../../../src/apis/resource.ts';
import { bindSink, bound, unbound, variablesOf } from '../../../src/apis/sources/sink-binding/bind.ts';
import {
  SINK_BINDING,
  type SinkBinding,
  type Subject,
} from '../../../src/apis/sources/sink-binding/schema.ts';
import { sinkBindingKind } from '../../../src/apis/sources/sink-binding/sink-binding.ts';
import { bindingOf } from '../../../src/apis/sources/sink-binding/subject.ts';
import { aService } from '../../kit/serving-objects.ts';
import { created } from '../../kit/world.ts';

const SERVICE = { apiVersion: 'serving.knative.dev/v1', kind: 'Service' };
const HELLO: Subject = { ...SERVICE, namespace: 'default', name: 'hello' };
const SINK = { uri: 'http://sink.example/' };

function aBinding(subject: Subject = HELLO, more: Partial<SinkBinding['metadata']> = {}): SinkBinding {
  const metadata = { name: 'binding', namespace: 'default', ...more };
  return { ...SINK_BINDING, metadata, spec: { sink: SINK, subject }, status: { sinkUri: SINK.uri } };
}
const faults = (subject: Subject): string =>
  renderFieldErrors(sinkBindingKind.validate(aBinding(subject), created()));
const envOf = (object: Resource): unknown => {
  const { spec } = object as unknown as { spec: { template: { spec: { containers: { env?: unknown }[] } } } };
  return spec.template.spec.containers[0]?.env;
};
const hello = (env?: readonly object[]): Resource =>
  aService({ container: { ...(env !== undefined && { env: env as { name: string }[] }) } }) as Resource;
const own = { name: 'WHO', value: 'me' };
const injected = [{ name: 'K_SINK', value: SINK.uri }, { name: 'K_CE_OVERRIDES' }];

describe('a SinkBinding', () => {
  it.each<[string, Subject]>([
    ['a Service by name', HELLO],
    ['Services by selector', { ...SERVICE, namespace: 'default', selector: { matchLabels: { app: 'x' } } }],
    ['a Configuration', { ...HELLO, kind: 'Configuration' }],
    ['a Deployment', { ...HELLO, apiVersion: 'apps/v1', kind: 'Deployment' }],
    ['a Job', { ...HELLO, apiVersion: 'batch/v1', kind: 'Job' }],
  ])('takes %s', (_, subject) => {
    expect(faults(subject)).toBe('');
  });

  it.each<[Subject, string]>([
    [
      {},
      'expected exactly one, got neither: spec.subject.name, spec.subject.selector\nmissing field(s): spec.subject.apiVersion, spec.subject.kind',
    ],
    [{ ...HELLO, selector: {} }, 'expected exactly one, got both: spec.subject.name, spec.subject.selector'],
    [{ ...HELLO, namespace: 'other' }, 'invalid value: other: spec.subject.namespace'],
    [
      { ...SERVICE, selector: { matchExpressions: [{ key: 'a', operator: 'Like' }] } },
      'invalid value: Like: spec.subject.selector.matchExpressions[0].operator\n"Like" is not a valid label selector operator',
    ],
  ])('refuses %o in upstream’s words', (subject, text) => {
    expect(faults(subject)).toBe(text);
  });

  it.each(['apps/v1 StatefulSet', 'apps/v1 DaemonSet', 'v1 Pod'])(
    'says of a %s that it does not run here',
    (written) => {
      const [apiVersion = '', kind = ''] = written.split(' ');
      const fault = faults({ apiVersion, kind, name: 'x' });
      expect(fault).toMatch(
        new RegExp(`^invalid value: ${kind}: spec.subject.kind\\n.* run the program as a Deployment$`),
      );
    },
  );

  it('names its own namespace in its subject', () => {
    const { namespace: _, ...subject } = HELLO;
    expect(sinkBindingKind.setDefaults(aBinding(subject), created()).spec.subject).toEqual(HELLO);
  });
});

describe('what is told of a sink', () => {
  it('is added behind what is there, once, and taken away again', () => {
    const before = hello([own]);
    const once = bound(before, variablesOf(aBinding(), SINK.uri));
    expect(envOf(once)).toEqual([own, ...injected]);
    expect(bound(once, variablesOf(aBinding(), SINK.uri))).toEqual(once);
    expect(unbound(once)).toEqual(before);
    expect(unbound(bound(hello(), injected))).toEqual(hello());
  });

  it('has the overrides as Go writes them', () => {
    const binding = aBinding();
    const ceOverrides = { extensions: { zone: 'eu', app: 'shop' } };
    expect(variablesOf({ ...binding, spec: { ...binding.spec, ceOverrides } }, SINK.uri)[1]).toEqual({
      name: 'K_CE_OVERRIDES',
      value: '{"extensions":{"app":"shop","zone":"eu"}}',
    });
    expect(
      variablesOf({ ...binding, spec: { ...binding.spec, ceOverrides: {} } }, SINK.uri)[1],
    ).toMatchObject({
      value: '{}',
    });
  });

  it('comes with each write of a subject, unless that or its namespace opted out', () => {
    const stored = (labels: Record<string, string>) => (kind: { kind: string }) =>
      kind.kind === 'SinkBinding'
        ? [aBinding()]
        : [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default', labels } }];
    const out = { 'bindings.knative.dev/exclude': 'true' };
    expect(envOf(bindSink(hello(), stored({})))).toEqual(injected);
    expect(envOf(bindSink(hello(), stored(out)))).toBeUndefined();
    const excluded = aService({ metadata: { labels: out } }) as Resource;
    expect(envOf(bindSink(excluded, stored({})))).toBeUndefined();
    const other = aService({ name: 'other' }) as Resource;
    expect(bindSink(other, stored({}))).toBe(other);
  });

  it('is said by one binding: by name before by selector, then by the oldest, and by none that goes', () => {
    const selector = { ...SERVICE, selector: {} };
    const old = aBinding(selector, { name: 'old', creationTimestamp: '2026-01-01T00:00:00Z' });
    const young = aBinding(selector, { name: 'a-young', creationTimestamp: '2026-02-01T00:00:00Z' });
    const named = aBinding(HELLO, { name: 'named', creationTimestamp: '2026-03-01T00:00:00Z' });
    const nameOf = (...bindings: SinkBinding[]) => bindingOf(hello(), bindings)?.metadata.name;
    expect(nameOf(young, old)).toBe('old');
    expect(nameOf(young, old, named)).toBe('named');
    const going = { ...named, metadata: { ...named.metadata, deletionTimestamp: '2026-03-02T00:00:00Z' } };
    expect(nameOf(young, going)).toBe('a-young');
  });
});
