import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../../src/channels/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import {
  crashCopy,
  FAILURE,
  hanging,
  openWorld,
  OPTIONS,
  SETTLED,
  settling,
  testFolder,
} from './log-world.ts';

const inDatabase = (folder: string, sql: string): void => {
  const db = new DatabaseSync(join(folder, 'events.db'));
  db.exec(sql);
  db.close();
};

describe('the log after a crash', () => {
  it('P4 repeats what hung, and none of the thousands that were settled behind it', async () => {
    const world = await openWorld();
    const { orders } = world;
    await orders.consume('audit', OPTIONS, (offer, signal) =>
      idOf(offer.event) === 'e-0' ? hanging(offer, signal) : Promise.resolve(SETTLED),
    );
    await Promise.all(Array.from({ length: 3000 }, (_, i) => orders.publish(anEvent(`e-${i}`))));
    await expect.poll(async () => (await orders.backlog())[0]).toMatchObject({ events: 1, inFlight: 1 });
    await world.store.flushed();

    const { orders: again } = await openWorld({}, crashCopy(world));
    expect(await again.backlog()).toMatchObject([{ events: 1 }]);
    const repeated: string[] = [];
    await again.consume('audit', OPTIONS, settling(repeated));
    await expect.poll(() => repeated).toEqual(['e-0']);
    await expect.poll(() => again.backlog()).toMatchObject([{ events: 0, bytes: 0 }]);
  });

  it('P2 goes on from the stage that was kept, when it is cut before its offer was answered', async () => {
    const world = await openWorld();
    const offers: string[] = [];
    await world.orders.consume('audit', OPTIONS, async ({ stage }, signal) => {
      offers.push(stage.kind);
      if (stage.kind === 'deliver') return { kind: 'advance', stage: { kind: 'reply', reply: anEvent('r') } };
      return hanging({ event: anEvent(), attempt: 1, stage, seq: 1 }, signal);
    });
    await world.orders.publish(anEvent('e'));
    await expect.poll(() => offers).toEqual(['deliver', 'reply']);

    const { orders: again } = await openWorld({}, crashCopy(world));
    const after: string[] = [];
    await again.consume('audit', OPTIONS, async ({ stage }) => (after.push(stage.kind), SETTLED));
    await expect.poll(() => after).toEqual(['reply']);
  });

  it('L4 is not opened with fewer events than were acknowledged, unless told to', async () => {
    const world = await openWorld();
    await world.orders.publish(anEvent('before'));
    await world.store.close();
    const early = crashCopy(world);
    const again = await openWorld({}, world.folder);
    for (let i = 0; i < 3; i += 1) await again.orders.publish(anEvent(`after-${i}`));
    const copy = crashCopy(again);
    for (const name of readdirSync(copy)) if (!name.endsWith('.mark')) rmSync(join(copy, name));
    cpSync(join(early, 'events.db'), join(copy, 'events.db'));

    await expect(openWorld({}, copy)).rejects.toMatchObject({
      code: 'LOG_LOSS',
      message: expect.stringMatching(/events\.db misses 3 events .*--accept-loss/),
    });
    const { orders } = await openWorld({ acceptLoss: true }, copy);
    await orders.publish(anEvent('goes on'));
  });
});

describe('a stored event that is not as it was written (G4)', () => {
  const damage = async (sql: string, ids: readonly string[] = ['a', 'b', 'c']) => {
    const world = await openWorld({ bounds: { tailCacheBytes: 0 } });
    await world.orders.consume('audit', { ...OPTIONS, inFlightMax: 0 }, async () => SETTLED);
    for (const id of ids) await world.orders.publish(anEvent(id));
    await world.store.close();
    inDatabase(world.folder, sql);
    const { orders } = await openWorld({}, world.folder);
    const offered: string[] = [];
    await orders.consume('audit', OPTIONS, settling(offered));
    await expect.poll(() => orders.backlog()).toMatchObject([{ events: 0, bytes: 0 }]);
    return { offered, letters: await orders.deadLetters({ limit: 10 }) };
  };

  it.for([
    ['body', `UPDATE events SET body = zeroblob(length(body)) WHERE id % 4 = 2`],
    ['head', `UPDATE events SET head = zeroblob(length(head)) WHERE id % 4 = 2`],
  ] as const)('with a damaged %s goes to the dead letters with that reason, alone', async ([, sql]) => {
    const { offered, letters } = await damage(sql);
    expect(offered).toEqual(['a', 'c']);
    expect(letters).toMatchObject([{ seq: 2, failure: { reason: expect.stringContaining('damaged') } }]);
  });

  it('that is not there goes to the dead letters with that reason, alone', async () => {
    const { offered, letters } = await damage(`DELETE FROM events WHERE id % 4 IN (1, 3)`);
    expect(offered).toEqual(['b']);
    expect(letters.map(({ seq }) => seq).toSorted((a, b) => a - b)).toEqual([1, 3]);
    for (const { failure } of letters) expect(failure.reason).toContain('missing');
  });

  it('is found damaged in its dead letter as well', async () => {
    const world = await openWorld();
    await world.orders.consume('audit', OPTIONS, async () => ({ kind: 'dead', failure: FAILURE }) as Verdict);
    await world.orders.publish(anEvent('e'));
    await expect.poll(() => world.orders.deadLetters({ limit: 1 })).toHaveLength(1);
    await world.store.close();
    inDatabase(world.folder, `UPDATE dead SET head = zeroblob(length(head))`);
    const { orders } = await openWorld({}, world.folder);
    const [letter] = await orders.deadLetters({ limit: 1, eventId: 'e' });
    expect(letter?.event.attributes).toEqual(new Map([['id', 'e']]));
    expect(letter?.failure).toEqual(FAILURE);
  });
});

it('a database of a newer format is refused, naming both, and no byte of it changes', async () => {
  const world = await openWorld();
  await world.orders.publish(anEvent());
  await world.store.close();
  inDatabase(world.folder, 'PRAGMA user_version = 7');
  const bytes = () =>
    readdirSync(world.folder).map((name) => [name, readFileSync(join(world.folder, name), 'base64')]);
  const before = bytes();
  await expect(openWorld({}, world.folder)).rejects.toMatchObject({
    code: 'FORMAT_NEWER',
    message: expect.stringMatching(/events\.db has format 7, which is newer than 1/),
  });
  expect(bytes()).toEqual(before);
});

it('a backup of a running log opens as a log with all that was owed', async () => {
  const world = await openWorld();
  await world.orders.consume('audit', OPTIONS, hanging);
  for (let i = 0; i < 20; i += 1) await world.orders.publish(anEvent(`e-${i}`));
  const restored = testFolder('log-restore');
  await world.store.backup(join(restored, 'events.db'));
  const { orders } = await openWorld({}, restored);
  const offered: string[] = [];
  await orders.consume('audit', OPTIONS, settling(offered));
  await expect.poll(() => offered.length).toBe(20);
});

it('journal rows ride on commits, survive a restart, and push out the oldest past their bound', async () => {
  const rows = Array.from({ length: 8 }, (_, i) => Buffer.alloc(100, i));
  let taken = 0;
  const journal = { take: () => rows[taken++] };
  const world = await openWorld({ journal, bounds: { journalBytesMax: 350 } });
  for (let i = 0; i < 7; i += 1) await world.orders.publish(anEvent(`e-${i}`));
  await world.store.close(); // takes the last
  const { store } = await openWorld({}, world.folder);
  const kept = await store.journalRows(0);
  expect(kept.map((row) => row[0])).toEqual([5, 6, 7]);
  expect(await store.journalRows(Date.now() + 1000)).toEqual([]);
});
