import type { GroupKind } from '../../apis/kind.ts';
import type { OwnerReference, Resource } from '../../apis/resource.ts';
import { groupOf } from '../../apis/registry.ts';
import { ApiError } from './api-error.ts';
import { awaited, disowned, referenceTo, released } from './dependents.ts';
import type { ObjectKey, Propagation, WatchEvent } from './resource-store.ts';
import type { SqliteStore } from './sqlite-store.ts';

const WRITER = { user: 'system:serviceaccount:kube-system:generic-garbage-collector' };

/**
 * What follows from writes by itself: dependents go after their owner, before it or stay (S6), a namespace that is being removed empties
 * and then goes, a new one gets its `default` ServiceAccount. Level-triggered: the first look goes over everything.
 */
export class Lifecycle {
  readonly #store: SqliteStore;
  readonly #stop = new AbortController();
  #work: Promise<unknown> = Promise.resolve();

  constructor(store: SqliteStore) {
    this.#store = store;
  }

  start(): void {
    const followed = this.#store.kinds.kinds.map((kind) => this.#follow(kind));
    this.#work = Promise.all([...followed, this.#lookOver()]);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  /** Whoever cannot keep up with the changes looks over everything and goes on from there. */
  async #follow({ group, kind }: GroupKind): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const since = this.#store.resourceVersion;
      try {
        const events = this.#store.watch({ group, kind, since, signal: this.#stop.signal });
        for await (const event of events) await this.#see(event);
      } catch (error) {
        if (!(error instanceof ApiError) || error.httpCode !== 410) throw error;
        await this.#lookOver();
      }
    }
  }

  async #see(event: WatchEvent): Promise<void> {
    if (event.type === 'BOOKMARK') return;
    if (event.type === 'DELETED') await this.#afterEnd(event.object);
    else await this.#tendCurrent(event.object);
    const { namespace } = event.object.metadata;
    if (event.type === 'DELETED' && namespace !== undefined) await this.#tendNamespace(namespace);
  }

  /** Owners and namespaces may have gone while nobody watched. */
  async #lookOver(): Promise<void> {
    for (const object of this.#everything()) await this.#tend(object);
  }

  /** The change may be old: what counts is the object as it is now. */
  async #tendCurrent(changed: Resource): Promise<void> {
    const object = this.#store.find(keyOf(changed));
    if (object !== undefined) await this.#tend(object);
  }

  /** An object may also have been on its way when its owner or its namespace went. */
  async #tend(object: Resource): Promise<void> {
    if (object.kind === 'Namespace' && object.apiVersion === 'v1')
      return this.#tendNamespace(object.metadata.name);
    await this.#letGo(object);
    const { namespace, ownerReferences = [] } = object.metadata;
    if (ownerReferences.length > 0 && this.#isOrphan(object)) return this.#remove(object);
    if (namespace === undefined) return;
    const home = this.#namespace(namespace);
    if (home === undefined) await this.#remove(object);
    else if (home.metadata.deletionTimestamp !== undefined) await this.#tendNamespace(namespace);
  }

  /** Those that it owned follow it; its own owners may have waited for it. */
  async #afterEnd({ metadata: { uid = '', namespace, ownerReferences = [] } }: Resource): Promise<void> {
    for (const object of this.#store.dependentsOf(uid))
      if (this.#isOrphan(object)) await this.#remove(object);
    for (const owner of ownerReferences) {
      const found = this.#owner(owner, namespace);
      if (found !== undefined) await this.#letGo(found);
    }
  }

  /** Dependents of what is on its way out stay without it, or go before it: it waits for those that say so. */
  async #letGo(object: Resource): Promise<void> {
    const waits = awaited(object);
    if (waits === undefined) return;
    const { uid = '' } = object.metadata;
    for (const dependent of this.#store.dependentsOf(uid)) {
      const isOnlyOwner = dependent.metadata.ownerReferences?.every(
        (owner) => owner.uid === uid || this.#isGone(owner, dependent.metadata.namespace),
      );
      if (waits === 'Orphan' || isOnlyOwner !== true)
        await this.#change(dependent, (stored) => disowned(stored, uid));
      else {
        const isAwaited = referenceTo(uid, dependent)?.blockOwnerDeletion === true;
        await this.#remove(dependent, isAwaited ? 'Foreground' : 'Background');
      }
    }
    const isHeld = this.#store
      .dependentsOf(uid)
      .some((each) => waits === 'Orphan' || referenceTo(uid, each)?.blockOwnerDeletion === true);
    if (!isHeld) await this.#change(object, (stored) => released(stored, waits));
  }

  #owner({ apiVersion, kind, name, uid }: OwnerReference, of: string | undefined): Resource | undefined {
    const served = this.#store.kinds.byKind({ group: groupOf(apiVersion), kind });
    if (served === undefined) return undefined;
    const namespace = served.scope === 'Namespaced' ? of : undefined;
    const found = this.#store.find({ group: served.group, kind, namespace, name });
    return found?.metadata.uid === uid ? found : undefined;
  }

  #isGone(owner: OwnerReference, namespace: string | undefined): boolean {
    const { apiVersion, kind } = owner;
    const isServed = this.#store.kinds.byKind({ group: groupOf(apiVersion), kind }) !== undefined;
    return isServed && this.#owner(owner, namespace) === undefined;
  }

  /** Looked up by name, for there may be very many objects. An owner of a kind that is not served here may well exist. */
  #isOrphan({ metadata: { namespace, ownerReferences = [] } }: Resource): boolean {
    return ownerReferences.length > 0 && ownerReferences.every((owner) => this.#isGone(owner, namespace));
  }

  #namespace(name: string): Resource | undefined {
    return this.#store.find({ group: '', kind: 'Namespace', namespace: undefined, name });
  }

  /** As it is now: the change that led here may be old, and the name may be another namespace's since. */
  async #tendNamespace(name: string): Promise<void> {
    const object = this.#namespace(name);
    if (object === undefined) return;
    if (object.metadata.deletionTimestamp === undefined) return this.#giveAccount(name);
    const content = this.#everything().filter(({ metadata }) => metadata.namespace === name);
    for (const each of content) await this.#remove(each);
    if (this.#everything().some(({ metadata }) => metadata.namespace === name)) return; // finalizers are at work
    const { uid } = object.metadata;
    const released = (stored: Resource): Resource =>
      ({ ...stored, metadata: { ...stored.metadata, uid }, spec: { finalizers: [] } }) as Resource;
    await this.#quietly(this.#store.update(keyOf(object), released, { writer: WRITER }));
  }

  async #giveAccount(namespace: string): Promise<void> {
    if (this.#store.find({ group: '', kind: 'ServiceAccount', namespace, name: 'default' }) !== undefined)
      return;
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } };
    await this.#quietly(this.#store.create(account, { writer: WRITER }));
  }

  async #remove(object: Resource, propagation: Propagation = 'Background'): Promise<void> {
    const { uid, deletionTimestamp } = object.metadata;
    if (deletionTimestamp !== undefined) return;
    await this.#quietly(this.#store.remove(keyOf(object), { writer: WRITER, uid, propagation }));
  }

  async #change(object: Resource, change: (stored: Resource) => Resource): Promise<void> {
    await this.#quietly(this.#store.update(keyOf(object), change, { writer: WRITER }));
  }

  /** Somebody else was quicker: what was to be done is done, or will be looked at again. */
  async #quietly(write: Promise<unknown>): Promise<void> {
    await write.catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
    });
  }

  #everything(): Resource[] {
    return this.#store.kinds.kinds.flatMap(({ group, kind }) => [...this.#store.list({ group, kind }).items]);
  }
}

function keyOf({ apiVersion, kind, metadata: { namespace, name } }: Resource): ObjectKey {
  return { group: groupOf(apiVersion), kind, namespace, name };
}
