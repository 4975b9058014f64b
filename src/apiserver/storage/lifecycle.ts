import type { Resource } from '../../apis/resource.ts';
import { groupOf } from '../../apis/registry.ts';
import { ApiError } from './api-error.ts';
import type { ObjectKey, WatchEvent } from './resource-store.ts';
import type { SqliteStore } from './sqlite-store.ts';

const WRITER = { user: 'system:serviceaccount:kube-system:generic-garbage-collector' };

/**
 * What follows from writes by itself: dependents go after their owner (S6), a namespace that is being removed empties
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
    for (const { group, kind } of this.#store.kinds.kinds) {
      const since = this.#store.resourceVersion;
      const events = this.#store.watch({ group, kind, since, signal: this.#stop.signal });
      this.#work = Promise.all([this.#work, this.#follow(events)]);
    }
    this.#work = Promise.all([this.#work, this.#lookOver()]);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  async #follow(events: AsyncIterable<WatchEvent>): Promise<void> {
    for await (const event of events) {
      if (event.type === 'BOOKMARK') continue;
      if (event.type === 'DELETED') await this.#collect(event.object.metadata.uid);
      else await this.#tendNamespace(event.object);
      const { namespace } = event.object.metadata;
      if (event.type === 'DELETED' && namespace !== undefined) await this.#tendNamespaceNamed(namespace);
    }
  }

  /** An owner may have gone while nobody watched. */
  async #lookOver(): Promise<void> {
    const all = this.#everything();
    const uids = new Set(all.map(({ metadata }) => metadata.uid));
    for (const object of all) {
      const owners = object.metadata.ownerReferences ?? [];
      if (owners.length > 0 && owners.every(({ uid }) => !uids.has(uid))) await this.#remove(object);
      await this.#tendNamespace(object);
    }
  }

  async #collect(uid: string | undefined): Promise<void> {
    for (const object of this.#everything()) {
      const owners = object.metadata.ownerReferences ?? [];
      if (owners.length === 1 && owners[0]?.uid === uid) await this.#remove(object);
    }
  }

  async #tendNamespaceNamed(name: string): Promise<void> {
    const found = this.#store.find({ group: '', kind: 'Namespace', namespace: undefined, name });
    if (found !== undefined) await this.#tendNamespace(found);
  }

  async #tendNamespace(object: Resource): Promise<void> {
    if (object.kind !== 'Namespace' || object.apiVersion !== 'v1') return;
    const { name, deletionTimestamp } = object.metadata;
    if (deletionTimestamp === undefined) return this.#giveAccount(name);
    const content = this.#everything().filter(({ metadata }) => metadata.namespace === name);
    for (const each of content) await this.#remove(each);
    if (this.#everything().some(({ metadata }) => metadata.namespace === name)) return; // finalizers are at work
    await this.#quietly(
      this.#store.update(keyOf(object), (stored) => ({ ...stored, spec: { finalizers: [] } }) as Resource, {
        writer: WRITER,
      }),
    );
  }

  async #giveAccount(namespace: string): Promise<void> {
    if (this.#store.find({ group: '', kind: 'ServiceAccount', namespace, name: 'default' }) !== undefined)
      return;
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } };
    await this.#quietly(this.#store.create(account, { writer: WRITER }));
  }

  async #remove(object: Resource): Promise<void> {
    if (object.metadata.deletionTimestamp !== undefined) return;
    await this.#quietly(this.#store.remove(keyOf(object), { writer: WRITER }));
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
