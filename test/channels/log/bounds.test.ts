import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Verdict } from '../../../src/channels/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { FAILURE, hanging, openWorld, OPTIONS, SETTLED, settling } from './log-world.ts';

const withBody = (id: string, bytes: number) => ({ ...anEvent(id), body: Buffer.alloc(bytes, id) });

describe('bounds of the log (P6)', () => {
  it('refuses an event that is larger than events may be', async () => {
    const { orders } = await openWorld({ bounds: { eventBytesMax: 1000 } });
    await expect(orders.publish(withBody('big', 1000))).rejects.toMatchObject({
      code: 'EVENT_TOO_LARGE',
      retryable: false,
    });
    await orders.publish(withBody('small', 800));
  });

  it('a full subscription refuses events of its own channel only; a full log those of all', async () => {
    const bounds = { groupBacklogBytesMax: 2000, backlogBytesMax: 3000 };
    const { orders, store } = await openWorld({ bounds });
    const other = await store.channel('LogChannel/demo/other', 'uid-other');
    await orders.consume('audit', OPTIONS, hanging);
    await other.consume('audit', OPTIONS, hanging);
    await orders.publish(withBody('fills', 1800));
    await expect(orders.publish(withBody('e', 200))).rejects.toThrow(
      /orders: subscription audit owes \d+ bytes/,
    );
    await other.publish(withBody('fills too', 900));
    await expect(other.publish(withBody('e', 200))).rejects.toThrow(
      /the log owes \d+ bytes, of at most 3000/,
    );
    expect(await orders.backlog()).toMatchObject([{ events: 1 }]);
  });

  it('counts what waits for its commit, so that many at once do not slip past a bound', async () => {
    const { orders } = await openWorld({ bounds: { groupBacklogBytesMax: 5000 } });
    await orders.consume('audit', OPTIONS, hanging);
    const all = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => orders.publish(withBody(`e${i}`, 900))),
    );
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
  });

  it('takes a very large event between small ones, and gives it back whole', async () => {
    const { orders } = await openWorld();
    const bodies = new Map<string, number>();
    await orders.consume('audit', OPTIONS, async ({ event }) => {
      bodies.set(idOf(event), event.body.byteLength);
      expect(event.body.every((byte) => byte === event.body[0])).toBe(true);
      return SETTLED;
    });
    const large = 20 * 1024 * 1024;
    await Promise.all(
      [withBody('a', 10), withBody('b', large), withBody('c', 10)].map((each) => orders.publish(each)),
    );
    await expect
      .poll(() => [...bodies])
      .toEqual([
        ['a', 10],
        ['b', large],
        ['c', 10],
      ]);
  });

  it('reads back in order what did not fit into the tail cache, without loss', async () => {
    const { orders } = await openWorld({ bounds: { tailCacheBytes: 10_000 } });
    const gate = Promise.withResolvers<Verdict>();
    const offered: string[] = [];
    await orders.consume('audit', { ...OPTIONS, inFlightMax: 1 }, ({ event }) => {
      offered.push(idOf(event));
      return gate.promise;
    });
    const ids = Array.from({ length: 1500 }, (_, i) => `e-${i}`);
    await Promise.all(ids.map((id) => orders.publish(anEvent(id))));
    gate.resolve(SETTLED);
    await expect.poll(() => offered.length).toBe(ids.length);
    expect(offered).toEqual(ids);
  });
});

describe('a dead-letter store that is full', () => {
  it('keeps the event owed, tells so, does not offer it again, and takes it once there is room', async () => {
    const clock = new FakeClock();
    const { orders, store } = await openWorld({ clock, bounds: { deadLettersMax: 1 } });
    const other = await store.channel('LogChannel/demo/other', 'uid-other');
    await other.consume('audit', OPTIONS, async () => ({ kind: 'dead', failure: FAILURE }));
    await other.publish(anEvent('first'));
    await expect.poll(() => other.deadLetters({ limit: 9 })).toHaveLength(1);

    const offered: string[] = [];
    await orders.consume('audit', OPTIONS, async ({ event }) => {
      offered.push(idOf(event));
      return { kind: 'dead', failure: FAILURE };
    });
    await orders.publish(anEvent('second'));
    const owed = { events: 1, retrying: 1, dead: 0, isDeadFull: true };
    await expect.poll(() => orders.backlog()).toMatchObject([owed]);
    clock.advance(120_000);
    await expect.poll(() => orders.backlog()).toMatchObject([owed]);

    await store.removeChannel('uid-other');
    while (await store.trim());
    await expect
      .poll(() => (clock.advance(60_000), orders.backlog()))
      .toMatchObject([{ events: 0, retrying: 0, dead: 1, isDeadFull: false }]);
    expect(offered).toEqual(['second']);
    expect(await orders.deadLetters({ limit: 9 })).toMatchObject([{ attempts: 1, failure: FAILURE }]);
  });
});

describe('[kernel] a full disk', () => {
  const folder = join(temporaryFolder('log-full'), 'disk');
  const isMounted = process.getuid?.() === 0 && mounted(folder);
  afterEach(() => {
    if (isMounted) execFileSync('umount', ['-l', folder]);
  });

  it.skipIf(!isMounted)(
    'refuses events for a while, loses none, and goes on once there is room (L5)',
    async () => {
      const { orders, store } = await openWorld({}, folder);
      const offered: string[] = [];
      await orders.consume('audit', OPTIONS, settling(offered));
      const taken: string[] = [];
      const refused: unknown[] = [];
      for (let i = 0; i < 60 && refused.length === 0; i += 1) {
        const event = withBody(`e-${i}`, 300_000);
        await orders.publish(event).then(
          () => taken.push(`e-${i}`),
          (error: unknown) => refused.push(error),
        );
      }
      expect(refused).toMatchObject([{ code: 'CHANNEL_FULL', retryable: true, message: 'the disk is full' }]);
      expect(store.lost.aborted).toBe(false);
      execFileSync('mount', ['-o', 'remount,size=64m', folder]);
      const publishLater = () => orders.publish(anEvent('later')).then(() => 'taken', String);
      await expect.poll(publishLater, { timeout: 10_000 }).toBe('taken');
      await expect.poll(() => offered).toEqual([...taken, 'later']);
    },
  );
});

function mounted(folder: string): boolean {
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false; // no right to mount here
  }
}
