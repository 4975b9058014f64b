import type { Resource } from '../../apis/resource.ts';

/** Which objects name an owner, by its uid: there may be very many objects, and most of them own few. */
export class OwnerIndex {
  readonly #owned = new Map<string, Resource[]>();

  /** The objects that name it, in no order; to be read at once, for it changes. */
  of(uid: string): readonly Resource[] {
    return this.#owned.get(uid) ?? NONE;
  }

  /** `before` is what was stored in its place. */
  put(object: Resource, before: Resource | undefined): void {
    if (before !== undefined) this.drop(before);
    for (const uid of ownersOf(object)) {
      const owned = this.#owned.get(uid);
      if (owned === undefined) this.#owned.set(uid, [object]);
      else owned.push(object);
    }
  }

  /** Of the very object that was put. */
  drop(object: Resource): void {
    for (const uid of ownersOf(object)) {
      const owned = this.#owned.get(uid) ?? [];
      const at = owned.indexOf(object);
      if (at >= 0) owned.splice(at, 1);
      if (owned.length === 0) this.#owned.delete(uid);
    }
  }
}

const NONE: readonly Resource[] = [];

function ownersOf({ metadata: { ownerReferences = [] } }: Resource): ReadonlySet<string> {
  return new Set(ownerReferences.map(({ uid }) => uid));
}
