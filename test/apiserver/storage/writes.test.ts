import { beforeAll, afterAll, describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/apis/resource.ts';
import type { ResourceStore } from '../../../src/apiserver/storage/resource-store.ts';
import type { SqliteStore } from '../../../src/apiserver/storage/sqlite-store.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { ADMIN, configMap, keyOf, namespace, openObjects, pod, type Open } from '../../kit/objects.ts';

const folder = temporaryFolder('writes');
let store: SqliteStore;
beforeAll(async () => {
  store = await openObjects(folder);
});
afterAll(() => store.close());

const replace = (object: Open, change: object, options = ADMIN): ReturnType<ResourceStore['update']> =>
  store.update(keyOf(object), (stored) => ({ ...stored, ...change }), options);
const refusal = (reason: string, httpCode: number, message: string): object => ({
  reason,
  httpCode,
  message,
});

describe('a write (S1, S2, S3)', () => {
  it('is seen by readers once it resolves, not before', async () => {
    const object = configMap('seen');
    const write = store.create(object, ADMIN);
    expect(store.find(keyOf(object))).toBeUndefined();
    const created = await write;
    expect(store.find(keyOf(object))).toBe(created);
    expect(store.resourceVersion).toBe(created.metadata.resourceVersion);
  });

  it('takes one version from one counter, whatever its kind', async () => {
    const one = await store.create(configMap('counted'), ADMIN);
    const two = await store.create(pod('counted'), ADMIN);
    const three = await store.remove(keyOf(one), ADMIN);
    const versions = [one, two, three].map(({ metadata }) => Number(metadata.resourceVersion));
    expect(versions.map((version) => version - (versions[0] ?? 0))).toEqual([0, 1, 2]);
  });

  it('with an outdated version is a Conflict, in Kubernetes’ words, and writes nothing', async () => {
    const old = await store.create(configMap('contested', { a: '1' }), ADMIN);
    const current = await replace(configMap('contested'), { data: { a: '2' } });
    const late = store.update(keyOf(old), () => ({ ...old, data: { a: '3' } }) as Open, ADMIN);
    await expect(late).rejects.toMatchObject(
      refusal(
        'Conflict',
        409,
        'Operation cannot be fulfilled on configmaps "contested": the object has been modified; please apply your changes to the latest version and try again',
      ),
    );
    expect(store.find(keyOf(old))).toBe(current);
  });

  it('without a version is applied to what is there: none of many at once is lost', async () => {
    await store.create(configMap('busy', { n: '0' }), ADMIN);
    const next = (stored: object): Open => {
      const { n } = Reflect.get(stored, 'data') as { n: string };
      return { ...stored, data: { n: `${Number(n) + 1}` } } as unknown as Open;
    };
    await Promise.all(Array.from({ length: 50 }, () => store.update(keyOf(configMap('busy')), next, ADMIN)));
    expect(store.find(keyOf(configMap('busy')))).toMatchObject({ data: { n: '50' } });
  });

  it('that changes nothing takes no version, undefined members or not', async () => {
    const created = await store.create(configMap('still', { a: '1' }), ADMIN);
    const before = store.resourceVersion;
    const change = { data: { a: '1', b: undefined }, metadata: { ...created.metadata, labels: undefined } };
    expect(await replace(configMap('still'), change)).toBe(created);
    expect(store.resourceVersion).toBe(before);
  });

  it('keeps its own copy: what the writer does to the object afterwards is not stored', async () => {
    const fields: Record<string, string> = { a: '1' };
    await store.create(configMap('own', fields), ADMIN);
    fields['a'] = '2';
    expect(store.find(keyOf(configMap('own')))).toMatchObject({ data: { a: '1' } });
  });

  it('as a dry run answers what it would store, and stores nothing', async () => {
    const dry = { ...ADMIN, dryRun: true };
    const object = configMap('dry', { a: '1' });
    expect((await store.create(object, dry)).metadata).toMatchObject({ generation: 1 });
    expect(store.find(keyOf(object))).toBeUndefined();
    const created = await store.create(object, ADMIN);
    expect(await replace(object, { data: { a: '2' } }, dry)).toMatchObject({ data: { a: '2' } });
    await store.remove(keyOf(object), dry);
    expect(store.find(keyOf(object))).toBe(created);
  });
});

describe('what is refused', () => {
  it('is an object that is there already', async () => {
    await store.create(pod('twice'), ADMIN);
    await expect(store.create(pod('twice'), ADMIN)).rejects.toMatchObject({
      ...refusal('AlreadyExists', 409, 'pods "twice" already exists'),
      details: { name: 'twice', kind: 'pods' },
    });
  });

  it('is a change or removal of what is not there', async () => {
    const missing = refusal('NotFound', 404, 'configmaps "none" not found');
    await expect(replace(configMap('none'), {})).rejects.toMatchObject(missing);
    await expect(store.remove(keyOf(configMap('none')), ADMIN)).rejects.toMatchObject(missing);
  });

  it('is an object in a namespace that is not there', async () => {
    await expect(store.create(pod('p', {}, { namespace: 'nowhere' }), ADMIN)).rejects.toMatchObject(
      refusal('NotFound', 404, 'namespaces "nowhere" not found'),
    );
  });

  it('is a kind that is not served', async () => {
    const object = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'x' } };
    await expect(store.create(object, ADMIN)).rejects.toMatchObject({ reason: 'NotFound', httpCode: 404 });
  });

  it.each([
    [
      { ...configMap('bad'), data: { a: 1 } },
      'ConfigMap "bad" is invalid: data.a: Invalid value: "integer": data.a in body must be of type string: "integer"',
    ],
    [
      configMap('bad', {}, { labels: { a: 'b c' } }),
      `ConfigMap "bad" is invalid: metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
    ],
    [
      {
        ...configMap('bad'),
        metadata: { name: 'bad', namespace: 'demo', ownerReferences: 'all' },
      } as object as Open,
      'ConfigMap "bad" is invalid: metadata.ownerReferences: Invalid value: "string": metadata.ownerReferences in body must be of type array: "string"',
    ],
    [
      configMap(''),
      'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
    ],
  ])('is an object of the wrong shape, with the API server’s text %#', async (object, message) => {
    await expect(store.create(object, ADMIN)).rejects.toMatchObject(refusal('Invalid', 422, message));
  });

  it('is a name that is none, with a cause for its field', async () => {
    await expect(store.create(pod('Big_Name'), ADMIN)).rejects.toMatchObject({
      reason: 'Invalid',
      details: { causes: [{ reason: 'FieldValueInvalid', field: 'metadata.name' }] },
    });
  });

  it('is an update that would rename the object', async () => {
    await store.create(configMap('named'), ADMIN);
    await expect(
      store.update(keyOf(configMap('named')), () => configMap('renamed'), ADMIN),
    ).rejects.toMatchObject(
      refusal(
        'BadRequest',
        400,
        'the name of the object (renamed) does not match the name on the URL (named)',
      ),
    );
  });

  it('is a removal whose preconditions do not hold', async () => {
    const object = await store.create(configMap('guarded'), ADMIN);
    const { uid, resourceVersion } = object.metadata;
    await expect(store.remove(keyOf(object), { ...ADMIN, uid: 'x' })).rejects.toMatchObject(
      refusal(
        'Conflict',
        409,
        `Operation cannot be fulfilled on configmaps "guarded": Precondition failed: UID in precondition: x, UID in object meta: ${uid}`,
      ),
    );
    await expect(store.remove(keyOf(object), { ...ADMIN, resourceVersion: '1' })).rejects.toMatchObject({
      reason: 'Conflict',
    });
    await store.remove(keyOf(object), { ...ADMIN, uid, resourceVersion });
    expect(store.find(keyOf(object))).toBeUndefined();
  });
});

describe('what the server decides (S4, S5)', () => {
  it('is uid, creation time and generation, whatever the writer says', async () => {
    const claims = {
      uid: 'mine',
      creationTimestamp: '1999-01-01T00:00:00Z',
      generation: 9,
      resourceVersion: '5',
    };
    const created = await store.create(pod('claimed', {}, claims), ADMIN);
    expect(created.metadata).toMatchObject({ creationTimestamp: '2030-01-01T00:00:00Z', generation: 1 });
    expect(created.metadata.uid).not.toBe('mine');
    const deletion = { ...created.metadata, deletionTimestamp: '2030-01-01T00:00:00Z', generation: 7 };
    expect(await replace(pod('claimed'), { metadata: deletion })).toBe(created);
  });

  it('is that generation grows with the spec, not with metadata or status', async () => {
    const { metadata } = await store.create(pod('grown', { priority: 1 }), ADMIN);
    const labelled = await replace(pod('grown'), {
      metadata: { name: 'grown', namespace: 'demo', labels: { a: 'b' } },
    });
    expect(labelled.metadata).toMatchObject({ uid: metadata.uid, generation: 1, labels: { a: 'b' } });
    const changed = await replace(pod('grown'), pod('grown', { priority: 2 }));
    expect(changed.metadata.generation).toBe(2);
    const stated = await replace(
      pod('grown'),
      { status: { phase: 'Running' } },
      { ...ADMIN, part: 'status' },
    );
    expect(stated).toMatchObject({ metadata: { generation: 2 }, status: { phase: 'Running' } });
  });

  it('is that each half of an object is written by its own request', async () => {
    const claimed: Open = { ...pod('halves', { priority: 1 }), status: { phase: 'Claimed' } };
    const created = await store.create(claimed, ADMIN);
    expect(created).not.toHaveProperty('status');
    const both = { spec: pod('x', { priority: 2 })['spec'], status: { phase: 'Running' } };
    const stated = await replace(pod('halves'), both, { ...ADMIN, part: 'status' });
    expect(stated).toMatchObject({ spec: { priority: 1 }, status: { phase: 'Running' } });
    const changed = await replace(pod('halves'), {
      spec: pod('x', { priority: 2 })['spec'],
      status: { phase: 'Gone' },
    });
    expect(changed).toMatchObject({ spec: { priority: 2 }, status: { phase: 'Running' } });
  });

  it('is a name from generateName, without vowels, and another each time', async () => {
    const object = { ...configMap(''), metadata: { name: '', generateName: 'run-', namespace: 'demo' } };
    const names = await Promise.all(
      Array.from({ length: 20 }, async () => (await store.create(object, ADMIN)).metadata.name),
    );
    expect(new Set(names).size).toBe(20);
    for (const name of names) expect(name).toMatch(/^run-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it('is what it does not know: unknown members and metadata are dropped', async () => {
    const text = `{"apiVersion":"v1","kind":"ConfigMap","other":1,"__proto__":{"data":{"a":"1"}},
      "metadata":{"name":"pruned","namespace":"demo","managedFields":[],"x":1,"labels":null}}`;
    const created = await store.create(JSON.parse(text) as Open, ADMIN);
    expect(Object.keys(created)).toEqual(['apiVersion', 'kind', 'metadata']);
    expect(Object.keys(created.metadata).toSorted()).toEqual([
      'creationTimestamp',
      'generation',
      'name',
      'namespace',
      'resourceVersion',
      'uid',
    ]);
  });

  it('is that a cluster-scoped object has no namespace, so that its key finds it', async () => {
    const created = await store.create(
      { ...namespace('lost'), metadata: { name: 'lost', namespace: 'demo' } },
      ADMIN,
    );
    expect(created.metadata).not.toHaveProperty('namespace');
    expect(store.find(keyOf(namespace('lost')))).toBe(created);
  });

  it('is who made and who last changed an object of Knative', async () => {
    const channel: Open = {
      apiVersion: 'messaging.knative.dev/v1',
      kind: 'Channel',
      metadata: { name: 'orders', namespace: 'demo' },
    };
    const as = (user: string): typeof ADMIN => ({ writer: { user } });
    const created = await store.create(channel, as('ann'));
    const group = 'messaging.knative.dev';
    expect(created.metadata.annotations).toMatchObject({
      [`${group}/creator`]: 'ann',
      [`${group}/lastModifier`]: 'ann',
    });
    const withDelivery = (stored: Resource): Resource =>
      ({ ...stored, spec: { ...Object(Reflect.get(stored, 'spec')), delivery: { retry: 3 } } }) as Resource;
    const changed = await store.update(keyOf(channel), withDelivery, as('bob'));
    expect(changed.metadata).toMatchObject({
      generation: 2,
      annotations: { [`${group}/creator`]: 'ann', [`${group}/lastModifier`]: 'bob' },
    });
  });
});
