import { isSelected, type LabelSelector } from '../../../apis/label-selector.ts';
import { keyOf, type Resource } from '../../../apis/resource.ts';
import { isOwnedBy, ownerOf } from '../../../control/owned.ts';
import type { Informers } from '../../../control/informer.ts';
import type { KindName, ResourceClient } from '../../../control/resource-client.ts';

type Selecting = Resource & { readonly spec: { readonly selector?: LabelSelector } };

/**
 * What an owner has of a kind (kubernetes pkg/controller, controller_ref_manager.go): its own that its selector still
 * selects, and those that it selects and nobody has, which become its own. What it selects no more is let go and runs on.
 */
export async function claim<R extends Resource>(
  cluster: ResourceClient,
  owner: Selecting,
  kind: KindName,
  isAdoptable: (object: R) => boolean = () => true,
): Promise<readonly R[]> {
  const { items } = await cluster.list<R>(kind, owner.metadata.namespace);
  const claimed: R[] = [];
  for (const object of items) {
    const isMeant = isSelected(owner.spec.selector ?? {}, object.metadata.labels) && selectsAny(owner);
    if (isOwnedBy(object, owner)) {
      if (isMeant) claimed.push(object);
      else await cluster.apply(withoutOwner(object, owner));
    } else if (isMeant && isNobodys(object) && isAdoptable(object))
      claimed.push(await cluster.apply(withOwner(object, owner)));
  }
  return claimed;
}

/** The owners that may want an object that nobody has: those in its namespace that select it. */
export function claimants(informers: Informers, kind: KindName): (object: Resource) => readonly string[] {
  return (object) =>
    isNobodys(object)
      ? (informers.of(kind).all() as readonly Selecting[])
          .filter(
            (owner) =>
              owner.metadata.namespace === object.metadata.namespace &&
              selectsAny(owner) &&
              isSelected(owner.spec.selector ?? {}, object.metadata.labels),
          )
          .map(keyOf)
      : [];
}

function isNobodys({ metadata: { ownerReferences = [], deletionTimestamp } }: Resource): boolean {
  return deletionTimestamp === undefined && !ownerReferences.some(({ controller }) => controller === true);
}

/** An empty selector selects everything, and an owner never does. */
function selectsAny({ spec: { selector = {} } }: Selecting): boolean {
  return Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length > 0;
}

function withOwner<R extends Resource>(object: R, owner: Resource): R {
  const { ownerReferences = [], ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, ownerReferences: [...ownerReferences, ownerOf(owner)] } };
}

function withoutOwner<R extends Resource>(object: R, owner: Resource): R {
  const { ownerReferences = [], ...metadata } = object.metadata;
  const kept = ownerReferences.filter(({ uid }) => uid !== owner.metadata.uid);
  return { ...object, metadata: { ...metadata, ownerReferences: kept } };
}
