import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Resource } from '../../src/apis/resource.ts';
import { isUnknownKind, type Change, type ResourceClient } from '../../src/control/resource-client.ts';

export type ClientUnderTest = {
  readonly client: ResourceClient;
  readonly close: () => Promise<void>;
};

const POD = { apiVersion: 'v1', kind: 'Pod' };
type Pod = Resource & { readonly spec?: object; readonly status?: object };
const pod = (name: string, parts: Partial<Pod> = {}): Pod => ({
  ...POD,
  ...parts,
  metadata: { name, namespace: 'default', ...parts.metadata },
});

/** What every ResourceClient promises (resource-client.ts, W1 to W4), on a cluster with a namespace `default`. */
export function resourceClientContract(name: string, open: () => Promise<ClientUnderTest>): void {
  describe(`${name} keeps the promises of ResourceClient`, () => {
    let under: ClientUnderTest;
    let client: ResourceClient;
    beforeEach(async () => {
      under = await open();
      ({ client } = under);
    });
    afterEach(() => under.close());
    const versionOf = async (): Promise<string | undefined> =>
      (await client.find(POD, 'default', 'p'))?.metadata.resourceVersion;

    it('W1: apply() creates, and replaces everything but the status', async () => {
      const made = await client.apply(pod('p', { spec: { a: 1 }, status: { ignored: true } }));
      expect(made.metadata.uid).toBeTypeOf('string');
      expect(made.status).toBeUndefined();
      await client.patchStatus(pod('p', { status: { phase: 'Running' } }));
      const metadata = { name: 'p', namespace: 'default', labels: { l: '1' }, finalizers: ['a/b'] };
      const next = await client.apply(pod('p', { spec: { b: 2 }, metadata }));
      expect(next).toMatchObject({ spec: { b: 2 }, status: { phase: 'Running' }, metadata });
      expect(next.spec).not.toHaveProperty('a');
      expect(next.metadata.uid).toBe(made.metadata.uid);
      const other = await client.apply(pod('p', { metadata: { ...metadata, labels: { m: '2' } } }));
      expect(other.metadata.labels).toEqual({ m: '2' });
    });

    it('W1: apply() of what is there already bumps no version', async () => {
      await client.apply(pod('p', { spec: { a: 1 } }));
      const before = await versionOf();
      await client.apply(pod('p', { spec: { a: 1 } }));
      expect(await versionOf()).toBe(before);
    });

    it('W1: apply() with an old version is a retryable conflict and writes nothing', async () => {
      const old = await client.apply(pod('p', { spec: { a: 1 } }));
      await client.apply(pod('p', { spec: { a: 2 } }));
      await expect(client.apply({ ...old, spec: { a: 3 } })).rejects.toMatchObject({
        code: 'CONFLICT',
        retryable: true,
      });
      expect(await client.find(POD, 'default', 'p')).toMatchObject({ spec: { a: 2 } });
    });

    it('W1: two that create the same object at once both have it', async () => {
      const [one, two] = await Promise.all([client.apply(pod('p')), client.apply(pod('p'))]);
      expect(one.metadata.uid).toBe(two.metadata.uid);
    });

    it('W2: patchStatus() replaces the status and nothing else', async () => {
      await client.apply(pod('p', { spec: { a: 1 } }));
      await client.patchStatus(pod('p', { spec: { a: 9 }, status: { phase: 'Running', x: 1 } }));
      const after = await client.patchStatus(pod('p', { status: { phase: 'Failed' } }));
      expect(after).toMatchObject({ spec: { a: 1 }, status: { phase: 'Failed' } });
      expect(after.status).not.toHaveProperty('x');
      expect(after.metadata.generation).toBe(1);
    });

    it('W2: patchStatus() of the same status bumps no version, and with an old version is a conflict', async () => {
      const old = await client.apply(pod('p'));
      await client.patchStatus(pod('p', { status: { phase: 'Running' } }));
      const before = await versionOf();
      await client.patchStatus(pod('p', { status: { phase: 'Running' } }));
      expect(await versionOf()).toBe(before);
      await expect(client.patchStatus({ ...old, status: { phase: 'Failed' } })).rejects.toMatchObject({
        code: 'CONFLICT',
      });
    });

    it('W3: remove() is done when the object is gone or marked, and an absent one is no error', async () => {
      await client.apply(pod('p'));
      await client.remove(POD, 'default', 'p');
      expect(await client.find(POD, 'default', 'p')).toBeUndefined();
      await client.remove(POD, 'default', 'p');
      const held = pod('held', { metadata: { name: 'held', namespace: 'default', finalizers: ['a/b'] } });
      await client.apply(held);
      await client.remove(POD, 'default', 'held');
      const marked = await client.find(POD, 'default', 'held');
      expect(marked?.metadata.deletionTimestamp).toBeTypeOf('string');
      await client.apply({
        ...pod('held'),
        metadata: { name: 'held', namespace: 'default', finalizers: [] },
      });
      expect(await client.find(POD, 'default', 'held')).toBeUndefined();
    });

    it('W4: find() throws for a kind that nobody serves, and for nothing else', async () => {
      const error: unknown = await client
        .find({ apiVersion: 'example.com/v1', kind: 'Thing' }, 'default', 'x')
        .catch((thrown: unknown) => thrown);
      expect(isUnknownKind(error)).toBe(true);
      expect(await client.find(POD, 'nowhere', 'x')).toBeUndefined();
      expect(isUnknownKind(new Error('other'))).toBe(false);
    });

    it('lists what is there, and watches on from the version that the list gives', async () => {
      await client.apply(pod('p'));
      const { items, resourceVersion } = await client.list(POD, 'default');
      expect(items.map(({ metadata }) => metadata.name)).toEqual(['p']);
      expect((await client.list(POD, 'nowhere')).items).toEqual([]);
      await client.apply(pod('q'));
      await client.apply(pod('q', { spec: { a: 1 } }));
      await client.remove(POD, 'default', 'q');
      const stop = new AbortController();
      const seen: string[] = [];
      for await (const { type, object } of client.watch(POD, {
        since: resourceVersion,
        signal: stop.signal,
      })) {
        seen.push(`${type} ${object.metadata.name}`);
        if (seen.length === 3) stop.abort();
      }
      expect(seen).toEqual(['ADDED q', 'MODIFIED q', 'DELETED q']);
    });

    it('says EXPIRED of a watch that cannot go on from where it was', async () => {
      const signal = AbortSignal.timeout(5000);
      const changes: AsyncIterator<Change> = client
        .watch(POD, { since: '999999', signal })
        [Symbol.asyncIterator]();
      await expect(changes.next()).rejects.toMatchObject({ code: 'EXPIRED', retryable: true });
    });
  });
}
