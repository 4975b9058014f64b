import { allFlags, EACH_CONFIG, someConfigs, type Configs } from './configs.ts';
import { internalCases, internalChanges } from './internal-kinds.ts';
import {
  AUTOSCALING_WORDS,
  OWN_ANNOTATION_WORDS,
  OWN_LABEL_WORDS,
  TEMPLATE_ANNOTATION_WORDS,
  TEMPLATE_WORDS,
  TRAFFIC_WORDS,
} from './object-words.ts';
import { CONTAINER_WORDS, POD_WORDS, type Words } from './pod-words.ts';
import { Random } from './random.ts';

/** An object that somebody writes. */
export type AdmissionCase = {
  readonly kind: string;
  readonly object: object;
  readonly configs?: Configs;
};
/** What is changed of one that was taken: `change` gets what it was stored as, and may alter it. */
export type UpdateCase = AdmissionCase & { readonly change: Edit };
/** Sets a value somewhere below an object that is the edit's own. */
export type Edit = (object: object) => void;

const SERVING = 'serving.knative.dev/v1';
const LONG = 'x'.repeat(64);
/** Of a revision's spec, each another than the default. */
const SCALARS: readonly (readonly [string, unknown])[] = [
  ['containers.0.image', 'alpine'],
  ['containers.0.name', 'other'],
  ['containers.0.workingDir', '/work'],
  ['containers.0.readinessProbe.successThreshold', 2],
  ['containers.0.readinessProbe.tcpSocket.host', 'other'],
  ['serviceAccountName', 'other'],
  ['containerConcurrency', 5],
  ['timeoutSeconds', 7],
  ['enableServiceLinks', true],
];
const METADATA: readonly object[] = [
  ...['a', 'hello-1', '1-hello', 'Hello', 'a.b', 'hello-', LONG, `${LONG}.A`].map((name) => ({ name })),
  ...['hello-', 'hello', 'Hello-', `${LONG}-`, '-'].map((generateName) => ({ name: 'hello', generateName })),
  ...['serving.knative.dev/service', 'serving.knative.dev/configuration'].flatMap((label) =>
    ['Service', 'Configuration'].flatMap((kind) =>
      ['hello', 'other'].map((name) => ({
        name: 'hello',
        labels: { [label]: 'hello' },
        ownerReferences: [{ apiVersion: SERVING, kind, name, uid: 'u' }],
      })),
    ),
  ),
];

/** Each word alone in an otherwise plain object, then as many mixed ones. */
export function admissionCases(seed: number, mixed: number): readonly AdmissionCase[] {
  const random = new Random(seed);
  const several = Array.from({ length: mixed }, () => mixedCase(random));
  return [...plainCases(), ...configCases(), ...several, ...internalCases()];
}

/** Changes of one thing, then as many of several. */
export function updateCases(seed: number, mixed: number): readonly UpdateCase[] {
  const random = new Random(seed);
  const several = Array.from({ length: mixed }, () => {
    const { kind, object, configs } = mixedCase(random);
    return { kind, object, change: someEdits(random, kind, 3), ...(configs && { configs }) };
  });
  return [...plainChanges(), ...internalChanges(), ...several];
}

/** Of a revision, and of a template that has its revision's name: nothing may change but what is not of the spec. */
function plainChanges(): UpdateCase[] {
  const named = edited(plain('Service'), [
    (object) => set(object, 'spec.template.metadata.name', 'hello-one'),
  ]);
  const of = (kind: string, object: object, path: string): UpdateCase[] =>
    SCALARS.map(([below, value]) => ({ kind, object, change: (stored) => set(stored, path + below, value) }));
  return [
    ...of('Revision', plain('Revision'), 'spec.'),
    ...of('Service', named, 'spec.template.spec.'),
    ...of('Service', plain('Service'), 'spec.template.spec.'),
    ...['labels', 'annotations'].flatMap((path) => [
      {
        kind: 'Service',
        object: named,
        change: (stored: object) => set(stored, `spec.template.metadata.${path}`, { a: 'b' }),
      },
      {
        kind: 'Revision',
        object: plain('Revision'),
        change: (stored: object) => set(stored, `metadata.${path}`, { a: 'b' }),
      },
    ]),
  ];
}

