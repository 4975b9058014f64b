import { mkdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/apis/resource.ts';
import type { ListOptions } from '../../../src/apiserver/storage/resource-store.ts';
import type { SqliteStore } from '../../../src/apiserver/storage/sqlite-store.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { ADMIN, configMap, keyOf, openObjects } from '../../kit/objects.ts';

type Act = {
  readonly act: 'create' | 'paint' | 'remove' | 'reopen';
  readonly name: string;
  readonly colour: string;
};
type View = { readonly version: string; readonly objects: ReadonlyMap<string, Resource> };

const KIND = { group: '', kind: 'ConfigMap' };
const isBlue = ({ metadata }: Resource): boolean => metadata.labels?.['colour'] === 'blue';
const WRITES = ['create', 'create', 'paint', 'paint', 'paint', 'remove'] as const;
const MOSTLY_WRITES = [...WRITES, ...WRITES, ...WRITES, 'reopen'] as const; // a reopening takes a worker's start
const acts = fc.array(
  fc.record<Act>({
    act: fc.constantFrom(...MOSTLY_WRITES),
    name: fc.constantFrom('a', 'b', 'c'),
    colour: fc.constantFrom('blue', 'red'),
  }),
  { minLength: 1, maxLength: 30 },
);

const viewOf = (store: SqliteStore, matches: ListOptions['matches']): View => {
  const { items, resourceVersion } = store.list({ ...KIND, matches });
  return { version: resourceVersion, objects: new Map(items.map((each) => [each.metadata.name, each])) };
};

/** Refusals are part of the world: who creates twice or changes what is not there is told so, and nothing changes. */
async function perform(store: SqliteStore, { act, name, colour }: Act): Promise<void> {
  const object = configMap(name, {}, { labels: { colour } });
  const writes = {
    create: () => store.create(object, ADMIN),
    paint: () => store.update(keyOf(object), () => object, ADMIN),
    remove: () => store.remove(keyOf(object), ADMIN),
    reopen: () => Promise.resolve(),
  };
  await writes[act]().catch((error: unknown) => expect(error).toMatchObject({ name: 'PlatformError' }));
}

/** Writes and removes a last object, so that every watch can be read up to one known version. */
async function closeWith(store: SqliteStore): Promise<string | undefined> {
  const end = await store.create(configMap('end', {}, { labels: { colour: 'blue' } }), ADMIN);
  return (await store.remove(keyOf(end), ADMIN)).metadata.resourceVersion;
}

/** What a reader holds who listed at `view` and has followed the watch up to the version `until`. */
async function followed(
  store: SqliteStore,
  view: View,
  matches: ListOptions['matches'],
  until: string | undefined,
): Promise<View['objects']> {
  const objects = new Map(view.objects);
  const { signal } = new AbortController();
  let last = Number(view.version);
  for await (const event of store.watch({ ...KIND, matches, since: view.version, signal })) {
    if (event.type === 'BOOKMARK') continue;
    const { name, resourceVersion } = event.object.metadata;
    expect(Number(resourceVersion)).toBeGreaterThan(last);
    last = Number(resourceVersion);
    expect(objects.has(name)).toBe(event.type !== 'ADDED'); // exactly once: nothing is added or deleted twice
    if (event.type === 'DELETED') objects.delete(name);
    else objects.set(name, event.object);
    if (resourceVersion === until) break;
  }
  return objects;
}

describe('a reader that lists once and watches (S7)', () => {
  it.each([
    ['everything', undefined],
    ['a selection', isBlue],
  ])(
    'holds what a list would show, of %s, from any version on, reopenings included',
    async (_what, matches) => {
      const root = temporaryFolder('model');
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(acts, async (steps) => {
          const folder = `${root}/${(runs += 1)}`;
          let store = await openFresh(folder);
          const views = [viewOf(store, matches)];
          for (const step of steps) {
            if (step.act === 'reopen') {
              await store.close();
              store = await openObjects(folder);
            } else await perform(store, step);
            views.push(viewOf(store, matches));
          }
          const end = await closeWith(store);
          for (const view of views) {
            const objects = await followed(store, view, matches, end);
            expect(objects).toEqual(viewOf(store, matches).objects);
          }
          await store.close();
        }),
        { numRuns: 15 },
      );
    },
  );

  it('sees the writes of many at once in one order, without a gap', async () => {
    const store = await openObjects(temporaryFolder('many'));
    const view = viewOf(store, undefined);
    const lanes = Array.from({ length: 10 }, async (_, lane) => {
      for (let n = 0; n < 20; n += 1) {
        await perform(store, {
          act: n % 4 === 3 ? 'remove' : n % 4 === 0 ? 'create' : 'paint',
          name: `l${lane % 5}`,
          colour: n % 2 === 0 ? 'blue' : 'red',
        });
      }
    });
    await Promise.all(lanes);
    const end = await closeWith(store);
    expect(await followed(store, view, undefined, end)).toEqual(viewOf(store, undefined).objects);
    await store.close();
  });
});

function openFresh(folder: string): Promise<SqliteStore> {
  mkdirSync(folder, { recursive: true });
  return openObjects(folder);
}
