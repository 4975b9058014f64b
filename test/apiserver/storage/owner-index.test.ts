import { expect, it } from 'vitest';
import type { Resource } from '../../../src/apis/resource.ts';
import { OwnerIndex } from '../../../src/apiserver/storage/owner-index.ts';

const owned = (name: string, ...uids: string[]): Resource => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name,
    ownerReferences: uids.map((uid) => ({ apiVersion: 'v1', kind: 'Pod', name: uid, uid })),
  },
});

it('dependents are those that name an owner now, however often they change', () => {
  const index = new OwnerIndex();
  const [one, two] = [owned('one', 'a', 'b'), owned('two', 'a', 'a')];
  index.put(one, undefined);
  index.put(two, undefined);
  expect(index.of('a')).toEqual([one, two]);
  const moved = owned('one', 'c');
  index.put(moved, one);
  expect([index.of('a'), index.of('b'), index.of('c')]).toEqual([[two], [], [moved]]);
  index.drop(two);
  index.drop(moved);
  expect(['a', 'b', 'c', 'nobody'].flatMap((uid) => index.of(uid))).toEqual([]);
});
