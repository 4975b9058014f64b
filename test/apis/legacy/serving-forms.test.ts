import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AS_WRITTEN, isManual } from '../../../src/apis/legacy/serving/as-written.ts';
import { servingStateOf } from '../../../src/apis/legacy/serving/convert.ts';
import { renderFieldErrors } from '../../../src/apis/field-error.ts';
import type { AdmissionContext } from '../../../src/apis/kind.ts';
import type { ServiceSpecThen } from '../../../src/apis/legacy/serving/types.ts';
import type { Resource } from '../../../src/apis/resource.ts';
import { revisionKind } from '../../../src/apis/serving/revision/revision.ts';
import { routeKind } from '../../../src/apis/serving/route/route.ts';
import { serviceKind } from '../../../src/apis/serving/service/service.ts';
import type { Revision, Service } from '../../../src/apis/serving/types.ts';

const form = serviceKind.forms?.['v1alpha1'];
if (form === undefined) throw new Error('a Service has no form of v1alpha1');

const context = (old?: Resource): AdmissionContext => ({
  operation: old === undefined ? 'CREATE' : 'UPDATE',
  old,
  user: 'admin',
  configMap: () => undefined,
});
const service = (spec: object): Resource & { readonly spec: object } => ({
  apiVersion: 'serving.knative.dev/v1alpha1',
  kind: 'Service',
  metadata: { name: 'canary', namespace: 'demo' },
  spec,
});
/** What is kept of a Service that was written in v1alpha1. */
const kept = (spec: ServiceSpecThen, stored?: Service): Service =>
  serviceKind.setDefaults(form.toStored(service(spec), stored), context(stored));
const container = { image: 'dev.local/app' };
const configuration = { revisionTemplate: { spec: { container } } };
const template = expect.objectContaining({
  spec: expect.objectContaining({ containers: [expect.anything()] }),
});

