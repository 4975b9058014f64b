import { backup, type DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { PlatformError } from '../../base/errors.ts';
import { numberOf } from './database.ts';
import { CHANNEL_SPAN, CHANNELS_MAX, type OpenGroup, type PageRow, type Requests } from './protocol.ts';

type Row = Record<string, unknown>;
type Handlers = {
  [Name in Exclude<keyof Requests, 'commit' | 'close'>]: (input: Requests[Name]['in']) => unknown;
};

/** Everything that the worker answers beside commits. Each is one statement or a small transaction. */
export function queries(db: DatabaseSync): Handlers {
  const page = db.prepare(
    'SELECT id, at_ms, crc, head, body FROM events WHERE id > ? AND id < ? ORDER BY id LIMIT ?',
  );
  const event = db.prepare('SELECT id, at_ms, crc, head, body FROM events WHERE id = ?');
  const stage = db.prepare('SELECT stage FROM owed WHERE grp = ? AND seq = ?');
  const owed = db.prepare(`
    SELECT grp, seq, due_ms, attempts, code, reason, lane FROM owed
    WHERE grp = ? AND (due_ms, seq) > (?, ?) ORDER BY due_ms, seq LIMIT ?`);
  const journal = db.prepare('SELECT rows FROM journal WHERE at_ms >= ? ORDER BY id');
  return {
    openChannel: (input) => openChannel(db, input),
    removeChannel: ({ channel }) => removeChannel(db, channel),
    openGroup: (input) => openGroup(db, input),
    forgetGroup: ({ group }) => {
      db.exec('BEGIN IMMEDIATE');
      db.prepare('DELETE FROM owed WHERE grp = ?').run(group);
      db.prepare('DELETE FROM groups WHERE id = ?').run(group);
      db.exec('COMMIT');
    },
    page: ({ channel, after, eventsMax, bytesMax }) => {
      const base = channel * CHANNEL_SPAN;
      const rows: PageRow[] = [];
      let bytes = 0;
      for (const row of page.iterate(base + after, base + CHANNEL_SPAN, eventsMax)) {
        const found = pageRow(row);
        bytes += found.head.byteLength + found.body.byteLength;
        if (rows.length > 0 && bytes > bytesMax) break;
        rows.push(found);
      }
      return rows;
    },
    event: ({ channel, seq }) => {
      const row = event.get(channel * CHANNEL_SPAN + seq);
      return row === undefined ? undefined : pageRow(row);
    },
    stage: ({ group, seq }) => blobOf(stage.get(group, seq), 'stage'),
    owedAfter: ({ group, dueMs, seq, rowsMax }) =>
      owed.all(group, dueMs, seq, rowsMax).map((row) => ({
        group,
        seq: numberOf(row, 'seq'),
        dueMs: numberOf(row, 'due_ms'),
        attempts: numberOf(row, 'attempts'),
        code: numberOf(row, 'code'),
        reason: String(row['reason']),
        lane: row['lane'] === null ? null : String(row['lane']),
      })),
    dead: (input) => deadLetters(db, input),
    deadTotals: () => {
      const row = db
        .prepare('SELECT count(*) AS n, sum(length(head) + length(body)) AS bytes FROM dead')
        .get();
      return { letters: numberOf(row, 'n'), bytes: numberOf(row, 'bytes') };
    },
    trim: (input) => trim(db, input),
    journal: ({ sinceMs }) => journal.all(sinceMs).map((row) => blobOf(row, 'rows')),
    backup: ({ file }) => backup(db, file).then(() => undefined),
  };
}

function openChannel(
  db: DatabaseSync,
  { key, uid }: Requests['openChannel']['in'],
): Requests['openChannel']['out'] {
  const found = db.prepare('SELECT id, last_seq FROM channels WHERE uid = ?').get(uid);
  if (found !== undefined) return { id: numberOf(found, 'id'), lastSeq: numberOf(found, 'last_seq') };
  const id = numberOf(db.prepare('SELECT coalesce(max(id), 0) + 1 AS id FROM channels').get(), 'id');
  if (id > CHANNELS_MAX) {
    throw new PlatformError('CHANNELS_MAX', `the log has had ${CHANNELS_MAX} channels, and takes no more`, {
      retryable: false,
    });
  }
  db.prepare('INSERT INTO channels VALUES (?, ?, ?, 0)').run(id, key, uid);
  return { id, lastSeq: 0 };
}

/** The row of the channel stays, emptied, as its number must not be given again while pages may still name it. */
function removeChannel(db: DatabaseSync, channel: number): undefined {
  const base = channel * CHANNEL_SPAN;
  db.exec('BEGIN IMMEDIATE');
  db.prepare('DELETE FROM owed WHERE grp IN (SELECT id FROM groups WHERE channel = ?)').run(channel);
  db.prepare('DELETE FROM groups WHERE channel = ?').run(channel);
  db.prepare('DELETE FROM dead WHERE channel = ?').run(channel);
  db.prepare('DELETE FROM events WHERE id > ? AND id < ?').run(base, base + CHANNEL_SPAN);
  db.prepare(`UPDATE channels SET key = '', uid = 'removed-' || id WHERE id = ?`).run(channel);
  db.exec('COMMIT');
}

function openGroup(db: DatabaseSync, { channel, name, start }: Requests['openGroup']['in']): OpenGroup {
  const find = db.prepare('SELECT id, cursor, done FROM groups WHERE channel = ? AND name = ?');
  let row = find.get(channel, name);
  if (row === undefined) {
    const cursor = typeof start === 'number' ? start : startOf(db, channel, start);
    // Ids of forgotten groups are not given again: their dead letters still carry them.
    const id = numberOf(
      db
        .prepare(
          `SELECT 1 + max((SELECT coalesce(max(id), 0) FROM groups), (SELECT coalesce(max(grp), 0) FROM dead)) AS id`,
        )
        .get(),
      'id',
    );
    db.prepare(`INSERT INTO groups VALUES (?, ?, ?, ?, x'')`).run(id, channel, name, cursor);
    row = find.get(channel, name);
  }
  const id = numberOf(row, 'id');
  const cursor = numberOf(row, 'cursor');
  const bytes = Buffer.from(blobOf(row, 'done') ?? []); // a copy, so that it is aligned
  const done = new Uint32Array(new Uint8Array(bytes).buffer);
  return { id, cursor, done, ...backlogOf(db, { channel, group: id, cursor, done }) };
}

function startOf(db: DatabaseSync, channel: number, start: 'earliest' | { sinceMs: number }): number {
  const base = channel * CHANNEL_SPAN;
  const sinceMs = start === 'earliest' ? 0 : start.sinceMs;
  const row = db
    .prepare('SELECT min(id) AS id FROM events WHERE id > ? AND id < ? AND at_ms >= ?')
    .get(base, base + CHANNEL_SPAN, sinceMs);
  const last = db.prepare('SELECT last_seq FROM channels WHERE id = ?').get(channel);
  return row?.['id'] === null ? numberOf(last, 'last_seq') : numberOf(row, 'id') - base - 1;
}

function backlogOf(
  db: DatabaseSync,
  { channel, group, cursor, done }: { channel: number; group: number; cursor: number; done: Uint32Array },
): Pick<OpenGroup, 'events' | 'bytes' | 'owed' | 'dead' | 'oldestMs'> {
  const base = channel * CHANNEL_SPAN;
  const size =
    'coalesce(sum(length(head) + length(body)), 0) AS bytes, min(at_ms) AS oldest, count(*) AS events';
  const fresh = db
    .prepare(`SELECT ${size} FROM events WHERE id > ? AND id < ?`)
    .get(base + cursor, base + CHANNEL_SPAN);
  const owed = db
    .prepare(`SELECT ${size} FROM owed JOIN events ON events.id = ? + owed.seq WHERE grp = ?`)
    .get(base, group);
  const settled = db.prepare('SELECT length(head) + length(body) AS bytes FROM events WHERE id = ?');
  let settledBytes = 0;
  for (const offset of done) settledBytes += numberOf(settled.get(base + cursor + offset), 'bytes');
  const oldest = [fresh, owed].map((row) => row?.['oldest']).filter((at) => typeof at === 'number');
  return {
    events: numberOf(fresh, 'events') - done.length + numberOf(owed, 'events'),
    bytes: numberOf(fresh, 'bytes') - settledBytes + numberOf(owed, 'bytes'),
    owed: numberOf(owed, 'events'),
    dead: numberOf(db.prepare('SELECT count(*) AS n FROM dead WHERE grp = ?').get(group), 'n'),
    oldestMs: oldest.length === 0 ? undefined : Math.min(...oldest),
  };
}

function deadLetters(
  db: DatabaseSync,
  { channel, limit, group, eventId }: Requests['dead']['in'],
): Requests['dead']['out'] {
  const rows = db
    .prepare(
      `SELECT * FROM dead WHERE channel = ? AND (? IS NULL OR group_name = ?) AND (? IS NULL OR event_id = ?)
       ORDER BY id DESC LIMIT ?`,
    )
    .all(channel, group ?? null, group ?? null, eventId ?? null, eventId ?? null, limit);
  return rows.map((row) => ({
    group: numberOf(row, 'grp'),
    channel,
    seq: numberOf(row, 'seq'),
    atMs: numberOf(row, 'at_ms'),
    attempts: numberOf(row, 'attempts'),
    eventId: String(row['event_id']),
    failure: String(row['failure']),
    groupName: String(row['group_name']),
    head: blobOf(row, 'head') ?? new Uint8Array(),
    body: blobOf(row, 'body') ?? new Uint8Array(),
  }));
}

/** Removes settled events of a channel, the oldest first; never one that a group still owes (L3). */
function trim(db: DatabaseSync, input: Requests['trim']['in']): number {
  const { channel, upTo, beforeMs, surplusUpTo, rowsMax } = input;
  const base = channel * CHANNEL_SPAN;
  const { changes } = db
    .prepare(
      `DELETE FROM events WHERE id IN (
         SELECT id FROM events WHERE id > ? AND id <= ? AND (at_ms < ? OR id <= ?)
           AND NOT EXISTS (SELECT 1 FROM owed JOIN groups ON groups.id = owed.grp
             WHERE groups.channel = ? AND owed.seq = events.id - ?)
         ORDER BY id LIMIT ?)`,
    )
    .run(base, base + upTo, beforeMs, base + surplusUpTo, channel, base, rowsMax);
  return Number(changes);
}

function pageRow(row: Row): PageRow {
  const head = blobOf(row, 'head') ?? new Uint8Array();
  const body = blobOf(row, 'body') ?? new Uint8Array();
  return {
    seq: numberOf(row, 'id') % CHANNEL_SPAN,
    atMs: numberOf(row, 'at_ms'),
    head,
    body,
    isDamaged: crc32(body, crc32(head)) !== numberOf(row, 'crc'),
  };
}

function blobOf(row: Row | undefined, column: string): Uint8Array | undefined {
  const value = row?.[column];
  return value instanceof Uint8Array ? value : undefined;
}
