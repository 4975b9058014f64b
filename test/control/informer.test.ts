import { describe, expect, it } from 'vitest';
import { PlatformError } from '../../src/base/errors.ts';
import type { Resource } from '../../src/apis/resource.ts';
import { Informer } from '../../src/control/informer.ts';
import type { Change, ResourceReader } from '../../src/control/resource-client.ts';
import { FakeClock } from '../kit/fake-clock.ts';
import { World } from '../kit/world.ts';

const KIND = { apiVersion: 'v1', kind: 'ConfigMap' };
const object = (name: string): Resource => ({ ...KIND, metadata: { name, namespace: 'default' } });

type Script = {
  readonly lists: (() => Promise<readonly Resource[]>)[];
  readonly watches: (() => AsyncIterable<Change>)[];
};

/** A cluster that answers as scripted, one answer for each call; after the last, watches stay open. */
function scripted({ lists, watches }: Script): { reader: ResourceReader; calls: string[] } {
  const calls: string[] = [];
  const reader: ResourceReader = {
    find: async () => undefined,
    async list<R extends Resource>() {
      calls.push('list');
      const items = await (lists.shift() ?? (async () => []))();
      return { items: items as readonly R[], resourceVersion: '1' };
    },
    watch: (_, { signal }) => {
      calls.push('watch');
      return watches.shift()?.() ?? open(signal);
    },
  };
  return { reader, calls };
}
// eslint-disable-next-line require-yield
async function* open(signal: AbortSignal): AsyncGenerator<Change> {
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
async function* broken(error: Error): AsyncGenerator<Change> {
  yield { type: 'ADDED', object: object('seen') };
  throw error;
}
const fails = (): Promise<never> => Promise.reject(new Error('connection refused'));

function informerOf(reader: ResourceReader): { informer: Informer; clock: FakeClock; told: string[] } {
  const clock = new FakeClock();
  const informer = new Informer({ reader, kind: KIND, clock, random: () => 0.5 });
  const told: string[] = [];
  informer.onChange((each, type) => told.push(`${type} ${each.metadata.name}`));
  return { informer, clock, told };
}

describe('an informer', () => {
  it('N1: lists again after a pause that grows with each failure, and never gives up', async () => {
    const { reader, calls } = scripted({ lists: [fails, fails, fails], watches: [] });
    const { informer, clock } = informerOf(reader);
    informer.start();
    for (const [i, pauseMs] of [50, 100, 200].entries()) {
      await expect.poll(() => clock.sleepers).toBe(1);
      clock.advance(pauseMs - 1);
      expect(calls).toHaveLength(i + 1);
      clock.advance(1);
      await expect.poll(() => calls.length).toBeGreaterThan(i + 1);
    }
    await informer.synced;
    expect(calls).toEqual(['list', 'list', 'list', 'list', 'watch']);
    await informer.stop();
  });

  it('N1: lists anew at once when its watch has expired, and after a pause when it was cut', async () => {
    const expired = new PlatformError('EXPIRED', 'too old', { retryable: true });
    const { reader, calls } = scripted({
      lists: [],
      watches: [() => broken(expired), () => broken(new Error('reset'))],
    });
    const { informer, clock, told } = informerOf(reader);
    informer.start();
    await expect.poll(() => calls.length).toBe(4);
    expect(told).toEqual(['ADDED seen', 'DELETED seen', 'ADDED seen']);
    await expect.poll(() => clock.sleepers).toBeGreaterThan(0);
    clock.advance(50);
    await expect.poll(() => calls.length).toBe(6);
    await informer.stop();
  });

  it('N2: that is stopped during its first list opens no watch', async () => {
    const { promise, resolve } = Promise.withResolvers<readonly Resource[]>();
    const { reader, calls } = scripted({ lists: [() => promise], watches: [] });
    const { informer, told } = informerOf(reader);
    informer.start();
    await expect.poll(() => calls).toEqual(['list']);
    const stopped = informer.stop();
    resolve([object('late')]);
    await stopped;
    expect(calls).toEqual(['list']);
    expect(told).toEqual([]);
  });

  it('N3: tells of every object again at each resync, and leaves no timer behind', async () => {
    const { reader, calls } = scripted({
      lists: [async () => [object('a')], async () => [object('a')]],
      watches: [],
    });
    const { informer, clock, told } = informerOf(reader);
    informer.start();
    await informer.synced;
    await expect.poll(() => calls).toEqual(['list', 'watch']);
    clock.advance(600_000);
    await expect.poll(() => calls).toEqual(['list', 'watch', 'list', 'watch']);
    expect(told).toEqual(['ADDED a', 'MODIFIED a']);
    await informer.stop();
    await expect.poll(() => clock.sleepers).toBe(0);
  });

  it('leaves no timer behind for each watch that breaks', async () => {
    const expired = new PlatformError('EXPIRED', 'too old', { retryable: true });
    const { reader, calls } = scripted({
      lists: [],
      watches: Array.from({ length: 20 }, () => () => broken(expired)),
    });
    const { informer, clock } = informerOf(reader);
    informer.start();
    await expect.poll(() => calls.length).toBe(42);
    expect(clock.sleepers).toBeLessThanOrEqual(1);
    await informer.stop();
  });

  it('goes on when a handler throws', async () => {
    const { reader, calls } = scripted({ lists: [async () => [object('a')]], watches: [] });
    const { informer, clock } = informerOf(reader);
    let isFirst = true;
    informer.onChange(() => {
      if (isFirst) {
        isFirst = false;
        throw new Error('a bug');
      }
    });
    informer.start();
    await expect.poll(() => clock.sleepers).toBe(1);
    clock.advance(50);
    await expect.poll(() => calls).toContain('watch');
    await informer.stop();
  });

  it('follows a real store, and tells a late handler of what is there', async () => {
    const world = await World.open();
    const informer = world.informers.of(KIND);
    await informer.synced;
    await world.configMap('default', 'a', { x: '1' });
    await world.configMap('default', 'a', { x: '2' });
    await expect.poll(() => informer.get('default/a')).toMatchObject({ data: { x: '2' } });
    const told: string[] = [];
    informer.onChange((each, type) => told.push(`${type} ${each.metadata.name}`));
    await world.admin.remove(KIND, 'default', 'a');
    await expect.poll(() => told).toEqual(['ADDED a', 'DELETED a']);
    expect(informer.all()).toEqual([]);
  });
});
