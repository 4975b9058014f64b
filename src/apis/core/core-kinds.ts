import Type from 'typebox';
import type { KindDefinition, PrinterColumn } from '../kind.ts';
import { SERVICE_ACCOUNT_RULES } from '../patch-rules.ts';
import type { Resource } from '../resource.ts';
import { int32, openObject, stringMap, text } from '../schema.ts';
import { invalidValue } from '../field-error.ts';
import { configMapErrors, configWebhookOf } from './config-maps.ts';

export type Open = Resource & Readonly<Record<string, unknown>>;

/** The text or number at a path, or what stands for none. */
export function shown(object: unknown, fallback: string, ...path: string[]): string {
  const value = at(object, ...path);
  return typeof value === 'string' || typeof value === 'number' ? `${value}` : fallback;
}

/** What core kinds have in common: no defaults and rules but their own, no CRD. */
export function core(
  definition: Pick<KindDefinition<Open>, 'kind' | 'plural' | 'schema'> & Partial<KindDefinition<Open>>,
): KindDefinition<Open> {
  return {
    group: '',
    versions: ['v1'],
    singular: definition.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    scope: 'Namespaced',
    columns: [AGE],
    subresources: { status: false },
    setDefaults: (object) => object,
    validate: () => [],
    ...definition,
  };
}

export const AGE: PrinterColumn = { name: 'Age', type: 'date', from: '.metadata.creationTimestamp' };

const count = (value: unknown): number => Object.keys(Object(value)).length;
export const at = (object: unknown, ...path: string[]): unknown =>
  path.reduce((value: unknown, name) => Reflect.get(Object(value), name), object);

export const namespaceKind = core({
  kind: 'Namespace',
  plural: 'namespaces',
  shortNames: ['ns'],
  scope: 'Cluster',
  subresources: { status: true },
  schema: Type.Object({
    spec: Type.Optional(openObject('Finalizers.')),
    status: Type.Optional(openObject('Phase.')),
  }),
  columns: [{ name: 'Status', type: 'string', from: '.status.phase' }, AGE],
  setDefaults: (object) => ({
    ...object,
    metadata: {
      ...object.metadata,
      labels: { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name },
    },
    spec: object['spec'] ?? { finalizers: ['kubernetes'] },
    status: object['status'] ?? { phase: 'Active' },
  }),
});

export const configMapKind = core({
  kind: 'ConfigMap',
  plural: 'configmaps',
  shortNames: ['cm'],
  schema: Type.Object({
    data: Type.Optional(stringMap('Text by key.')),
    binaryData: Type.Optional(stringMap('Base64 by key.')),
    immutable: Type.Optional(Type.Boolean({ description: 'No further change of the data.' })),
  }),
  columns: [
    {
      name: 'Data',
      type: 'integer',
      from: (object) => count(at(object, 'data')) + count(at(object, 'binaryData')),
    },
    AGE,
  ],
  validate: configMapErrors,
  webhookOf: configWebhookOf,
});

export const secretKind = core({
  kind: 'Secret',
  plural: 'secrets',
  schema: Type.Object({
    data: Type.Optional(stringMap('Base64 by key.')),
    stringData: Type.Optional(stringMap('Text by key, taken into data when written.')),
    type: Type.Optional(text('What the secret holds.')),
    immutable: Type.Optional(Type.Boolean({ description: 'No further change of the data.' })),
  }),
  columns: [
    { name: 'Type', type: 'string', from: '.type' },
    { name: 'Data', type: 'integer', from: (object) => count(at(object, 'data')) },
    AGE,
  ],
  setDefaults({ stringData, ...object }) {
    const written = Object.entries(Object(stringData)).map(([key, value]) => [
      key,
      Buffer.from(String(value)).toString('base64'),
    ]);
    const data: unknown =
      written.length === 0 ? object['data'] : { ...Object(object['data']), ...Object.fromEntries(written) };
    return { ...(object as Open), ...(data !== undefined && { data }), type: object['type'] ?? 'Opaque' };
  },
  validate: ({ data }) =>
    Object.entries(Object(data)).flatMap(([key, value]) =>
      Buffer.from(String(value), 'base64').toString('base64') === value
        ? []
        : [invalidValue('<hidden>', `data[${key}]`, 'not base64')],
    ),
});

export const serviceAccountKind = core({
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  shortNames: ['sa'],
  schema: Type.Object({
    secrets: Type.Optional(Type.Array(openObject('A secret.'), { description: 'Secrets of the account.' })),
    imagePullSecrets: Type.Optional(
      Type.Array(openObject('A secret.'), { description: 'Credentials for registries.' }),
    ),
    automountServiceAccountToken: Type.Optional(Type.Boolean({ description: 'Whether Pods get its token.' })),
  }),
  patchRules: SERVICE_ACCOUNT_RULES,
  columns: [{ name: 'Secrets', type: 'integer', from: (object) => count(at(object, 'secrets')) }, AGE],
});

export const eventKind = core({
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  schema: Type.Object(
    {
      involvedObject: openObject('What it is about.'),
      reason: Type.Optional(text('Why, for machines.')),
      message: Type.Optional(text('Why, for people.')),
      type: Type.Optional(text('Normal or Warning.')),
      count: Type.Optional(int32('How often it has been seen.')),
      firstTimestamp: Type.Optional(text('When it was first seen.')),
      lastTimestamp: Type.Optional(text('When it was last seen.')),
      source: Type.Optional(openObject('Who reports it.')),
    },
    { 'x-kubernetes-preserve-unknown-fields': true },
  ),
  columns: [
    { name: 'Last Seen', type: 'date', from: '.lastTimestamp' },
    { name: 'Type', type: 'string', from: '.type' },
    { name: 'Reason', type: 'string', from: '.reason' },
    {
      name: 'Object',
      type: 'string',
      from: (object) =>
        `${String(at(object, 'involvedObject', 'kind')).toLowerCase()}/${String(at(object, 'involvedObject', 'name'))}`,
    },
    { name: 'Message', type: 'string', from: '.message' },
    { name: 'First Seen', type: 'date', from: '.firstTimestamp', priority: 1 },
    { name: 'Count', type: 'integer', from: '.count', priority: 1 },
    { name: 'Name', type: 'string', from: '.metadata.name', priority: 1 },
  ],
});

/** Shown for discovery; users' own are refused in plain words by the API server. */
export const crdKind = core({
  group: 'apiextensions.k8s.io',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  shortNames: ['crd', 'crds'],
  scope: 'Cluster',
  subresources: { status: true },
  schema: Type.Object({
    spec: openObject('Names, scope and versions.'),
    status: Type.Optional(openObject('Conditions.')),
  }),
  columns: [{ name: 'Created At', type: 'string', from: '.metadata.creationTimestamp' }],
});
