import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Resource } from '../../src/apis/resource.ts';
import {
  isUnknownKind,
  type Change,
  type KindName,
  type ResourceClient,
} from '../../src/control/resource-client.ts';

export type ClientUnderTest = {
  readonly client: ResourceClient;
  /** A kind with a status subresource and any spec; a namespace of the test's own. Pods in `default` where they are that. */
  readonly kind?: KindName;
  readonly namespace?: string;
  readonly close: () => Promise<void>;
};

const POD = { apiVersion: 'v1', kind: 'Pod' };
type Thing = Resource & { readonly spec?: object; readonly status?: object };

/** What every ResourceClient promises (resource-client.ts, W1 to W4), on a cluster with a namespace `default`. */
export function resourceClientContract(name: string, open: () => Promise<ClientUnderTest>): void {
  describe(`${name} keeps the promises of ResourceClient`, () => {
    let under: ClientUnderTest;
    let client: ResourceClient;
    let kind: KindName;
    let space: string;
    beforeEach(async () => {
      under = await open();
      ({ client, kind = POD, namespace: space = 'default' } = under);
    });
    afterEach(() => under.close());
    const thing = (name: string, parts: Partial<Thing> = {}): Thing => ({
      ...kind,
      ...parts,
      spec: { ...(kind === POD && { containers: [{ name: 'c', image: 'i' }] }), ...parts.spec },
      metadata: { name, namespace: space, ...parts.metadata },
    });
    const versionOf = async (): Promise<string | undefined> =>
      (await client.find(kind, space, 'p'))?.metadata.resourceVersion;

    it('W1: apply() creates, and replaces everything but the status', async () => {
      const made = await client.apply(thing('p', { spec: { priority: 1 }, status: { ignored: true } }));
      expect(made.metadata.uid).toBeTypeOf('string');
      expect(made.status).toBeUndefined();
      await client.patchStatus(thing('p', { status: { phase: 'Running' } }));
      const metadata = { name: 'p', namespace: space, labels: { l: '1' }, finalizers: ['a/b'] };
      const next = await client.apply(thing('p', { spec: { activeDeadlineSeconds: 2 }, metadata }));
      expect(next).toMatchObject({
        spec: { activeDeadlineSeconds: 2 },
        status: { phase: 'Running' },
        metadata,
      });
      expect(next.spec).not.toHaveProperty('priority');
      expect(next.metadata.uid).toBe(made.metadata.uid);
      const other = await client.apply(thing('p', { metadata: { ...metadata, labels: { m: '2' } } }));
      expect(other.metadata.labels).toEqual({ m: '2' });
    });

    it('W1: apply() of what is there already bumps no version', async () => {
      await client.apply(thing('p', { spec: { priority: 1 } }));
      const before = await versionOf();
      await client.apply(thing('p', { spec: { priority: 1 } }));
      expect(await versionOf()).toBe(before);
    });

    it('W1: apply() with an old version is a retryable conflict and writes nothing', async () => {
      const old = await client.apply(thing('p', { spec: { priority: 1 } }));
      await client.apply(thing('p', { spec: { priority: 2 } }));
      await expect(client.apply({ ...old, spec: { ...old.spec, priority: 3 } })).rejects.toMatchObject({
        code: 'CONFLICT',
        retryable: true,
      });
      expect(await client.find(kind, space, 'p')).toMatchObject({ spec: { priority: 2 } });
    });

    it('W1: apply() of what was deleted after it was read is a retryable conflict, and does not bring it back', async () => {
      const old = await client.apply(thing('p', { spec: { priority: 1 } }));
      await client.remove(kind, space, 'p');
      await expect.poll(() => client.find(kind, space, 'p')).toBeUndefined();
      await expect(client.apply(old)).rejects.toMatchObject({ code: 'CONFLICT', retryable: true });
      expect(await client.find(kind, space, 'p')).toBeUndefined();
    });

    it('W1: two that create the same object at once both have it', async () => {
      const [one, two] = await Promise.all([client.apply(thing('p')), client.apply(thing('p'))]);
      expect(one.metadata.uid).toBe(two.metadata.uid);
    });

    it('W2: patchStatus() replaces the status and nothing else', async () => {
      await client.apply(thing('p', { spec: { priority: 1 } }));
      await client.patchStatus(thing('p', { spec: { priority: 9 }, status: { phase: 'Running', x: 1 } }));
      const after = await client.patchStatus(thing('p', { status: { phase: 'Failed' } }));
      expect(after).toMatchObject({ spec: { priority: 1 }, status: { phase: 'Failed' } });
      expect(after.status).not.toHaveProperty('x');
      expect(after.metadata.generation).toBe(1);
    });

    it('W2: patchStatus() of the same status bumps no version, and with an old version is a conflict', async () => {
      const old = await client.apply(thing('p'));
      await client.patchStatus(thing('p', { status: { phase: 'Running' } }));
      const before = await versionOf();
      await client.patchStatus(thing('p', { status: { phase: 'Running' } }));
      expect(await versionOf()).toBe(before);
      await expect(client.patchStatus({ ...old, status: { phase: 'Failed' } })).rejects.toMatchObject({
        code: 'CONFLICT',
      });
    });

    it('W3: remove() is done when the object is gone or marked, and an absent one is no error', async () => {
      await client.apply(thing('p'));
      await client.remove(kind, space, 'p');
      expect(await client.find(kind, space, 'p')).toBeUndefined();
      await client.remove(kind, space, 'p');
      const held = thing('held', { metadata: { name: 'held', namespace: space, finalizers: ['a/b'] } });
      await client.apply(held);
      await client.remove(kind, space, 'held');
      const marked = await client.find(kind, space, 'held');
      expect(marked?.metadata.deletionTimestamp).toBeTypeOf('string');
      await client.apply({
        ...thing('held'),
        metadata: { name: 'held', namespace: space, finalizers: [] },
      });
      expect(await client.find(kind, space, 'held')).toBeUndefined();
    });

    it('W4: find() throws for a kind that nobody serves, and for nothing else', async () => {
      const error: unknown = await client
        .find({ apiVersion: 'example.com/v1', kind: 'Thing' }, space, 'x')
        .catch((thrown: unknown) => thrown);
      expect(isUnknownKind(error)).toBe(true);
      expect(await client.find(kind, 'nowhere', 'x')).toBeUndefined();
      expect(isUnknownKind(new Error('other'))).toBe(false);
    });

    it('lists what is there, and watches on from the version that the list gives', async () => {
      await client.apply(thing('p'));
      const { items, resourceVersion } = await client.list(kind, space);
      expect(items.map(({ metadata }) => metadata.name)).toEqual(['p']);
      expect((await client.list(kind, 'nowhere')).items).toEqual([]);
      await client.apply(thing('q'));
      await client.apply(thing('q', { spec: { priority: 1 } }));
      await client.remove(kind, space, 'q');
      const stop = new AbortController();
      const seen: string[] = [];
      for await (const { type, object } of client.watch(kind, {
        since: resourceVersion,
        signal: stop.signal,
      })) {
        seen.push(`${type} ${object.metadata.name}`);
        if (seen.length === 3) stop.abort();
      }
      expect(seen).toEqual(['ADDED q', 'MODIFIED q', 'DELETED q']);
    });

    it('watches one namespace and some labels only: what leaves the selection is deleted, what enters it is added', async () => {
      const labelled = (name: string, app: string): Thing =>
        thing(name, { metadata: { name, namespace: space, labels: { app } } });
      const selector = { matchExpressions: [{ key: 'app', operator: 'In', values: ['web', 'api'] }] };
      await client.apply(labelled('p', 'web'));
      await client.apply(labelled('q', 'db'));
      const { items, resourceVersion } = await client.list(kind, space, selector);
      expect(items.map(({ metadata }) => metadata.name)).toEqual(['p']);
      await client.apply(labelled('p', 'db'));
      await client.apply(labelled('q', 'api'));
      const stop = new AbortController();
      const seen: string[] = [];
      const progress: string[] = [];
      for await (const { type, object } of client.watch(kind, {
        since: resourceVersion,
        signal: stop.signal,
        namespace: space,
        selector,
        onProgress: (version) => progress.push(version),
      })) {
        seen.push(`${type} ${object.metadata.name} in ${object.kind}`);
        if (seen.length === 2) stop.abort();
      }
      expect(seen).toEqual([`DELETED p in ${kind.kind}`, `ADDED q in ${kind.kind}`]);
      expect(progress[0]).toBe(resourceVersion);
      const elsewhere = client.watch(kind, {
        since: resourceVersion,
        signal: AbortSignal.timeout(300),
        namespace: 'nowhere',
      });
      for await (const { object } of elsewhere) throw new Error(`${object.metadata.name} is elsewhere`);
    });

    it('says EXPIRED of a watch that cannot go on from where it was', async () => {
      const signal = AbortSignal.timeout(5000);
      const changes: AsyncIterator<Change> = client
        .watch(kind, { since: '999999', signal })
        [Symbol.asyncIterator]();
      await expect(changes.next()).rejects.toMatchObject({ code: 'EXPIRED', retryable: true });
    });
  });
}
