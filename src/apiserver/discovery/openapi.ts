import { apiVersionOf, type KindRegistry } from '../../apis/registry.ts';
import type { KindDefinition } from '../../apis/kind.ts';
import { schemaIn } from '../verbs/versions.ts';

const META = '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

/** `/openapi/v3`: where the document of each group and version is. */
export function openApiIndex(kinds: KindRegistry): unknown {
  const paths: Record<string, { serverRelativeURL: string }> = {};
  for (const [group, versions] of kinds.groups()) {
    for (const version of versions) {
      const path = group === '' ? `api/${version}` : `apis/${group}/${version}`;
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}` };
    }
  }
  return { paths };
}

/** `/openapi/v3/apis/<group>/<version>`: what `kubectl explain` reads, and what kubectl validates manifests with. */
export function openApiDocument(kinds: KindRegistry, path: string): unknown {
  const [, group = '', version = ''] = /^(?:api|apis\/([^/]+))\/([^/]+)$/.exec(path) ?? [];
  const served = kinds.kinds.filter((kind) => kind.group === group && kind.versions.includes(version));
  if (served.length === 0) return undefined;
  const schemas = Object.fromEntries(
    served.map((kind) => [schemaName(kind, version), schemaOf(kind, version)]),
  );
  const paths = Object.fromEntries(served.flatMap((kind) => pathsOf(kind, version)));
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.34.1' },
    paths,
    components: { schemas: { ...schemas, 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta': OBJECT_META } },
  };
}

/** The group reversed, as Kubernetes names the schemas of CRDs. */
function schemaName({ group, kind }: KindDefinition, version: string): string {
  if (group === '' || !group.includes('.'))
    return `io.k8s.api.${group === '' ? 'core' : group}.${version}.${kind}`;
  return `${group.split('.').toReversed().join('.')}.${version}.${kind}`;
}

function schemaOf(kind: KindDefinition, version: string): unknown {
  const { group } = kind;
  const { properties = {}, ...rest } = schemaIn(kind, version);
  return {
    ...rest,
    properties: {
      apiVersion: {
        type: 'string',
        description: 'The version of the schema that this object is written in.',
      },
      kind: { type: 'string', description: 'The kind of this object.' },
      metadata: { description: 'Standard object metadata.', allOf: [{ $ref: META }], default: {} },
      ...properties,
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind: kind.kind }],
  };
}

/** kubectl looks the kind up by its POST, and asks there whether `fieldValidation` is understood. */
function pathsOf(kind: KindDefinition, version: string): [string, unknown][] {
  const root = kind.group === '' ? `/api/${version}` : `/apis/${apiVersionOf(kind, version)}`;
  const path =
    kind.scope === 'Namespaced' ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`;
  const gvk = { group: kind.group, version, kind: kind.kind };
  const content = {
    'application/json': { schema: { $ref: `#/components/schemas/${schemaName(kind, version)}` } },
  };
  const parameters = ['fieldValidation', 'dryRun', 'fieldManager'].map((name) => ({
    name,
    in: 'query',
    schema: { type: 'string' },
  }));
  const operation = (action: string): unknown => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
    parameters,
    requestBody: { content },
    responses: { 200: { description: 'OK', content } },
  });
  return [
    [path, { get: operation('list'), post: operation('post') }],
    [
      `${path}/{name}`,
      {
        get: operation('get'),
        put: operation('put'),
        patch: operation('patch'),
        delete: operation('delete'),
      },
    ],
  ];
}

const TEXT = (description: string): unknown => ({ type: 'string', description });
const OBJECT_META = {
  type: 'object',
  description: 'Metadata that every object has.',
  properties: {
    name: TEXT('Unique among the objects of this kind in its namespace.'),
    generateName: TEXT('A prefix that the server completes to a unique name.'),
    namespace: TEXT('The space within which names are unique.'),
    uid: TEXT('Unique in time and space.'),
    resourceVersion: TEXT('Changes with every write; for optimistic concurrency.'),
    generation: { type: 'integer', format: 'int64', description: 'Grows when the desired state changes.' },
    creationTimestamp: TEXT('When the server made it.'),
    deletionTimestamp: TEXT('When it was asked to go.'),
    deletionGracePeriodSeconds: {
      type: 'integer',
      format: 'int64',
      description: 'How long it may take to go.',
    },
    labels: { type: 'object', additionalProperties: { type: 'string' }, description: 'For selecting.' },
    annotations: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'For anything else.',
    },
    finalizers: {
      type: 'array',
      items: { type: 'string' },
      description: 'Who has to let go before it is removed.',
    },
    ownerReferences: { type: 'array', items: { type: 'object' }, description: 'What it goes with.' },
    managedFields: { type: 'array', items: { type: 'object' }, description: 'Not kept.' },
    selfLink: TEXT('Not kept.'),
  },
};
