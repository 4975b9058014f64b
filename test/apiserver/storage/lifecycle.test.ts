import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OwnerReference, Resource } from '../../../src/apis/resource.ts';
import { Lifecycle } from '../../../src/apiserver/storage/lifecycle.ts';
import type { SqliteStore } from '../../../src/apiserver/storage/sqlite-store.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { ADMIN, configMap, keyOf, namespace, namespaceKey, openObjects, pod } from '../../kit/objects.ts';

const ownedBy = (...owners: readonly Resource[]): { ownerReferences: OwnerReference[] } => ({
  ownerReferences: owners.map(({ apiVersion, kind, metadata: { name, uid = '' } }) => ({
    apiVersion,
    kind,
    name,
    uid,
  })),
});
const accountKey = (name: string): Parameters<SqliteStore['find']>[0] => ({
  group: '',
  kind: 'ServiceAccount',
  namespace: name,
  name: 'default',
});

describe('deletion (S6)', () => {
  const folder = temporaryFolder('lifecycle');
  let store: SqliteStore;
  let lifecycle: Lifecycle;
  beforeAll(async () => {
    store = await openObjects(folder);
    lifecycle = new Lifecycle(store);
    lifecycle.start();
  });
  afterAll(async () => {
    await lifecycle.close();
    await store.close();
  });

  const goes = (object: Resource): Promise<void> =>
    expect.poll(() => store.find(keyOf(object))).toBeUndefined();
  /** Once a later deletion has been followed, whatever an earlier one led to has happened. */
  const settled = async (name: string): Promise<void> => {
    const owner = await store.create(configMap(`${name}-owner`), ADMIN);
    const owned = await store.create(configMap(`${name}-owned`, {}, ownedBy(owner)), ADMIN);
    await store.remove(keyOf(owner), ADMIN);
    await goes(owned);
  };

  it('waits for the last finalizer, stamps the time once, and then the object goes', async () => {
    const object = await store.create(pod('held', {}, { finalizers: ['a/x', 'b/y'] }), ADMIN);
    const marked = await store.remove(keyOf(object), ADMIN);
    expect(marked.metadata).toMatchObject({
      deletionTimestamp: '2030-01-01T00:00:00Z',
      deletionGracePeriodSeconds: 0,
    });
    expect(await store.remove(keyOf(object), ADMIN)).toBe(marked);
    const without = (finalizers: readonly string[]): Promise<Resource> =>
      store.update(
        keyOf(object),
        (stored) => ({ ...stored, metadata: { ...stored.metadata, finalizers } }),
        ADMIN,
      );
    await without(['b/y']);
    expect(store.find(keyOf(object))).toBeDefined();
    await without([]);
    expect(store.find(keyOf(object))).toBeUndefined();
  });

  it('in the foreground waits for the dependents that block it, and theirs, and is marked meanwhile', async () => {
    const owner = await store.create(configMap('waits'), ADMIN);
    const blocking = (of: Resource): { ownerReferences: OwnerReference[] } => ({
      ownerReferences: ownedBy(of).ownerReferences.map((each) => ({ ...each, blockOwnerDeletion: true })),
    });
    const child = await store.create(pod('waits-child', {}, blocking(owner)), ADMIN);
    const held = await store.create(
      configMap('waits-grandchild', {}, { ...blocking(child), finalizers: ['a/x'] }),
      ADMIN,
    );
    const other = await store.create(configMap('waits-not', {}, ownedBy(owner)), ADMIN);
    await store.remove(keyOf(owner), { ...ADMIN, propagation: 'Foreground' });
    await goes(other);
    await expect.poll(() => store.find(keyOf(held))?.metadata.deletionTimestamp).toBeDefined();
    expect(store.find(keyOf(owner))?.metadata.finalizers).toEqual(['foregroundDeletion']);
    expect(store.find(keyOf(child))?.metadata.finalizers).toEqual(['foregroundDeletion']);
    const release = (stored: Resource): Resource => ({
      ...stored,
      metadata: { ...stored.metadata, finalizers: [] },
    });
    await store.update(keyOf(held), release, ADMIN);
    await goes(child);
    await goes(owner);
  });

  it('leaves dependents behind when they are to be orphans, and those that another owner has', async () => {
    const [owner, second] = [
      await store.create(configMap('leaves'), ADMIN),
      await store.create(configMap('leaves-second'), ADMIN),
    ];
    const orphan = await store.create(pod('orphan', {}, ownedBy(owner)), ADMIN);
    await store.remove(keyOf(owner), { ...ADMIN, propagation: 'Orphan' });
    await goes(owner);
    const shared = await store.create(pod('shared', {}, ownedBy(second, orphan)), ADMIN);
    await store.remove(keyOf(second), { ...ADMIN, propagation: 'Foreground' });
    await goes(second);
    await settled('orphans');
    expect(store.find(keyOf(orphan))?.metadata.ownerReferences).toBeUndefined();
    expect(store.find(keyOf(shared))?.metadata.ownerReferences).toMatchObject([{ name: 'orphan' }]);
  });

  it('of an owner takes its dependents along, and theirs', async () => {
    const owner = await store.create(configMap('owner'), ADMIN);
    const child = await store.create(pod('child', {}, ownedBy(owner)), ADMIN);
    const grandchild = await store.create(configMap('grandchild', {}, ownedBy(child)), ADMIN);
    await store.remove(keyOf(owner), ADMIN);
    await goes(child);
    await goes(grandchild);
  });

  it('of one of two owners leaves the dependent, of both takes it', async () => {
    const one = await store.create(configMap('one'), ADMIN);
    const two = await store.create(configMap('two'), ADMIN);
    const shared = await store.create(configMap('shared', {}, ownedBy(one, two)), ADMIN);
    await store.remove(keyOf(one), ADMIN);
    await settled('first');
    expect(store.find(keyOf(shared))).toBeDefined();
    await store.remove(keyOf(two), ADMIN);
    await goes(shared);
  });

  it('of an owner takes a dependent that was made only afterwards', async () => {
    const owner = await store.create(configMap('early'), ADMIN);
    await store.remove(keyOf(owner), ADMIN);
    await goes(await store.create(configMap('late', {}, ownedBy(owner)), ADMIN));
  });

  it('spares what names an owner of a kind that is not served here', async () => {
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'x', uid: 'elsewhere' }];
    const object = await store.create(configMap('foreign', {}, { ownerReferences }), ADMIN);
    await settled('foreign');
    expect(store.find(keyOf(object))).toBeDefined();
  });

  it('of an owner does not touch what has been made anew under the name of a dependent', async () => {
    const owner = await store.create(configMap('old-owner'), ADMIN);
    const dependent = await store.create(configMap('reused', {}, ownedBy(owner)), ADMIN);
    const removal = store.remove(keyOf(owner), ADMIN);
    await Promise.all([removal, store.remove(keyOf(dependent), ADMIN).catch(() => undefined)]);
    await store.create(configMap('reused', { mine: 'yes' }), ADMIN);
    await settled('reused');
    expect(store.find(keyOf(dependent))).toMatchObject({ data: { mine: 'yes' } });
  });

  it('of a namespace empties it, waits for finalizers in it, and then it is gone', async () => {
    await store.create(namespace('doomed'), ADMIN);
    const inside = await store.create(configMap('inside', {}, { namespace: 'doomed' }), ADMIN);
    const held = await store.create(pod('held', {}, { namespace: 'doomed', finalizers: ['a/x'] }), ADMIN);
    const marked = await store.remove(namespaceKey('doomed'), ADMIN);
    expect(marked).toMatchObject({ status: { phase: 'Terminating' } });
    await goes(inside);
    await expect.poll(() => store.find(keyOf(held))?.metadata.deletionTimestamp).toBeDefined();
    expect(store.find(namespaceKey('doomed'))).toBeDefined();
    await expect(store.create(configMap('new', {}, { namespace: 'doomed' }), ADMIN)).rejects.toMatchObject({
      httpCode: 403,
      message:
        'configmaps "new" is forbidden: unable to create new content in namespace doomed because it is being terminated',
    });
    await store.update(
      keyOf(held),
      (stored) => ({ ...stored, metadata: { ...stored.metadata, finalizers: [] } }),
      ADMIN,
    );
    await goes(namespace('doomed'));
    expect(store.find(keyOf(held))).toBeUndefined();
    expect(store.find(accountKey('doomed'))).toBeUndefined();
  });

  it('of a namespace leaves nothing of what was on its way into it', async () => {
    for (let n = 0; n < 20; n += 1) {
      await store.create(namespace('race'), ADMIN);
      const writes = Array.from({ length: 5 }, (_, i) =>
        store.create(configMap(`r${i}`, {}, { namespace: 'race' }), ADMIN).catch(() => undefined),
      );
      await Promise.all([...writes, store.remove(namespaceKey('race'), ADMIN)]);
      await goes(namespace('race'));
    }
    await expect
      .poll(() => store.list({ group: '', kind: 'ConfigMap', namespace: 'race' }).items)
      .toEqual([]);
  });
});

