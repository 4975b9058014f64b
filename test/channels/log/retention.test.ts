import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import type { Start } from '../../../src/channels/channel.ts';
import { anEvent } from '../../kit/events.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { FAILURE, hanging, openWorld, OPTIONS, settling, type World } from './log-world.ts';

const HOUR_MS = 3_600_000;

function countIn({ folder }: World, table: 'events' | 'owed' | 'dead'): number {
  const db = new DatabaseSync(join(folder, 'events.db'), { readOnly: true });
  const row = db.prepare(`SELECT count(*) AS n FROM ${table}`).get();
  db.close();
  return Number(row?.['n']);
}

async function trimAll({ store }: World): Promise<void> {
  await store.flushed();
  while (await store.trim());
}

async function publish({ orders }: World, ...ids: readonly string[]): Promise<void> {
  for (const id of ids) await orders.publish(anEvent(id));
}

describe('retention (L3)', () => {
  it('removes what every group has settled once it is older than is kept, and nothing younger', async () => {
    const clock = new FakeClock();
    const world = await openWorld({ clock });
    const [audit, mail]: [string[], string[]] = [[], []];
    await world.orders.consume('audit', OPTIONS, settling(audit));
    await world.orders.consume('mail', OPTIONS, settling(mail));
    await publish(world, 'old-1', 'old-2');
    clock.advance(HOUR_MS + 1);
    await publish(world, 'young');
    await expect.poll(() => [audit.length, mail.length]).toEqual([3, 3]);
    await trimAll(world);
    expect(countIn(world, 'events')).toBe(1);
  });

  it('has no more to do while what is kept is young, however much that is', async () => {
    const clock = new FakeClock();
    const world = await openWorld({ clock });
    await Promise.all(Array.from({ length: 1100 }, (_, i) => world.orders.publish(anEvent(`e-${i}`))));
    await world.store.flushed();
    expect(await world.store.trim()).toBe(false);
    clock.advance(HOUR_MS + 1);
    expect(await world.store.trim()).toBe(true);
    await trimAll(world);
    expect(countIn(world, 'events')).toBe(0);
  });

  it('keeps what one group owes, whatever its age: fresh, in retry, or behind a consumer that hangs', async () => {
    const clock = new FakeClock();
    const world = await openWorld({ clock, bounds: { keepBytes: 0 } });
    await world.orders.consume('audit', OPTIONS, settling([]));
    await world.orders.consume('mail', { ...OPTIONS, inFlightMax: 2 }, async (offer, signal) =>
      offer.seq === 1
        ? { kind: 'retry', dueMs: clock.nowMs() + 900 * HOUR_MS, reason: 'busy', code: 503 }
        : hanging(offer, signal),
    );
    await publish(world, 'retried', 'hangs', 'hangs too', 'fresh');
    await expect
      .poll(() => world.orders.backlog())
      .toMatchObject([{ events: 0 }, { events: 4, retrying: 1 }]);
    clock.advance(100 * HOUR_MS);
    await trimAll(world);
    expect(countIn(world, 'events')).toBe(4);
  });

  it('keeps what is owed to a group that nobody consumes after a restart', async () => {
    const clock = new FakeClock();
    const before = await openWorld({ clock });
    await before.orders.consume('audit', { ...OPTIONS, inFlightMax: 0 }, hanging);
    await publish(before, 'a', 'b');
    await before.store.close();
    clock.advance(100 * HOUR_MS);
    const world = await openWorld({ clock, bounds: { keepBytes: 0 } }, before.folder);
    await trimAll(world);
    expect(countIn(world, 'events')).toBe(2);
    expect(await world.orders.forget('audit')).toBe(2);
    await trimAll(world);
    expect(countIn(world, 'events')).toBe(0);
  });

  it('keeps no more bytes than it may of what is settled, the newest over all channels', async () => {
    const world = await openWorld({ bounds: { keepBytes: 1000 } });
    const other = await world.store.channel('LogChannel/demo/other', 'uid-other');
    for (let i = 0; i < 50; i += 1) {
      await publish(world, `e-${i}`);
      await other.publish(anEvent(`o-${i}`));
    }
    await trimAll(world);
    const size = (
      await world.store.ask('page', { channel: other.id, after: 0, eventsMax: 99, bytesMax: 9e9 })
    ).length;
    expect(countIn(world, 'events')).toBe(size * 2);
    expect(size).toBeGreaterThan(1);
    expect(size).toBeLessThan(8);
  });

  it('does it by itself as time passes', async () => {
    const clock = new FakeClock();
    const world = await openWorld({ clock });
    await publish(world, 'e');
    await expect.poll(() => (clock.advance(HOUR_MS), countIn(world, 'events'))).toBe(0);
  });
});

