import type { AdmissionCase, UpdateCase } from './admissions.ts';

const METADATA = { name: 'hello.example.com', namespace: 'default' };
const REF = { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'hello' };
const BACKEND = { serviceName: 'a', serviceNamespace: 'default', servicePort: 80 };

/** DomainMapping, and the kinds that controllers make: each part right, wrong and missing. */
export function internalCases(): AdmissionCase[] {
  return [...domainMappings(), ...podAutoscalers(), ...metrics(), ...serverlessServices(), ...ingresses()];
}

function domainMappings(): AdmissionCase[] {
  const apiVersion = 'serving.knative.dev/v1beta1';
  const make = (metadata: object, spec?: object): AdmissionCase => ({
    kind: 'DomainMapping',
    object: {
      apiVersion,
      kind: 'DomainMapping',
      metadata: { ...METADATA, ...metadata },
      ...(spec && { spec }),
    },
  });
  const names = [
    'hello.example.com',
    'example.com',
    'com',
    'hello.default.svc.cluster.local',
    'cluster.local',
    'x.cluster.local',
    'UPPER.example.com',
    '*.example.com',
    'a..b',
    '-a.example.com',
    'a_b.example.com',
    `${'x'.repeat(64)}.example.com`,
    `${'abcdefg.'.repeat(33)}com`,
    'example.com.',
    'xn--bcher-kva.example',
    '1.2.3.4',
  ];
  const refs: readonly object[] = [
    {},
    { kind: 'Service' },
    { ...REF, name: '' },
    { ...REF, kind: '' },
    { ...REF, apiVersion: '' },
    { ...REF, namespace: 'default' },
    { ...REF, namespace: 'other' },
    { ...REF, namespace: '' },
    { ...REF, address: 'a' },
    { ...REF, group: 'serving.knative.dev', apiVersion: undefined },
    { name: 'hello', kind: 'Service', group: 'g', apiVersion: 'g/v1' },
    { apiVersion: 'v1', kind: 'Service', name: 'x' },
  ];
  const annotations: readonly object[] = [
    { 'serving.knative.dev/creator': 'a' },
    { 'serving.knative.dev/lastModifier': 'a' },
    { 'autoscaling.knative.dev/min-scale': '1' },
  ];
  const creates = [
    ...names.map((name) => make({ name }, { ref: REF })),
    ...refs.map((ref) => make({}, { ref })),
    ...annotations.map((each) => make({ annotations: each }, { ref: REF })),
    make({ generateName: 'hello.' }, { ref: REF }),
    make({}),
    make({}, {}),
    make({}, { ref: REF, tls: { secretName: 's' } }),
    make({}, { ref: REF, tls: { secretName: '' } }),
    make({}, { ref: REF, tls: {} }),
  ];
  return creates;
}

/** Who made a DomainMapping, and who changed it. */
export function internalChanges(): UpdateCase[] {
  const annotations = { 'serving.knative.dev/creator': 'a', 'serving.knative.dev/lastModifier': 'a' };
  const object = {
    apiVersion: 'serving.knative.dev/v1beta1',
    kind: 'DomainMapping',
    metadata: { ...METADATA, annotations },
    spec: { ref: REF },
  };
  const change = (metadata: object, spec: object): UpdateCase => ({
    kind: 'DomainMapping',
    object,
    change: (stored) => Object.assign(stored, { metadata: { ...object.metadata, ...metadata }, spec }),
  });
  return ['creator', 'lastModifier'].flatMap((name) => {
    const other = { annotations: { ...annotations, [`serving.knative.dev/${name}`]: 'b' } };
    return [
      change(other, { ref: { ...REF, namespace: 'default' } }),
      change(other, { ref: { ...REF, name: 'b' } }),
    ];
  });
}

function podAutoscalers(): AdmissionCase[] {
  const target = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'hello' };
  const base = { protocolType: 'http1', scaleTargetRef: target };
  const specs: readonly object[] = [
    base,
    {},
    { ...base, protocolType: '' },
    { ...base, protocolType: 'h2c' },
    { ...base, protocolType: 'odd' },
    { ...base, scaleTargetRef: {} },
    { ...base, scaleTargetRef: { ...target, name: '' } },
    { ...base, scaleTargetRef: { ...target, kind: '', apiVersion: '' } },
    { ...base, scaleTargetRef: { ...target, kind: 'odd kind', apiVersion: 'odd version' } },
    ...[-1, 0, 1, 1000, 1001].map((containerConcurrency) => ({ ...base, containerConcurrency })),
    ...['Reachable', 'Unreachable', 'Unknown', 'odd', ''].map((reachability) => ({ ...base, reachability })),
  ];
  const annotations: readonly object[] = [
    { 'autoscaling.knative.dev/min-scale': 'x' },
    { 'autoscaling.knative.dev/class': 'hpa.autoscaling.knative.dev' },
    { 'autoscaling.knative.dev/metric': 'odd' },
  ];
  const make = (spec: object, metadata: object = {}): AdmissionCase => ({
    kind: 'PodAutoscaler',
    object: {
      apiVersion: 'autoscaling.internal.knative.dev/v1alpha1',
      kind: 'PodAutoscaler',
      metadata: { ...METADATA, ...metadata },
      spec,
    },
  });
  return [
    ...specs.map((spec) => make(spec)),
    ...annotations.map((each) => make(base, { annotations: each })),
  ];
}

