import { conditionOf, isFalse, isTrue, isUnknown, type Mark } from '../apis/conditions.ts';
import type { Status } from '../apis/duck.ts';
import { keyOf, type Resource } from '../apis/resource.ts';
import { isOwnedBy, ownerOf } from '../control/owned.ts';
import { isRefused, isUnknownKind, type KindName, type ResourceClient } from '../control/resource-client.ts';
import { messageOf } from '../base/errors.ts';

/** Any object of today, as far as it is read here. */
export type Today = Resource & {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Status & Readonly<Record<string, unknown>>;
};

/** What became of an object of then. */
export type Translated =
  | { readonly kind: 'there'; readonly object: Today }
  | { readonly kind: 'missing'; readonly reason: string; readonly message: string };

export const missing = (reason: string, message: string): Translated => ({
  kind: 'missing',
  reason,
  message,
});

/** Writes what `owner` becomes (L1), unless the name is somebody else's (L2) or the kind is not there (L3). */
export async function translate(
  cluster: ResourceClient,
  owner: Resource,
  desired: Resource,
): Promise<Translated> {
  const { kind } = desired;
  const name = `${kind} ${keyOf(desired)}`;
  const existing = await findServed(cluster, desired, desired.metadata.namespace, desired.metadata.name);
  if (existing === 'unknown') {
    const why = `this platform has no kind ${kind} in ${desired.apiVersion}, which it would become`;
    return missing('KindNotServed', why);
  }
  if (existing !== undefined && !isOwnedBy(existing, owner))
    return missing('NotOwned', `${name} exists and belongs to somebody else`);
  try {
    return { kind: 'there', object: await cluster.apply<Today>(withOwner(desired, owner, existing)) };
  } catch (error) {
    if (!isRefused(error)) throw error;
    return missing('TranslationRefused', `${name}, which it would become, is refused: ${messageOf(error)}`);
  }
}

/** The object; undefined when it is not there, 'unknown' when nobody serves its kind. */
export async function findServed(
  cluster: ResourceClient,
  { apiVersion, kind }: KindName,
  namespace: string | undefined,
  name: string,
): Promise<Today | undefined | 'unknown'> {
  try {
    return await cluster.find<Today>({ apiVersion, kind }, namespace, name);
  } catch (error) {
    if (isUnknownKind(error)) return 'unknown';
    throw error;
  }
}

/** Labels, annotations and finalizers of others stay; a write in between makes this one a conflict. */
function withOwner(desired: Resource, owner: Resource, existing: Today | undefined): Today {
  const { labels, annotations, finalizers, resourceVersion } = existing?.metadata ?? {};
  const all = { ...annotations, ...desired.metadata.annotations };
  return {
    ...desired,
    metadata: {
      ...desired.metadata,
      ...(labels !== undefined && { labels }),
      ...(finalizers !== undefined && { finalizers }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(Object.keys(all).length > 0 && { annotations: all }),
      ownerReferences: [ownerOf(owner)],
    },
  };
}

/** A condition that says what a condition of the translation says, `Ready` unless another is named. */
export function mirrored(type: string, translated: Translated, theirs = 'Ready'): Mark {
  if (translated.kind === 'missing') return isFalse(type, translated.reason, translated.message);
  const { kind, status, metadata } = translated.object;
  const condition = conditionOf(status, theirs);
  const isOld = status?.observedGeneration !== undefined && status.observedGeneration !== metadata.generation;
  if (condition === undefined || isOld)
    return isUnknown(
      type,
      'NotYetReconciled',
      `${kind} ${keyOf(translated.object)} has not been looked at yet`,
    );
  const { reason, message } = condition;
  if (condition.status === 'True') return isTrue(type);
  const make = condition.status === 'False' ? isFalse : isUnknown;
  return make(type, reason ?? '', `${kind} ${keyOf(translated.object)}: ${message ?? reason ?? 'not ready'}`);
}

/** Where a channel or a source of today says it can be reached, or undefined. */
export function fieldOf(translated: Translated, ...path: readonly string[]): string | undefined {
  if (translated.kind === 'missing') return undefined;
  const value = path.reduce((at: unknown, name) => Reflect.get(Object(at), name), translated.object.status);
  return typeof value === 'string' ? value : undefined;
}