function plainCases(): AdmissionCase[] {
  const cases: AdmissionCase[] = [];
  const add = (kind: string, edit: Edit, configs?: Configs): void => {
    cases.push({ kind, object: edited(plain(kind), [edit]), ...(configs && { configs }) });
  };
  for (const edit of editsOf('spec.template.spec', POD_WORDS)) add('Service', edit);
  for (const edit of editsOf('spec.template.spec', POD_WORDS)) add('Service', edit, allFlags('enabled'));
  for (const edit of editsOf('spec.template.spec.containers.0', CONTAINER_WORDS)) add('Service', edit);
  for (const edit of editsOf('spec.template.spec.containers.0', CONTAINER_WORDS))
    add('Service', withSidecar(edit), allFlags('enabled'));
  for (const edit of editsOf('spec.template.spec.containers.1', CONTAINER_WORDS))
    add('Service', withSidecar(edit), allFlags('enabled'));
  for (const edit of editsOf('spec.template.spec.containers.1', CONTAINER_WORDS))
    add('Service', withSidecar(edit));
  for (const edit of templateEdits()) add('Configuration', edit);
  for (const edit of ownEdits()) add('Service', edit);
  for (const edit of annotationEdits('metadata.labels', '', OWN_LABEL_WORDS)) {
    for (const kind of ['Configuration', 'Route']) add(kind, edit);
  }
  for (const edit of annotationEdits('metadata.annotations', '', OWN_ANNOTATION_WORDS)) {
    for (const kind of ['Configuration', 'Route']) add(kind, edit);
  }
  for (const edit of annotationEdits('metadata.annotations', 'autoscaling.knative.dev/', AUTOSCALING_WORDS))
    add('Revision', edit);
  for (const target of TRAFFIC_WORDS) {
    for (const kind of ['Service', 'Route']) {
      add(kind, (object) => set(object, 'spec.traffic', [target]));
      add(kind, (object) => set(object, 'spec.traffic', [target, TRAFFIC_WORDS[12]]));
    }
  }
  for (const kind of ['Service', 'Configuration', 'Route', 'Revision']) {
    cases.push({ kind, object: { ...plain(kind), spec: {} } });
    cases.push({ kind, object: withoutSpec(plain(kind)) });
  }
  cases.push({ kind: 'Service', object: { ...plain('Service'), spec: { template: {} } } });
  for (const metadata of METADATA) {
    for (const kind of ['Service', 'Configuration', 'Route', 'Revision'])
      cases.push({ kind, object: { ...plain(kind), metadata: { namespace: 'default', ...metadata } } });
  }
  return cases;
}

const withoutSpec = (object: object): object => {
  const { spec: _, ...rest } = object as { readonly spec?: unknown };
  return rest;
};

/** Several containers, and one, under each setting. */
function configCases(): AdmissionCase[] {
  const spec = {
    containers: [
      { image: 'busybox', ports: [{ containerPort: 8080 }] },
      {
        image: 'busybox',
        readinessProbe: { httpGet: { port: 81 } },
        livenessProbe: { tcpSocket: { port: 82 } },
      },
    ],
    initContainers: [{ image: 'busybox' }, { image: 'busybox' }],
  };
  const one = { containers: [{ image: 'busybox', resources: { requests: { cpu: '1' } } }] };
  return EACH_CONFIG.flatMap((configs) =>
    [spec, one].map((each) => ({
      kind: 'Service',
      object: { ...plain('Service'), spec: { template: { spec: each } } },
      configs,
    })),
  );
}

function mixedCase(random: Random): AdmissionCase {
  const kind = random.pick(['Service', 'Service', 'Service', 'Configuration', 'Revision', 'Route']);
  const beside = kind !== 'Route' && random.chance(0.3) ? [withSidecar()] : [];
  const object = edited(plain(kind), [...beside, someEdits(random, kind, 5)]);
  const configs = someConfigs(random);
  return { kind, object, ...(Object.keys(configs).length > 0 && { configs }) };
}

/** Fewer than `most`. */
function someEdits(random: Random, kind: string, most: number): Edit {
  const edits = editsFor(kind);
  const chosen = Array.from({ length: random.below(most) }, () => random.pick(edits));
  return (object) => {
    for (const edit of chosen) edit(object);
  };
}

