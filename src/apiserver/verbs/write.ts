import { apiVersionOf } from '../../apis/registry.ts';
import type { KindDefinition } from '../../apis/kind.ts';
import { METADATA_RULES, type PatchRules } from '../../apis/patch-rules.ts';
import type { Resource } from '../../apis/resource.ts';
import { unknownFields } from '../../apis/shape.ts';
import type { ApiRequest, ResourcePath } from '../request.ts';
import { ApiError, badRequest } from '../storage/api-error.ts';
import type {
  ObjectKey,
  Propagation,
  RemoveOptions,
  ResourceStore,
  WriteOptions,
} from '../storage/resource-store.ts';
import { applyPatch } from './patch.ts';
import { readProtobuf } from './protobuf.ts';
import { deprecationOf, inVersion, schemaIn, toStored } from './versions.ts';

export type Target = { readonly kind: KindDefinition; readonly path: ResourcePath };
export type Written = {
  readonly code: number;
  readonly object: Resource;
  readonly warnings: readonly string[];
};

export function keyOf({ kind, path }: Target, name = path.name ?? ''): ObjectKey {
  return { group: kind.group, kind: kind.kind, namespace: path.namespace, name };
}

export function optionsOf({ query, user }: ApiRequest, { path }: Target): WriteOptions {
  const dryRun = query.getAll('dryRun');
  if (dryRun.some((each) => each !== 'All'))
    throw badRequest(`Invalid value: ${JSON.stringify(dryRun)}: dryRun: supported values: "All"`);
  const part = path.subresource === 'status' ? { part: 'status' as const } : {};
  return { writer: { user: user?.name ?? '' }, dryRun: dryRun.length > 0, ...part };
}

export async function create(store: ResourceStore, request: ApiRequest, target: Target): Promise<Written> {
  refuseUsersKinds(target.kind);
  const object = objectIn(await bodyOf(request), target);
  const warnings = checkFields(request, target, object);
  const placed =
    target.path.namespace === undefined
      ? object
      : { ...object, metadata: { ...object.metadata, namespace: target.path.namespace } };
  const kept = toStored(target, placed);
  const created = await store.create(kept, optionsOf(request, target));
  return {
    code: 201,
    object: inVersion(target, created),
    warnings: [...warnings, ...warningsOf(target, kept)],
  };
}

export async function replace(store: ResourceStore, request: ApiRequest, target: Target): Promise<Written> {
  const object = objectIn(await bodyOf(request), target);
  const key = keyOf(target);
  if (object.metadata.name !== key.name) {
    throw badRequest(
      `the name of the object (${object.metadata.name}) does not match the name on the URL (${key.name})`,
    );
  }
  const warnings = checkFields(request, target, object);
  const change = (stored: Resource): Resource => toStored(target, object, stored);
  const updated = await store.update(key, change, optionsOf(request, target));
  return {
    code: 200,
    object: inVersion(target, updated),
    warnings: [...warnings, ...warningsOf(target, updated)],
  };
}

export async function patch(store: ResourceStore, request: ApiRequest, target: Target): Promise<Written> {
  const body = await bodyOf(request);
  let warnings: readonly string[] = [];
  const change = (stored: Resource): Resource => {
    const { resourceVersion: _, ...metadata } = stored.metadata; // a patch that names a version means it
    const patched = applyPatch(
      request.contentType,
      { ...inVersion(target, stored), metadata },
      body,
      patchRulesOf(target.kind),
    );
    const object = objectIn(patched, target);
    warnings = checkFields(request, target, object);
    return toStored(target, object, stored);
  };
  const object = await store.update(keyOf(target), change, optionsOf(request, target));
  return {
    code: 200,
    object: inVersion(target, object),
    warnings: [...warnings, ...warningsOf(target, object)],
  };
}

function patchRulesOf({ crd, patchRules = {} }: KindDefinition): PatchRules | undefined {
  return crd === undefined ? { ...METADATA_RULES, ...patchRules } : undefined;
}

function warningsOf(target: Target, object: Resource): readonly string[] {
  return [...deprecationOf(target), ...(target.kind.warn?.(object) ?? [])];
}

export async function remove(store: ResourceStore, request: ApiRequest, target: Target): Promise<Resource> {
  return store.remove(keyOf(target), await removeOptionsOf(request));
}

/** DeleteOptions, which may also stand in the query. */
export async function removeOptionsOf(request: ApiRequest): Promise<RemoveOptions> {
  const text = await request.body();
  const options = text.length === 0 ? {} : Object(parse(text, request.contentType));
  const read = (from: unknown, name: string): string | undefined => {
    const value: unknown = Reflect.get(Object(from), name);
    return typeof value === 'string' ? value : undefined;
  };
  const preconditions: unknown = Reflect.get(options, 'preconditions');
  const dryRun: unknown = Reflect.get(options, 'dryRun');
  const policy = read(options, 'propagationPolicy') ?? request.query.get('propagationPolicy') ?? undefined;
  return {
    writer: { user: request.user?.name ?? '' },
    dryRun: request.query.has('dryRun') || Array.isArray(dryRun),
    uid: read(preconditions, 'uid'),
    resourceVersion: read(preconditions, 'resourceVersion'),
    propagation: propagationOf(policy, Reflect.get(options, 'orphanDependents')),
  };
}

