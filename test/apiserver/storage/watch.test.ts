import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/apis/resource.ts';
import type { WatchOptions } from '../../../src/apiserver/storage/resource-store.ts';
import type { SqliteStore } from '../../../src/apiserver/storage/sqlite-store.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { ADMIN, configMap, firstOf, keyOf, openObjects, pod } from '../../kit/objects.ts';

const CONFIG_MAPS = { group: '', kind: 'ConfigMap' };
const isBlue = ({ metadata }: Resource): boolean => metadata.labels?.['colour'] === 'blue';
const coloured = (name: string, colour: string): ReturnType<typeof configMap> =>
  configMap(name, {}, { labels: { colour } });
const paint = (store: SqliteStore, name: string, colour: string): Promise<Resource> =>
  store.update(keyOf(configMap(name)), () => coloured(name, colour), ADMIN);
const from = (since: string, more: Partial<WatchOptions> = {}): WatchOptions => ({
  ...CONFIG_MAPS,
  since,
  signal: new AbortController().signal,
  ...more,
});

describe('a watch (S7)', () => {
  const folder = temporaryFolder('watch');
  let store: SqliteStore;
  beforeAll(async () => {
    store = await openObjects(folder);
  });
  afterAll(() => store.close());

  it('gives the changes of its kind after its version, in order', async () => {
    const since = store.resourceVersion;
    await store.create(coloured('a', 'red'), ADMIN);
    await store.create(pod('not-this-kind'), ADMIN);
    const { metadata } = await paint(store, 'a', 'blue');
    await store.remove(keyOf(configMap('a')), ADMIN);
    expect(await firstOf(store.watch(from(since)), 3)).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
    expect(await firstOf(store.watch(from(metadata.resourceVersion ?? '')), 1)).toEqual(['DELETED a']);
  });

  it('misses nothing between being asked for and being read', async () => {
    const events = store.watch(from(store.resourceVersion));
    await store.create(configMap('between'), ADMIN);
    expect(await firstOf(events, 1)).toEqual(['ADDED between']);
  });

  it('is not woken by a write that changes nothing', async () => {
    await store.create(coloured('quiet', 'red'), ADMIN);
    const events = store.watch(from(store.resourceVersion));
    await paint(store, 'quiet', 'red');
    await paint(store, 'quiet', 'blue');
    expect(await firstOf(events, 1)).toEqual(['MODIFIED quiet']);
    expect(store.find(keyOf(configMap('quiet')))).toMatchObject({ metadata: { labels: { colour: 'blue' } } });
  });

  it('keeps to its namespace', async () => {
    const events = store.watch(from(store.resourceVersion, { namespace: 'other' }));
    await store.create(configMap('elsewhere'), ADMIN);
    await store.create(configMap('here', {}, { namespace: 'other' }), ADMIN);
    expect(await firstOf(events, 1)).toEqual(['ADDED here']);
  });

  it('with a selector tells an object that enters as ADDED and one that leaves as DELETED', async () => {
    const events = store.watch(from(store.resourceVersion, { matches: isBlue }));
    await store.create(coloured('s', 'red'), ADMIN);
    await paint(store, 's', 'blue');
    await store.update(
      keyOf(configMap('s')),
      () => ({ ...coloured('s', 'blue'), data: { a: '1' } }) as Resource,
      ADMIN,
    );
    await paint(store, 's', 'red');
    await store.remove(keyOf(configMap('s')), ADMIN);
    await store.create(coloured('end', 'blue'), ADMIN);
    expect(await firstOf(events, 4)).toEqual(['ADDED s', 'MODIFIED s', 'DELETED s', 'ADDED end']);
  });

  it('ends when its signal aborts, though nothing happens', async () => {
    const stop = new AbortController();
    const ended = firstOf(store.watch(from(store.resourceVersion, { signal: stop.signal })), 1);
    stop.abort();
    expect(await ended).toEqual([]);
  });

  it('from a version that was never given out is refused: whoever knows it knows a state that is not this one', () => {
    const next = String(Number(store.resourceVersion) + 1);
    expect(() => store.watch(from(next))).toThrow(
      expect.objectContaining({ httpCode: 410, reason: 'Expired' }),
    );
    expect(() => store.watch(from('soon'))).toThrow(expect.objectContaining({ httpCode: 410 }));
  });

  it('that is too far behind to keep every change is cut with 410 rather than thinned out', async () => {
    const events = store.watch(from(store.resourceVersion))[Symbol.asyncIterator]();
    await store.create(configMap('flood'), ADMIN);
    await events.next(); // reads one and then stops reading
    const lanes = Array.from({ length: 500 }, async (_, lane) => {
      await store.create(configMap(`flood-${lane}`), ADMIN);
      for (let n = 0; n < 20; n += 1) {
        const object = configMap(`flood-${lane}`, { n: `${n}` });
        await store.update(keyOf(object), () => object, ADMIN);
      }
    });
    await Promise.all(lanes); // 10 500 changes
    await expect(events.next()).rejects.toMatchObject({ httpCode: 410, reason: 'Expired' });
  });
});

