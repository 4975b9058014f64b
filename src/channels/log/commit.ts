import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { addToMeta, metaOf, numberOf, transact, type OpenDatabase } from './database.ts';
import { CHANNEL_SPAN, type Batch, type DeadRow, type PackedEvents } from './protocol.ts';

/** Prepares what every commit needs; returns how to commit one batch, in one transaction, synced when it returns. */
export function committer({ db, mark }: OpenDatabase, journalBytesMax: number): (batch: Batch) => void {
  const sql = statements(db);
  const journal = journalKeeper(db, journalBytesMax);
  let accepted = metaOf(db, 'accepted');
  return (batch) => {
    const journaled = transact(db, () => {
      if (batch.events !== undefined) insertEvents(sql, batch.events, accepted);
      for (const { group, cursor, done, settledBytes } of batch.groups)
        sql.moveGroup.run(cursor, bytesOf(done), settledBytes, group);
      for (const row of batch.owed) {
        sql.owe.run(row.group, row.seq, row.dueMs, row.attempts, row.code, row.reason, row.lane, row.stage);
      }
      for (const { group, seq } of batch.paid) sql.pay.run(group, seq);
      if (batch.dead.length > 0) bury(db, sql.bury, batch.dead);
      return batch.journal === undefined ? 0 : journal.insert(batch.journal);
    });
    journal.committed(journaled);
    if (batch.events !== undefined) mark((accepted += batch.events.count));
  };
}

function insertEvents(sql: Statements, events: PackedEvents, accepted: number): void {
  const { rows, atMs, totals, headLengths, bodyLengths, bytes } = events;
  const last = new Map<number, number>();
  let at = 0;
  for (let i = 0; i < events.count; i += 1) {
    const id = rows[i] ?? 0;
    const bodyAt = at + (headLengths[i] ?? 0);
    const end = bodyAt + (bodyLengths[i] ?? 0);
    const crc = crc32(bytes.subarray(at, end));
    sql.insert.run(
      id,
      atMs[i] ?? 0,
      crc,
      totals[i] ?? 0,
      bytes.subarray(at, bodyAt),
      bytes.subarray(bodyAt, end),
    );
    last.set(Math.floor(id / CHANNEL_SPAN), i);
    at = end;
  }
  for (const [channel, i] of last) sql.advance.run((rows[i] ?? 0) % CHANNEL_SPAN, totals[i] ?? 0, channel);
  sql.accepted.run(accepted + events.count);
}

/** A letter holds its own copy of the event, so that retention may take the original. */
function bury(db: DatabaseSync, insert: StatementSync, letters: readonly DeadRow[]): void {
  for (const { channel, group, seq, atMs, attempts, eventId, bytes, failure } of letters) {
    const id = channel * CHANNEL_SPAN + seq;
    insert.run(channel, group, seq, atMs, attempts, eventId, bytes, failure, id);
  }
  addToMeta(db, 'dead_letters', letters.length);
  addToMeta(
    db,
    'dead_bytes',
    letters.reduce((sum, { bytes }) => sum + bytes, 0),
  );
}

type Statements = Readonly<
  Record<'insert' | 'advance' | 'accepted' | 'moveGroup' | 'owe' | 'pay' | 'bury', StatementSync>
>;

function statements(db: DatabaseSync): Statements {
  return {
    insert: db.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)'),
    // A channel's sequence outlives its events, so that none is given twice.
    advance: db.prepare('UPDATE channels SET last_seq = ?, total = ? WHERE id = ?'),
    accepted: db.prepare(`UPDATE meta SET value = ? WHERE name = 'accepted'`),
    moveGroup: db.prepare('UPDATE groups SET cursor = ?, done = ?, settled_bytes = ? WHERE id = ?'),
    owe: db.prepare('INSERT OR REPLACE INTO owed VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
    pay: db.prepare('DELETE FROM owed WHERE grp = ? AND seq = ?'),
    // A letter is written even when its event is not there any more: that is what it then tells.
    bury: db.prepare(`
      INSERT INTO dead (channel, group_name, seq, at_ms, attempts, event_id, bytes, failure, crc, head, body)
      SELECT ?, (SELECT name FROM groups WHERE id = ?), ?, ?, ?, ?, ?, ?,
        coalesce(crc, 0), coalesce(head, x''), coalesce(body, x'')
      FROM (SELECT 1) LEFT JOIN events ON events.id = ?`),
  };
}

/** How many old rows make room at one commit, so that none takes long. */
const JOURNAL_ROWS_OUT = 32;

/** The journal is a ring: what makes it larger than its bound pushes out the oldest rows, a few at each commit. */
function journalKeeper(db: DatabaseSync, bytesMax: number) {
  const insert = db.prepare('INSERT INTO journal (at_ms, rows) VALUES (?, ?)');
  const oldest = db.prepare('SELECT id, length(rows) AS bytes FROM journal ORDER BY id LIMIT ?');
  const remove = db.prepare('DELETE FROM journal WHERE id = ?');
  let held = numberOf(db.prepare('SELECT sum(length(rows)) AS bytes FROM journal').get(), 'bytes');
  return {
    /** Returns by how much the journal has grown, once this is committed. */
    insert({ rows, atMs }: NonNullable<Batch['journal']>): number {
      insert.run(atMs, rows);
      let grown = rows.byteLength;
      if (held + grown <= bytesMax) return grown;
      for (const row of oldest.all(JOURNAL_ROWS_OUT)) {
        if (held + grown <= bytesMax) break;
        remove.run(numberOf(row, 'id'));
        grown -= numberOf(row, 'bytes');
      }
      return grown;
    },
    committed(grown: number): void {
      held += grown;
    },
  };
}

function bytesOf(numbers: Uint32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}
