import type { ScalePaths } from '../../apis/kind.ts';
import { valueAt } from '../../apis/json-path.ts';
import type { Resource } from '../../apis/resource.ts';
import type { ApiRequest } from '../request.ts';
import { ApiError, badRequest, invalid, notFound } from '../storage/api-error.ts';
import type { ResourceStore } from '../storage/resource-store.ts';
import { applyPatch } from './patch.ts';
import { bodyOf, keyOf, optionsOf, type Target } from './write.ts';

/** autoscaling/v1 Scale (k8s.io/api/autoscaling/v1/types.go). */
type Scale = Resource & {
  readonly spec: { readonly replicas?: number };
  readonly status: { readonly replicas: number; readonly selector?: string };
};

const SCALE = { kind: 'Scale', apiVersion: 'autoscaling/v1' } as const;
const REPLICAS_MAX = 2 ** 31 - 1;

/** Answers `…/scale` of a kind that has it: how much is wanted and there, and a change of what is wanted. */
export async function scale(
  store: ResourceStore,
  request: ApiRequest,
  target: Target,
  paths: ScalePaths,
): Promise<Scale> {
  const { method } = request;
  if (target.path.name === undefined || !['GET', 'PUT', 'PATCH'].includes(method)) throw NOT_ALLOWED;
  const key = keyOf(target);
  if (method === 'GET') {
    const found = store.find(key);
    if (found === undefined) throw notFound(target.kind, key.name);
    return scaleOf(found, paths);
  }
  const body = await bodyOf(request);
  const change = (stored: Resource): Resource => {
    const before = scaleOf(stored, paths);
    const wanted =
      method === 'PUT' ? body : applyPatch(request.contentType, withoutVersion(before), body, {});
    return scaled(stored, replicasIn(wanted, key.name), versionIn(wanted), paths);
  };
  return scaleOf(await store.update(key, change, optionsOf(request, target)), paths);
}

const NOT_ALLOWED = new ApiError(
  405,
  'MethodNotAllowed',
  'the server does not allow this method on the requested resource',
);

/** As apiextensions-apiserver's registry/customresource has it, and k8s.io/kubernetes' for its own kinds. */
function scaleOf(object: Resource, paths: ScalePaths): Scale {
  const replicas = valueAt(object, paths.specReplicasPath);
  if (typeof replicas !== 'number') {
    const why = `the spec replicas field ${JSON.stringify(paths.specReplicasPath)} does not exist`;
    throw new ApiError(500, 'InternalError', `Internal error occurred: ${why}`);
  }
  const there = valueAt(object, paths.statusReplicasPath);
  const selector =
    paths.labelSelectorPath === undefined ? '' : textOf(valueAt(object, paths.labelSelectorPath));
  const { labels: _labels, annotations: _annotations, ...rest } = object.metadata;
  const { finalizers: _finalizers, ownerReferences: _owners, generation: _generation, ...metadata } = rest;
  return {
    ...SCALE,
    metadata,
    spec: replicas === 0 ? {} : { replicas }, // Go leaves a zero out
    status: {
      replicas: typeof there === 'number' ? there : 0,
      ...(selector !== '' && { selector }),
    },
  };
}

/** A LabelSelector in the words of a query. */
function textOf(selector: unknown): string {
  if (typeof selector === 'string') return selector;
  const { matchLabels, matchExpressions } = Object(selector) as Record<string, unknown>;
  const labels = Object.entries(Object(matchLabels)).map(([name, value]) => `${name}=${String(value)}`);
  const expressions = (Array.isArray(matchExpressions) ? matchExpressions : []).map(expressionText);
  return [...labels, ...expressions].toSorted().join(',');
}

function expressionText(expression: unknown): string {
  const { key = '', operator, values } = Object(expression) as Record<string, unknown>;
  const named = String(key);
  switch (operator) {
    case 'Exists':
      return named;
    case 'DoesNotExist':
      return `!${named}`;
    default: {
      const among = (Array.isArray(values) ? values.map(String) : []).toSorted().join(',');
      return `${named} ${operator === 'NotIn' ? 'notin' : 'in'} (${among})`;
    }
  }
}

function replicasIn(wanted: unknown, name: string): number {
  const read = (from: unknown, member: string): unknown => Reflect.get(Object(from), member);
  const [kind = SCALE.kind, apiVersion = SCALE.apiVersion] = [
    read(wanted, 'kind'),
    read(wanted, 'apiVersion'),
  ];
  if (kind !== SCALE.kind || apiVersion !== SCALE.apiVersion)
    throw badRequest(
      `a Scale of autoscaling/v1 is expected, not ${JSON.stringify(apiVersion)} ${JSON.stringify(kind)}`,
    );
  const named = read(read(wanted, 'metadata'), 'name') ?? name;
  if (named !== name)
    throw badRequest(
      `the name of the object (${JSON.stringify(named)}) does not match the name on the URL (${name})`,
    );
  const replicas = read(read(wanted, 'spec'), 'replicas') ?? 0;
  if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas > REPLICAS_MAX)
    throw badRequest(`spec.replicas: ${JSON.stringify(replicas)} is no 32-bit integer`);
  if (replicas >= 0) return replicas;
  const message = `Invalid value: ${replicas}: must be greater than or equal to 0`;
  const scaleKind = { group: 'autoscaling', kind: 'Scale', plural: 'scales' };
  throw invalid(scaleKind, name, [{ reason: 'FieldValueInvalid', message, field: 'spec.replicas' }]);
}

/** The version that a writer means; none: whatever is there. */
function versionIn(wanted: unknown): string | undefined {
  const version: unknown = Reflect.get(Object(Reflect.get(Object(wanted), 'metadata')), 'resourceVersion');
  return typeof version === 'string' && version !== '' ? version : undefined;
}

function withoutVersion({ metadata: { resourceVersion: _version, ...metadata }, ...rest }: Scale): Resource {
  return { ...rest, metadata };
}

function scaled(
  object: Resource,
  replicas: number,
  resourceVersion: string | undefined,
  { specReplicasPath }: ScalePaths,
): Resource {
  const { resourceVersion: _version, ...metadata } = object.metadata;
  const names = specReplicasPath.split('.').slice(1);
  const put = (value: unknown, [name, ...below]: readonly string[]): unknown =>
    name === undefined
      ? replicas
      : { ...Object(value), [name]: put(Reflect.get(Object(value), name), below) };
  const changed = put(object, names) as Resource; // of the object, with one number changed
  return { ...changed, metadata: { ...metadata, ...(resourceVersion !== undefined && { resourceVersion }) } };
}