describe('a watch across a reopening (S7)', () => {
  it('goes on from any version, selectors included', async () => {
    const folder = temporaryFolder('reopen');
    const before = await openObjects(folder);
    const since = before.resourceVersion;
    await before.create(coloured('a', 'blue'), ADMIN);
    await before.create(coloured('b', 'blue'), ADMIN);
    await paint(before, 'a', 'red');
    const middle = before.resourceVersion;
    await before.remove(keyOf(configMap('b')), ADMIN);
    await before.close();
    const after = await openObjects(folder);
    expect(await firstOf(after.watch(from(since)), 4)).toEqual([
      'ADDED a',
      'ADDED b',
      'MODIFIED a',
      'DELETED b',
    ]);
    expect(await firstOf(after.watch(from(since, { matches: isBlue })), 4)).toEqual([
      'ADDED a',
      'ADDED b',
      'DELETED a',
      'DELETED b',
    ]);
    const events = after.watch(from(middle));
    await after.create(coloured('c', 'blue'), ADMIN);
    expect(await firstOf(events, 2)).toEqual(['DELETED b', 'ADDED c']);
    await after.close();
  });

  it('tells that an object left its selection, though what it was before is forgotten', async () => {
    const folder = temporaryFolder('forgotten');
    const before = await openObjects(folder, { historyMax: 3 });
    await before.create(coloured('leaver', 'blue'), ADMIN);
    await before.create(configMap('x'), ADMIN);
    await before.create(configMap('y'), ADMIN);
    const since = before.resourceVersion;
    await paint(before, 'leaver', 'red');
    await before.close();
    const after = await openObjects(folder, { historyMax: 3 });
    expect(await firstOf(after.watch(from(since, { matches: isBlue })), 1)).toEqual(['DELETED leaver']);
    await after.close();
  });

  it('is refused with 410 when the history does not reach back so far, before and after', async () => {
    const folder = temporaryFolder('too-old');
    const before = await openObjects(folder, { historyMax: 10 });
    const since = before.resourceVersion;
    for (let n = 0; n < 30; n += 1) await before.create(configMap(`n${n}`), ADMIN);
    const refusal = expect.objectContaining({
      httpCode: 410,
      reason: 'Expired',
      message: expect.stringMatching(/^too old resource version: 2 \(\d+\)$/) as string,
    }) as Error;
    expect(() => before.watch(from(since))).toThrow(refusal);
    await before.close();
    const after = await openObjects(folder, { historyMax: 10 });
    expect(() => after.watch(from(since))).toThrow(refusal);
    const tenBack = String(Number(after.resourceVersion) - 10);
    expect(await firstOf(after.watch(from(tenBack)), 10)).toHaveLength(10);
    await after.close();
  });
});