function metrics(): AdmissionCase[] {
  const specs: readonly object[] = [
    { stableWindow: 60_000_000_000, panicWindow: 6_000_000_000, scrapeTarget: 'hello' },
    { stableWindow: 0, panicWindow: 0, scrapeTarget: '' },
  ];
  return specs.map((spec) => ({
    kind: 'Metric',
    object: {
      apiVersion: 'autoscaling.internal.knative.dev/v1alpha1',
      kind: 'Metric',
      metadata: METADATA,
      spec,
    },
  }));
}

function serverlessServices(): AdmissionCase[] {
  const objectRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'hello' };
  const base = { mode: 'Serve', protocolType: 'http1', objectRef };
  const specs: readonly object[] = [
    base,
    {},
    ...['Proxy', 'odd', ''].map((mode) => ({ ...base, mode })),
    ...['h2c', 'odd', ''].map((protocolType) => ({ ...base, protocolType })),
    { ...base, objectRef: {} },
    { ...base, objectRef: { ...objectRef, name: '' } },
    { ...base, objectRef: { ...objectRef, kind: '', apiVersion: '' } },
    { ...base, numActivators: -1 },
    { ...base, numActivators: 3 },
  ];
  return specs.map((spec) => ({
    kind: 'ServerlessService',
    object: {
      apiVersion: 'networking.internal.knative.dev/v1alpha1',
      kind: 'ServerlessService',
      metadata: METADATA,
      spec,
    },
  }));
}

function ingresses(): AdmissionCase[] {
  const path = { splits: [{ ...BACKEND, percent: 100 }] };
  const rule = { hosts: ['hello.example.com'], visibility: 'ExternalIP', http: { paths: [path] } };
  const paths: readonly object[] = [
    {},
    { splits: [] },
    { splits: [{}] },
    { splits: [{ ...BACKEND, percent: 50 }] },
    { splits: [{ ...BACKEND, percent: 101 }] },
    { splits: [{ ...BACKEND, percent: -1 }] },
    { splits: [BACKEND] },
    {
      splits: [
        { ...BACKEND, percent: 40 },
        { ...BACKEND, serviceName: 'b', percent: 60 },
      ],
    },
    { splits: [{ ...BACKEND, serviceName: '', percent: 100 }] },
    { splits: [{ ...BACKEND, serviceNamespace: '', percent: 100 }] },
    { splits: [{ serviceName: 'a', percent: 100 }] },
    { ...path, path: '/p', rewriteHost: 'h', appendHeaders: { A: 'b' }, headers: { H: { exact: 'v' } } },
    { ...path, headers: { H: {} } },
  ];
  // Upstream cannot read a rule without `http`: it ends with a nil pointer.
  const specs: readonly object[] = [
    { rules: [rule] },
    {},
    { rules: [] },
    { rules: [{ ...rule, hosts: [] }] },
    { rules: [{ ...rule, visibility: 'odd' }] },
    { rules: [{ hosts: rule.hosts, http: rule.http }] },
    { rules: [{ hosts: rule.hosts, http: {} }] },
    { rules: [{ hosts: rule.hosts, http: { paths: [] } }] },
    ...paths.map((each) => ({ rules: [{ ...rule, http: { paths: [each] } }] })),
    ...['Enabled', 'Redirected', 'odd', ''].map((httpOption) => ({ rules: [rule], httpOption })),
    { rules: [rule], tls: [] },
    { rules: [rule], tls: [{}] },
    { rules: [rule], tls: [{ hosts: ['a'], secretName: 's', secretNamespace: 'n' }] },
    { rules: [rule], tls: [{ hosts: ['a'], secretName: '', secretNamespace: 'n' }] },
    { rules: [rule], tls: [{ hosts: [], secretName: 's', secretNamespace: '' }] },
  ];
  return specs.map((spec) => ({
    kind: 'Ingress',
    object: {
      apiVersion: 'networking.internal.knative.dev/v1alpha1',
      kind: 'Ingress',
      metadata: METADATA,
      spec,
    },
  }));
}