describe('a namespace', () => {
  it('gets a default ServiceAccount, and another when that is deleted', async () => {
    const store = await openObjects(temporaryFolder('account'));
    const lifecycle = new Lifecycle(store);
    lifecycle.start();
    await expect.poll(() => store.find(accountKey('demo'))).toBeDefined();
    await store.create(namespace('fresh'), ADMIN);
    await expect.poll(() => store.find(accountKey('fresh'))).toBeDefined();
    const { uid } = store.find(accountKey('fresh'))?.metadata ?? {};
    await store.remove(accountKey('fresh'), ADMIN);
    await expect.poll(() => store.find(accountKey('fresh'))?.metadata.uid ?? uid).not.toBe(uid);
    await lifecycle.close();
    await store.close();
  });
});

describe('what went while nobody looked', () => {
  it('is followed at the next start: dependents and namespaces alike', async () => {
    const store = await openObjects(temporaryFolder('unwatched'));
    const owner = await store.create(configMap('owner'), ADMIN);
    const owned = await store.create(configMap('owned', {}, ownedBy(owner)), ADMIN);
    await store.create(configMap('inside', {}, { namespace: 'other' }), ADMIN);
    await store.remove(keyOf(owner), ADMIN);
    await store.remove(namespaceKey('other'), ADMIN);
    expect(store.find(keyOf(owned))).toBeDefined();
    const lifecycle = new Lifecycle(store);
    lifecycle.start();
    await expect.poll(() => store.find(keyOf(owned))).toBeUndefined();
    await expect.poll(() => store.find(namespaceKey('other'))).toBeUndefined();
    expect(store.list({ group: '', kind: 'ConfigMap', namespace: 'other' }).items).toEqual([]);
    await lifecycle.close();
    await store.close();
  });
});