describe('where a new group starts', () => {
  const offeredFrom = async (start: (clock: FakeClock) => Start): Promise<string[]> => {
    const clock = new FakeClock();
    const world = await openWorld({ clock });
    for (const id of ['a', 'b', 'c', 'd']) {
      await publish(world, id);
      clock.advance(1000);
    }
    const offered: string[] = [];
    await world.orders.consume('late', { ...OPTIONS, start: start(clock) }, settling(offered));
    await publish(world, 'next');
    await expect.poll(() => offered).toContain('next');
    expect(await world.orders.backlog()).toMatchObject([{ events: 0, bytes: 0 }]);
    return offered;
  };

  it.for<[string, (clock: FakeClock) => Start, string[]]>([
    ['latest', () => 'latest', ['next']],
    ['earliest', () => 'earliest', ['a', 'b', 'c', 'd', 'next']],
    ['a time', (clock) => ({ sinceMs: clock.nowMs() - 2000 }), ['c', 'd', 'next']],
    ['a time before all', () => ({ sinceMs: 0 }), ['a', 'b', 'c', 'd', 'next']],
    ['a time after all', (clock) => ({ sinceMs: clock.nowMs() + HOUR_MS }), ['next']],
  ])('%s', async ([, start, expected]) => {
    expect(await offeredFrom(start)).toEqual(expected);
  });
});

describe('removing a channel', () => {
  it('says what was owed, and leaves nothing of it, its dead letters included', async () => {
    const world = await openWorld({ bounds: { deadLettersMax: 1 } });
    await world.orders.consume('audit', OPTIONS, async ({ seq }) =>
      seq === 1
        ? { kind: 'dead', failure: FAILURE }
        : { kind: 'retry', dueMs: Date.now() + HOUR_MS, reason: 'busy', code: 503 },
    );
    await publish(world, 'dead', 'retried', 'retried too');
    await expect.poll(() => world.orders.backlog()).toMatchObject([{ events: 2, retrying: 2, dead: 1 }]);
    expect(await world.store.hasChannel('uid-orders')).toBe(true);
    expect(await world.store.removeChannel('uid-orders')).toBe(2);
    expect(await world.store.hasChannel('uid-orders')).toBe(false);
    await trimAll(world);
    expect((['events', 'owed', 'dead'] as const).map((table) => countIn(world, table))).toEqual([0, 0, 0]);
    expect(world.store.takeDeadRoom(10)).toBe(true); // there is room for letters again
  });

  it('a channel of the same name that is made later begins empty', async () => {
    const world = await openWorld();
    await world.orders.consume('audit', OPTIONS, hanging);
    await publish(world, 'e');
    await world.store.removeChannel('uid-orders');
    const again = await world.store.channel('LogChannel/demo/orders', 'uid-anew');
    expect(await again.backlog()).toEqual([]);
    const offered: string[] = [];
    await again.consume('audit', { ...OPTIONS, start: 'earliest' }, settling(offered));
    await again.publish(anEvent('new'));
    await expect.poll(() => offered).toEqual(['new']);
  });
});