function editsFor(kind: string): readonly Edit[] {
  if (kind === 'Route') return [...ownEdits(), ...trafficEdits()];
  const spec = kind === 'Revision' ? 'spec' : 'spec.template.spec';
  const annotations = kind === 'Revision' ? 'metadata.annotations' : 'spec.template.metadata.annotations';
  return [
    ...editsOf(spec, POD_WORDS),
    ...editsOf(`${spec}.containers.0`, CONTAINER_WORDS),
    ...annotationEdits(annotations, 'autoscaling.knative.dev/', AUTOSCALING_WORDS),
    ...annotationEdits(annotations, '', TEMPLATE_ANNOTATION_WORDS),
    ...(kind === 'Revision' ? [] : templateEdits()),
    ...(kind === 'Service' ? trafficEdits() : []),
    ...ownEdits(),
  ];
}

const trafficEdits = (): Edit[] =>
  TRAFFIC_WORDS.flatMap((target, i) => [
    (object) => set(object, 'spec.traffic', [target]),
    (object) => set(object, 'spec.traffic', [target, TRAFFIC_WORDS[(i * 7) % TRAFFIC_WORDS.length]]),
  ]);

const templateEdits = (): Edit[] => [
  ...editsOf('spec.template.metadata', TEMPLATE_WORDS),
  ...annotationEdits('spec.template.metadata.annotations', 'autoscaling.knative.dev/', AUTOSCALING_WORDS),
  ...annotationEdits('spec.template.metadata.annotations', '', TEMPLATE_ANNOTATION_WORDS),
];

const ownEdits = (): Edit[] => [
  ...annotationEdits('metadata.labels', '', OWN_LABEL_WORDS),
  ...annotationEdits('metadata.annotations', '', OWN_ANNOTATION_WORDS),
];

function editsOf(path: string, words: Words): Edit[] {
  return Object.entries(words).flatMap(([name, values]) =>
    values.map(
      (value): Edit =>
        (object) =>
          set(object, `${path}.${name}`, value),
    ),
  );
}

/** Names of annotations have dots in them. */
function annotationEdits(path: string, prefix: string, words: Words): Edit[] {
  return Object.entries(words).flatMap(([name, values]) =>
    values.map((value): Edit => (object) => {
      set(object, path, { ...Object(at(object, path) ?? {}), [prefix + name]: value });
    }),
  );
}

/** A second container beside one that has a port. */
const withSidecar =
  (edit: Edit = () => {}): Edit =>
  (object) => {
    const path = Reflect.get(object, 'kind') === 'Revision' ? 'spec' : 'spec.template.spec';
    set(object, `${path}.containers`, [
      { image: 'busybox', ports: [{ containerPort: 8080 }] },
      { name: 'beside', image: 'busybox' },
    ]);
    edit(object);
  };

function plain(kind: string): object {
  const metadata = { name: 'hello', namespace: 'default' };
  const spec = { containers: [{ image: 'busybox' }] };
  switch (kind) {
    case 'Route':
      return {
        apiVersion: SERVING,
        kind,
        metadata,
        spec: { traffic: [{ configurationName: 'hello', percent: 100 }] },
      };
    case 'Revision':
      return { apiVersion: SERVING, kind, metadata: { ...metadata, name: 'hello-00001' }, spec };
    default:
      return { apiVersion: SERVING, kind, metadata, spec: { template: { spec } } };
  }
}

function edited(object: object, edits: readonly Edit[]): object {
  const copy = structuredClone(object);
  for (const edit of edits) edit(copy);
  return copy;
}

function at(object: object, path: string): unknown {
  return path.split('.').reduce((value: unknown, name) => Reflect.get(Object(value), name), object);
}

/** Makes the objects on the way; a list that has no such element is left alone. */
function set(object: object, path: string, value: unknown): void {
  const names = path.split('.');
  const last = names.pop() ?? '';
  let place: object = object;
  for (const name of names) {
    const next: unknown = Reflect.get(place, name);
    if (next === undefined && Array.isArray(place)) return;
    if (next === undefined) Reflect.set(place, name, {});
    place = Object(Reflect.get(place, name));
  }
  Reflect.set(place, last, structuredClone(value));
}
