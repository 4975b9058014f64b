import type { OwnerReference, Resource } from '../apis/resource.ts';

/** The reference that makes an object go with `owner`. */
export function ownerOf({ apiVersion, kind, metadata }: Resource): OwnerReference {
  return {
    apiVersion,
    kind,
    name: metadata.name,
    uid: metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

export function isOwnedBy({ metadata }: Resource, owner: Resource): boolean {
  return (metadata.ownerReferences ?? []).some(({ uid }) => uid === owner.metadata.uid);
}
