import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { rfc3339 } from '../../apis/conditions.ts';
import type { KindDefinition } from '../../apis/kind.ts';
import type { ObjectMeta, Resource } from '../../apis/resource.ts';
import type { WriteOptions } from './resource-store.ts';

/** What the server itself decides about an object: pure rules, used by sqlite-store.ts. */
export const isNamespaceInUse = ({ kind, group }: KindDefinition, object: Resource): boolean =>
  kind === 'Namespace' &&
  group === '' &&
  ((Reflect.get(Object(Reflect.get(object, 'spec')), 'finalizers') ?? []) as unknown[]).length > 0;

export function freshMetadata(
  { resourceVersion: _version, uid: _uid, ...metadata }: ObjectMeta,
  namespace: string | undefined,
  nowMs: number,
): ObjectMeta {
  const {
    managedFields: _fields,
    selfLink: _link,
    ...rest
  } = metadata as ObjectMeta & { managedFields?: unknown; selfLink?: unknown };
  const {
    deletionTimestamp: _deletion,
    deletionGracePeriodSeconds: _grace,
    namespace: _asked, // one of a cluster-scoped object would hide it from its key
    ...own
  } = rest;
  return {
    ...own,
    ...(namespace !== undefined && { namespace }),
    uid: randomUUID(),
    creationTimestamp: rfc3339(nowMs),
    generation: 1,
  };
}

/** A new object of a kind with a status subresource begins without one. */
export function withoutStatus(kind: KindDefinition, object: Resource): Resource {
  if (!kind.subresources.status || kind.kind === 'Namespace') return object;
  const { status: _status, ...rest } = object as Resource & { status?: unknown };
  return rest;
}

/** As it will be read back from disk: without undefined members, and shared with nobody who might change it. */
export const asStored = (object: Resource): Resource => JSON.parse(JSON.stringify(object)) as Resource;

/** S4: metadata that is the server's own, and the status, stay; generation grows with anything else. */
export function withMainOf(kind: KindDefinition, desired: Resource, stored: Resource): Resource {
  const { managedFields: _fields, ...metadata } = desired.metadata as ObjectMeta & {
    managedFields?: unknown;
  };
  const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation, namespace } =
    stored.metadata;
  const own = {
    uid,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generation,
    namespace,
    resourceVersion: stored.metadata.resourceVersion,
  };
  const kept = Object.fromEntries(
    Object.entries({ ...metadata, ...own }).filter(
      ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0), // as Go leaves lists out
    ),
  ) as ObjectMeta; // fields of both
  const status: unknown = Reflect.get(stored, 'status');
  const { status: _status, ...rest } = desired as Resource & { status?: unknown };
  const main = kind.subresources.status ? { ...rest, ...(status !== undefined && { status }) } : desired;
  return { ...main, apiVersion: stored.apiVersion, kind: stored.kind, metadata: kept } as Resource;
}

export function withStatusOf(desired: Resource, stored: Resource): Resource {
  const status: unknown = Reflect.get(desired, 'status');
  return { ...stored, ...(status !== undefined && { status }) } as Resource;
}

/** Generation, and who made and last changed it (knative pkg/webhook/resourcesemantics/defaulting/user_info.go). */
export function stamped(
  kind: KindDefinition,
  object: Resource,
  stored: Resource | undefined,
  { writer, part }: WriteOptions,
): Resource {
  if (part === 'status') return object;
  const isChanged = stored !== undefined && !isDeepStrictEqual(desiredOf(object), desiredOf(stored));
  const generation = stored === undefined ? 1 : (stored.metadata.generation ?? 1) + (isChanged ? 1 : 0);
  const metadata = { ...object.metadata, generation };
  if (kind.webhook === undefined || kind.isStamped?.(object) === false) return { ...object, metadata };
  const prefix = kind.group;
  const before = stored?.metadata.annotations ?? {};
  const creator = before[`${prefix}/creator`] ?? writer.user;
  const lastModifier =
    stored === undefined || isChanged ? writer.user : (before[`${prefix}/lastModifier`] ?? writer.user);
  return {
    ...object,
    metadata: {
      ...metadata,
      annotations: {
        ...metadata.annotations,
        [`${prefix}/creator`]: creator,
        [`${prefix}/lastModifier`]: lastModifier,
      },
    },
  };
}

function desiredOf({ apiVersion: _a, kind: _k, metadata: _m, ...members }: Resource): unknown {
  const { status: _status, ...desired } = members as { status?: unknown };
  return desired;
}
