import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ListOptions } from '../../../src/apiserver/storage/resource-store.ts';
import type { SqliteStore } from '../../../src/apiserver/storage/sqlite-store.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { ADMIN, configMap, openObjects, pod } from '../../kit/objects.ts';

const folder = temporaryFolder('list');
let store: SqliteStore;
beforeAll(async () => {
  store = await openObjects(folder);
  for (const name of ['d', 'b', 'e', 'a', 'c']) await store.create(configMap(name), ADMIN);
  await store.create(configMap('f', {}, { namespace: 'other' }), ADMIN);
  await store.create(pod('a-pod'), ADMIN);
});
afterAll(() => store.close());

const names = (more: Partial<ListOptions> = {}): string[] =>
  store.list({ group: '', kind: 'ConfigMap', ...more }).items.map(({ metadata }) => metadata.name);

describe('a list', () => {
  it('holds the objects of its kind and namespace, by name, at the newest version', () => {
    expect(names()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(names({ namespace: 'demo' })).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(names({ namespace: 'nowhere' })).toEqual([]);
    expect(store.list({ group: '', kind: 'ConfigMap' }).resourceVersion).toBe(store.resourceVersion);
  });

  it('holds what its selector matches', () => {
    expect(names({ matches: ({ metadata }) => metadata.name > 'd' })).toEqual(['e', 'f']);
  });

  it('comes in parts, each object once, and says how many are left', () => {
    const parts: unknown[] = [];
    let continueToken: string | undefined;
    do {
      const listed = store.list({ group: '', kind: 'ConfigMap', limit: 4, continueToken });
      parts.push([listed.items.map(({ metadata }) => metadata.name).join(''), listed.remainingItemCount]);
      ({ continueToken } = listed);
    } while (continueToken !== undefined);
    expect(parts).toEqual([
      ['abcd', 2],
      ['ef', undefined],
    ]);
  });

  it('goes on behind an object that is gone by then', async () => {
    await store.create(configMap('aa'), ADMIN);
    const { continueToken } = store.list({ group: '', kind: 'ConfigMap', limit: 2 });
    await store.remove({ group: '', kind: 'ConfigMap', namespace: 'demo', name: 'aa' }, ADMIN);
    expect(names({ continueToken, limit: 2 })).toEqual(['b', 'c']);
  });

  it('refuses a token that it did not give out', () => {
    expect(() => names({ continueToken: '!!' })).toThrow(expect.objectContaining({ httpCode: 400 }));
  });
});
