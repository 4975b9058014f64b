import { join } from 'node:path';
import { KindRegistry } from '../../src/apis/registry.ts';
import type { ObjectMeta, Resource } from '../../src/apis/resource.ts';
import type { ObjectKey, WatchEvent, WriteOptions } from '../../src/apiserver/storage/resource-store.ts';
import { SqliteStore, type StoreOptions } from '../../src/apiserver/storage/sqlite-store.ts';
import { FakeClock } from './fake-clock.ts';

export type Open = Resource & Readonly<Record<string, unknown>>;
export const ADMIN: WriteOptions = { writer: { user: 'admin' } };

/** The store of objects in a folder, with its namespaces `demo` and `other` when it is new. */
export async function openObjects(folder: string, options: Partial<StoreOptions> = {}): Promise<SqliteStore> {
  const store = await SqliteStore.open({
    file: join(folder, 'objects.db'),
    kinds: new KindRegistry(),
    clock: new FakeClock(),
    ...options,
  });
  for (const name of ['demo', 'other']) {
    if (store.find(namespaceKey(name)) === undefined) await store.create(namespace(name), ADMIN);
  }
  return store;
}

export const namespace = (name: string): Open => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name },
});
export const namespaceKey = (name: string): ObjectKey => ({
  group: '',
  kind: 'Namespace',
  namespace: undefined,
  name,
});

/** A ConfigMap in `demo`. */
export const configMap = (
  name: string,
  fields: Readonly<Record<string, string>> = {},
  metadata: Partial<ObjectMeta> = {},
): Open => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'demo', ...metadata },
  data: fields,
});

/** A Pod in `demo`: a kind with a status of its own. */
export const pod = (name: string, spec: object = {}, metadata: Partial<ObjectMeta> = {}): Open => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'demo', ...metadata },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});

export const keyOf = ({ apiVersion, kind, metadata }: Resource): ObjectKey => ({
  group: apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '',
  kind,
  namespace: metadata.namespace,
  name: metadata.name,
});

/** Reads `count` events and ends the watch. */
export async function firstOf(events: AsyncIterable<WatchEvent>, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of events) {
    if (event.type === 'BOOKMARK') continue;
    seen.push(`${event.type} ${event.object.metadata.name}`);
    if (seen.length === count) break;
  }
  return seen;
}
