import type { OwnerReference, Resource } from '../../apis/resource.ts';
import type { Propagation } from './resource-store.ts';

/** What holds an object until something has become of its dependents (apimachinery meta/v1). */
const FINALIZERS: Readonly<Record<Propagation, string | undefined>> = {
  Background: undefined, // they follow
  Foreground: 'foregroundDeletion',
  Orphan: 'orphan',
};

/** The finalizers of an object that is removed now; its own list when nothing is added to it. */
export function finalizersFor(
  { metadata: { finalizers = NONE } }: Resource,
  propagation: Propagation = 'Background',
): readonly string[] {
  const added = FINALIZERS[propagation];
  return added === undefined || finalizers.includes(added) ? finalizers : [...finalizers, added];
}
const NONE: readonly string[] = [];

/** What an object that is on its way out waits for; undefined: for nothing of its dependents. */
export function awaited({ metadata }: Resource): 'Foreground' | 'Orphan' | undefined {
  const { deletionTimestamp, finalizers = [] } = metadata;
  if (deletionTimestamp === undefined) return undefined;
  if (finalizers.includes('orphan')) return 'Orphan';
  return finalizers.includes('foregroundDeletion') ? 'Foreground' : undefined;
}

/** The object, no longer held by its dependents. */
export function released(stored: Resource, waited: 'Foreground' | 'Orphan'): Resource {
  const { finalizers = [], resourceVersion: _any, ...metadata } = stored.metadata;
  const kept = finalizers.filter((each) => each !== FINALIZERS[waited]);
  return { ...stored, metadata: { ...metadata, finalizers: kept } };
}

/** The object without that owner. */
export function disowned(stored: Resource, uid: string): Resource {
  const { ownerReferences = [], resourceVersion: _any, ...metadata } = stored.metadata;
  const kept = ownerReferences.filter((owner) => owner.uid !== uid);
  return { ...stored, metadata: { ...metadata, ...(kept.length > 0 && { ownerReferences: kept }) } };
}

export function referenceTo(uid: string, { metadata }: Resource): OwnerReference | undefined {
  return metadata.ownerReferences?.find((owner) => owner.uid === uid);
}
