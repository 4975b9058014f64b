import type { DatabaseSync } from 'node:sqlite';
import { PlatformError } from '../../base/errors.ts';
import { addToMeta, blobOf, metaOf, numberOf, transact, type Row } from './database.ts';
import { CHANNEL_SPAN, CHANNELS_MAX, type OpenedChannel, type OpenGroup, type Requests } from './protocol.ts';

type Input<Name extends keyof Requests> = Requests[Name]['in'];

/** Which channels and groups there are. Each function is one transaction; what they hold is removed later, in parts. */

export function openChannel(db: DatabaseSync, { key, uid }: Input<'openChannel'>): OpenedChannel {
  const channel = transact(db, () => findChannel(db, uid) ?? createChannel(db, key, uid));
  const groups = db.prepare('SELECT * FROM groups WHERE channel = ?').all(channel.id);
  return { ...channel, groups: groups.map((row) => openedGroup(db, channel, row)) };
}

export function hasChannel(db: DatabaseSync, { uid }: Input<'hasChannel'>): boolean {
  return findChannel(db, uid) !== undefined;
}

/** The row stays, emptied of its name: its number, which event rows carry, must not be given again. */
export function removeChannel(db: DatabaseSync, { channel }: Input<'removeChannel'>): undefined {
  transact(db, () => {
    for (const row of db.prepare('SELECT id FROM groups WHERE channel = ?').all(channel))
      doom(db, 'owed', numberOf(row, 'id'));
    db.prepare('DELETE FROM groups WHERE channel = ?').run(channel);
    db.prepare(`UPDATE channels SET key = '', uid = 'removed ' || id WHERE id = ?`).run(channel);
    doom(db, 'events', channel);
    doom(db, 'dead', channel);
  });
}

/** A group that is not known begins where `start` says, counted from what is committed now. */
export function openGroup(db: DatabaseSync, { channel: id, name, start }: Input<'openGroup'>): OpenGroup {
  const channel = channelOf(db.prepare('SELECT * FROM channels WHERE id = ?').get(id));
  const find = db.prepare('SELECT * FROM groups WHERE channel = ? AND name = ?');
  const row = transact(db, () => {
    const known = find.get(id, name);
    if (known !== undefined) return known;
    const { cursor, settledBytes } = startOf(db, channel, start);
    const group = addToMeta(db, 'last_group', 1);
    db.prepare(`INSERT INTO groups VALUES (?, ?, ?, ?, x'', ?)`).run(group, id, name, cursor, settledBytes);
    return find.get(id, name);
  });
  return openedGroup(db, channel, row);
}

export function forgetGroup(db: DatabaseSync, { group }: Input<'forgetGroup'>): undefined {
  transact(db, () => {
    db.prepare('DELETE FROM groups WHERE id = ?').run(group);
    doom(db, 'owed', group);
  });
}

/** Rows that nobody can reach any more; trim() removes them, some at a time. */
function doom(db: DatabaseSync, kind: 'owed' | 'events' | 'dead', id: number): void {
  db.prepare('INSERT OR IGNORE INTO doomed VALUES (?, ?)').run(kind, id);
}

type Channel = { readonly id: number; readonly lastSeq: number; readonly totalBytes: number };

function channelOf(row: Row | undefined): Channel {
  return { id: numberOf(row, 'id'), lastSeq: numberOf(row, 'last_seq'), totalBytes: numberOf(row, 'total') };
}

function findChannel(db: DatabaseSync, uid: string): Channel | undefined {
  const row = db.prepare('SELECT * FROM channels WHERE uid = ?').get(uid);
  return row && channelOf(row);
}

function createChannel(db: DatabaseSync, key: string, uid: string): Channel {
  if (metaOf(db, 'last_channel') >= CHANNELS_MAX) {
    const message = `the log has had ${CHANNELS_MAX} channels, and takes no more`;
    throw new PlatformError('CHANNELS_MAX', message, { retryable: false });
  }
  const id = addToMeta(db, 'last_channel', 1);
  db.prepare('INSERT INTO channels VALUES (?, ?, ?, 0, 0)').run(id, key, uid);
  return { id, lastSeq: 0, totalBytes: 0 };
}

function startOf(
  db: DatabaseSync,
  { id, lastSeq, totalBytes }: Channel,
  start: Input<'openGroup'>['start'],
): { readonly cursor: number; readonly settledBytes: number } {
  const latest = { cursor: lastSeq, settledBytes: totalBytes };
  if (start === 'latest') return latest;
  const base = id * CHANNEL_SPAN;
  const oldest = db.prepare('SELECT id FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT 1');
  const kept = oldest.get(base, base + lastSeq);
  if (kept === undefined) return latest;
  const range = { first: numberOf(kept, 'id') - base, last: lastSeq };
  const first = start === 'earliest' ? range.first : firstSince(db, base, range, start.sinceMs);
  const before = db.prepare('SELECT total - length(head) - length(body) AS bytes FROM events WHERE id = ?');
  const row = before.get(base + first);
  return row === undefined ? latest : { cursor: first - 1, settledBytes: numberOf(row, 'bytes') };
}

/** By bisection, as rows are in the order of time; `last + 1` when all are older. */
function firstSince(
  db: DatabaseSync,
  base: number,
  { first, last }: { readonly first: number; readonly last: number },
  sinceMs: number,
): number {
  const next = db.prepare('SELECT id, at_ms FROM events WHERE id >= ? AND id <= ? ORDER BY id LIMIT 1');
  let [low, high] = [first, last + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const row = next.get(base + middle, base + last); // the row itself may have been removed
    if (row !== undefined && numberOf(row, 'at_ms') < sinceMs) low = numberOf(row, 'id') - base + 1;
    else high = middle;
  }
  const row = next.get(base + low, base + last);
  return row === undefined ? last + 1 : numberOf(row, 'id') - base;
}

function openedGroup(db: DatabaseSync, channel: Channel, row: Row | undefined): OpenGroup {
  const [id, name, cursor] = [numberOf(row, 'id'), String(row?.['name']), numberOf(row, 'cursor')];
  const bytes = blobOf(row, 'done') ?? new Uint8Array();
  const done = new Uint32Array(bytes.slice().buffer); // a copy, so that it is aligned
  const owed = countOf(db, 'SELECT count(*) AS n FROM owed WHERE grp = ?', id);
  const letters = 'SELECT count(*) AS n FROM dead WHERE channel = ? AND group_name = ?';
  return {
    id,
    name,
    cursor,
    done,
    events: channel.lastSeq - cursor - done.length + owed,
    bytes: channel.totalBytes - numberOf(row, 'settled_bytes'),
    owed,
    dead: countOf(db, letters, channel.id, name),
  };
}

function countOf(db: DatabaseSync, sql: string, ...values: readonly (number | string)[]): number {
  return numberOf(db.prepare(sql).get(...values), 'n');
}