describe('a Service of 2018', () => {
  it.each<[string, ServiceSpecThen, object[]]>([
    ['runLatest', { runLatest: { configuration } }, [{ latestRevision: true, percent: 100 }]],
    [
      'pinned',
      { pinned: { revisionName: 'canary-00001', configuration } },
      [{ revisionName: 'canary-00001', percent: 100, latestRevision: false }],
    ],
    [
      'release of one',
      { release: { revisions: ['canary-00001'], configuration } },
      [
        { tag: 'current', revisionName: 'canary-00001', percent: 100, latestRevision: false },
        { tag: 'latest', latestRevision: true, percent: 0 },
      ],
    ],
    [
      'release of two',
      { release: { revisions: ['canary-00001', '@latest'], rolloutPercent: 10, configuration } },
      [
        { tag: 'current', revisionName: 'canary-00001', percent: 90, latestRevision: false },
        { tag: 'candidate', latestRevision: true, percent: 10 },
        { tag: 'latest', latestRevision: true, percent: 0 },
      ],
    ],
  ])(
    'that says %s is kept as upstream converted it later, and reads as it was written',
    (_, spec, traffic) => {
      const stored = kept(spec);
      expect(stored.spec).toEqual({ template, traffic });
      expect(form.fromStored(stored)).toMatchObject({ spec });
      expect(form.fromStored(stored).metadata.annotations).toBeUndefined();
    },
  );

  it('that is manual is kept without a template, and needs none', () => {
    const stored = kept({ manual: {} });
    expect(stored.spec).toEqual({});
    expect(isManual(stored)).toBe(true);
    expect(serviceKind.validate(stored, context())).toEqual([]);
    expect(form.fromStored(stored)).toMatchObject({ spec: { manual: {} } });
  });

  it('is written as of today once a client of v1 has changed it', () => {
    const stored = kept({ release: { revisions: ['canary-00001'], configuration } });
    const changed: Service = {
      ...stored,
      spec: { ...stored.spec, traffic: [{ latestRevision: true, percent: 100 }] },
    };
    const after = serviceKind.setDefaults(changed, context(stored));
    expect(after.metadata.annotations?.[AS_WRITTEN]).toBeUndefined();
    expect(form.fromStored(after)).toMatchObject({
      spec: { runLatest: { configuration: expect.anything() } },
    });
  });

  it('keeps what it was written as while only its metadata changes', () => {
    const stored = kept({ manual: {} });
    const labelled = { ...stored, metadata: { ...stored.metadata, labels: { a: 'b' } } };
    expect(isManual(serviceKind.setDefaults(labelled, context(stored)))).toBe(true);
  });

  it('changes nothing that is kept when it is written back as it was read, whoever wrote it', () => {
    const share = fc.record({
      percent: fc.integer({ min: 0, max: 100 }),
      latestRevision: fc.boolean(),
      tag: fc.constantFrom('a', 'b'),
    });
    const traffic = fc.array(share, { minLength: 1, maxLength: 3 });
    const images = fc.array(fc.constantFrom('x', 'y'), { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(
        traffic,
        images,
        fc.option(fc.integer({ min: 1, max: 9 })),
        (shares, names, concurrency) => {
          const spec = {
            ...(concurrency !== null && { containerConcurrency: concurrency }),
            containers: names.map((image, i) => ({ image, name: `c-${i}` })),
          };
          const now = service({ template: { spec }, traffic: shares }) as Service;
          const stored = serviceKind.setDefaults(now, context());
          const read = form.fromStored(stored);
          expect(form.toStored(read, stored)).toEqual(stored);
          expect(serviceKind.setDefaults(form.toStored(read), context()).spec).toEqual(stored.spec);
        },
      ),
    );
  });

  it.each<[string, ServiceSpecThen, string]>([
    [
      'nothing',
      {},
      'expected exactly one, got neither: spec.manual, spec.pinned, spec.release, spec.runLatest, spec.template',
    ],
    [
      'two ways',
      { runLatest: { configuration }, manual: {} },
      'expected exactly one, got both: spec.manual, spec.runLatest',
    ],
    ['no revision to release', { release: { configuration } }, 'missing field(s): spec.release.revisions'],
    [
      'too large a share',
      { release: { revisions: ['a', 'b'], rolloutPercent: 100, configuration } },
      'expected 0 <= 100 <= 99: spec.release.rolloutPercent',
    ],
    [
      'a share of nobody',
      { release: { revisions: ['a'], rolloutPercent: 10, configuration } },
      'invalid value: 10: spec.release.rolloutPercent',
    ],
    ['nobody to be pinned to', { pinned: { configuration } }, 'missing field(s): spec.pinned.revisionName'],
    [
      'two kinds of containers',
      {
        runLatest: { configuration: { revisionTemplate: { spec: { container, containers: [container] } } } },
      },
      'expected exactly one, got both: spec.runLatest.configuration.revisionTemplate.spec.container, spec.runLatest.configuration.revisionTemplate.spec.containers',
    ],
    [
      'an unknown model',
      {
        runLatest: { configuration: { revisionTemplate: { spec: { container, concurrencyModel: 'Many' } } } },
      },
      'invalid value: Many: spec.runLatest.configuration.revisionTemplate.spec.concurrencyModel',
    ],
  ])('that says %s is refused', (_, spec, text) => {
    expect(renderFieldErrors(form.validate?.(service(spec)) ?? [])).toBe(text);
  });

  it('that wants a build is told what to do instead', () => {
    const errors =
      form.validate?.(service({ runLatest: { configuration: { ...configuration, build: {} } } })) ?? [];
    expect(renderFieldErrors(errors)).toMatch(
      /^must not set the field\(s\): spec\.runLatest\.configuration\.build\nbuilds are not supported/,
    );
  });

  it('runs one request at a time when its model is Single', () => {
    const spec = { container, concurrencyModel: 'Single' };
    const stored = kept({ runLatest: { configuration: { revisionTemplate: { spec } } } });
    expect(stored.spec.template?.spec).toMatchObject({ containerConcurrency: 1 });
  });
});

describe('the domains of 2018', () => {
  const status = {
    url: 'http://canary.demo.example.com:8080',
    address: { url: 'http://canary.demo.svc.cluster.local' },
    traffic: [{ tag: 'current', percent: 100 }],
  };
  const stored = { ...kept({ runLatest: { configuration } }), status };

  it('are in v1alpha1, with names for tags', () => {
    expect(form.fromStored(stored)).toMatchObject({
      status: {
        domain: 'canary.demo.example.com',
        domainInternal: 'canary.demo.svc.cluster.local',
        address: { hostname: 'canary.demo.svc.cluster.local' },
        traffic: [{ name: 'current', percent: 100 }],
      },
    });
  });

  it.each([serviceKind, routeKind])('are in v1 of a $kind too, and never kept', ({ forms }) => {
    const shown = forms?.['v1']?.fromStored(stored) as Service;
    expect(shown.status).toMatchObject({ domain: 'canary.demo.example.com', url: status.url });
    expect(forms?.['v1']?.toStored(shown)).toEqual(stored);
  });
});

describe('a Revision of 2018', () => {
  const revision = (routingState: string, actualReplicas: number): Revision => ({
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Revision',
    metadata: { name: 'canary-00001', labels: { 'serving.knative.dev/routingState': routingState } },
    spec: { containers: [{ ...container, name: 'user-container' }] },
    status: { actualReplicas, containerStatuses: [{ name: 'user-container', imageDigest: 'app@sha256:1' }] },
  });

  it.each([
    ['active', 1, 'Active'],
    ['active', 0, 'Reserve'],
    ['reserve', 0, 'Retired'],
    ['reserve', 1, 'Retired'],
  ])('that is %s with %i instances is %s', (state, replicas, expected) => {
    expect(servingStateOf(revision(state, replicas))).toBe(expected);
  });

  it('shows its one container, its Service and its image, and is unchanged when it is written back', () => {
    const then = revisionKind.forms?.['v1alpha1'];
    const stored = revision('active', 1);
    const shown = then?.fromStored(stored);
    expect(shown).toMatchObject({
      spec: { container: { image: 'dev.local/app' }, servingState: 'Active' },
      status: { serviceName: 'canary-00001-service', imageDigest: 'app@sha256:1' },
    });
    expect(then?.toStored(shown as Resource, stored)).toEqual(stored);
  });
});