const POLICIES: readonly string[] = ['Foreground', 'Background', 'Orphan'];

/** apimachinery pkg/apis/meta/v1/validation, ValidateDeleteOptions; `orphanDependents` is its former name. */
function propagationOf(policy: string | undefined, orphans: unknown): Propagation {
  if (policy === undefined || policy === '') return orphans === true ? 'Orphan' : 'Background';
  if (typeof orphans === 'boolean')
    throw deleteOptionsInvalid(
      `propagationPolicy: Invalid value: ${JSON.stringify(policy)}: orphanDependents and deletionPropagation cannot be both set`,
    );
  if (POLICIES.includes(policy)) return policy as Propagation;
  throw deleteOptionsInvalid(
    `propagationPolicy: Unsupported value: ${JSON.stringify(policy)}: supported values: ${[...POLICIES, 'nil'].map((each) => JSON.stringify(each)).join(', ')}`,
  );
}

function deleteOptionsInvalid(why: string): ApiError {
  return new ApiError(422, 'Invalid', `DeleteOptions.meta.k8s.io "" is invalid: ${why}`);
}

function refuseUsersKinds({ kind }: KindDefinition): void {
  if (kind !== 'CustomResourceDefinition') return;
  throw new ApiError(
    403,
    'Forbidden',
    'CustomResourceDefinitions of users are not supported by this version of Millrace: it serves the kinds of Knative and those that they need',
  );
}

/** What was sent, whatever it is written in. */
export async function bodyOf(request: ApiRequest): Promise<unknown> {
  return parse(await request.body(), request.contentType, await yamlWhenNeeded(request.contentType));
}

type Yaml = (text: string) => unknown;

/** kubectl reads YAML 1.1, so we do; the library is loaded when the first YAML comes. */
async function yamlWhenNeeded(contentType: string): Promise<Yaml | undefined> {
  if (!contentType.includes('yaml') || contentType === 'application/apply-patch+yaml') return undefined;
  const { parse: parseYaml } = await import('yaml');
  return (text) => parseYaml(text, { version: '1.1', maxAliasCount: 100 }) as unknown;
}

function parse(body: Buffer, contentType: string, yaml?: Yaml): unknown {
  if (contentType.includes('protobuf')) return readProtobuf(body);
  try {
    return yaml === undefined ? (JSON.parse(body.toString()) as unknown) : yaml(body.toString());
  } catch (error) {
    throw badRequest(
      `the object provided cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** An object of this kind with its metadata, or a BadRequest that says what is off. */
function objectIn(value: unknown, { kind, path }: Target): Resource {
  const read = (name: string): unknown => Reflect.get(Object(value), name);
  const expected = apiVersionOf(kind, path.version);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badRequest('the body is no object');
  const [apiVersion = expected, name = kind.kind] = [read('apiVersion'), read('kind')];
  if (apiVersion !== expected || name !== kind.kind) {
    const text = `${JSON.stringify(apiVersion)} ${JSON.stringify(name)} was sent where ${expected} ${kind.kind} is expected`;
    throw badRequest(`the API version or kind in the data does not match the URL: ${text}`);
  }
  const metadata: unknown = read('metadata') ?? {};
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    throw badRequest('metadata is no object');
  const namespace: unknown = Reflect.get(metadata, 'namespace');
  if (path.namespace !== undefined && namespace !== undefined && namespace !== path.namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  }
  return {
    ...(value as object),
    apiVersion: expected,
    kind: kind.kind,
    metadata: metadata as Resource['metadata'],
  };
}

const METADATA_FIELDS = new Set([
  'name',
  'generateName',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
  'managedFields',
  'selfLink',
]);

/** `fieldValidation`: Strict refuses unknown fields, Warn (the default) warns of them, Ignore drops them without a word. */
function checkFields({ query }: ApiRequest, { kind, path }: Target, object: Resource): string[] {
  const mode = query.get('fieldValidation') ?? 'Warn';
  if (mode === 'Ignore') return [];
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...members } = object;
  const unknown = [
    ...unknownFields(schemaIn(kind, path.version), members),
    ...Object.keys(metadata)
      .filter((name) => !METADATA_FIELDS.has(name))
      .map((name) => `metadata.${name}`),
  ].map((path) => `unknown field ${JSON.stringify(path)}`);
  if (mode === 'Strict' && unknown.length > 0) {
    const text = `${kind.kind} in version ${JSON.stringify(object.apiVersion.split('/').at(-1))} cannot be handled as a ${kind.kind}: strict decoding error: ${unknown.join(', ')}`;
    throw badRequest(text);
  }
  return unknown;
}
