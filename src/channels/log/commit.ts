import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { CHANNEL_SPAN, type Batch, type PackedEvents } from './protocol.ts';
import { acceptedIn, type OpenDatabase } from './database.ts';

const EMPTY = new Uint8Array();

/** Prepares what every commit needs; returns how to commit one batch, in one transaction, synced when it returns. */
export function committer({ db, mark }: OpenDatabase, journalBytesMax: number): (batch: Batch) => void {
  const sql = statements(db);
  const journal = journalKeeper(db, journalBytesMax);
  let accepted = acceptedIn(db);
  return (batch) => {
    let journaled = EMPTY.length;
    db.exec('BEGIN IMMEDIATE');
    try {
      if (batch.events !== undefined) insertEvents(sql, batch.events, accepted);
      for (const { group, cursor, done } of batch.groups) sql.moveGroup.run(cursor, bytesOf(done), group);
      for (const row of batch.owed) {
        sql.owe.run(row.group, row.seq, row.dueMs, row.attempts, row.code, row.reason, row.lane, row.stage);
      }
      for (const { group, seq } of batch.paid) sql.pay.run(group, seq);
      for (const row of batch.dead) {
        const id = row.channel * CHANNEL_SPAN + row.seq;
        sql.bury.run(
          row.channel,
          row.group,
          row.group,
          row.seq,
          row.atMs,
          row.attempts,
          row.eventId,
          row.failure,
          id,
        );
      }
      if (batch.journal !== undefined) journaled = journal.insert(batch.journal);
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
    journal.committed(journaled);
    if (batch.events !== undefined) mark((accepted += batch.events.count));
  };
}

function insertEvents(sql: Statements, events: PackedEvents, accepted: number): void {
  const { rows, headLengths, bodyLengths, bytes } = events;
  const last = new Map<number, number>();
  let at = 0;
  for (let i = 0; i < events.count; i += 1) {
    const id = rows[i] ?? 0;
    const bodyAt = at + (headLengths[i] ?? 0);
    const end = bodyAt + (bodyLengths[i] ?? 0);
    sql.insert.run(
      id,
      events.atMs,
      crc32(bytes.subarray(at, end)),
      bytes.subarray(at, bodyAt),
      bytes.subarray(bodyAt, end),
    );
    last.set(Math.floor(id / CHANNEL_SPAN), id % CHANNEL_SPAN);
    at = end;
  }
  for (const [channel, seq] of last) sql.lastSeq.run(seq, channel);
  sql.accepted.run(accepted + events.count);
}

type Statements = Readonly<
  Record<'insert' | 'lastSeq' | 'accepted' | 'moveGroup' | 'owe' | 'pay' | 'bury', StatementSync>
>;

function statements(db: DatabaseSync): Statements {
  return {
    insert: db.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?)'),
    // A channel's sequence outlives its events, so that none is given twice.
    lastSeq: db.prepare('UPDATE channels SET last_seq = ? WHERE id = ?'),
    accepted: db.prepare(`UPDATE meta SET value = ? WHERE name = 'accepted'`),
    moveGroup: db.prepare('UPDATE groups SET cursor = ?, done = ? WHERE id = ?'),
    owe: db.prepare('INSERT OR REPLACE INTO owed VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
    pay: db.prepare('DELETE FROM owed WHERE grp = ? AND seq = ?'),
    bury: db.prepare(`
      INSERT INTO dead (channel, grp, group_name, seq, at_ms, attempts, event_id, failure, head, body)
      SELECT ?, ?, (SELECT name FROM groups WHERE id = ?), ?, ?, ?, ?, ?, head, body FROM events WHERE id = ?`),
  };
}

/** The journal is a ring: what makes it larger than its bound pushes out the oldest rows, a few at each commit. */
function journalKeeper(db: DatabaseSync, bytesMax: number) {
  const insert = db.prepare('INSERT INTO journal (at_ms, rows) VALUES (?, ?)');
  const oldest = db.prepare('SELECT id, length(rows) AS bytes FROM journal ORDER BY id LIMIT 4');
  const remove = db.prepare('DELETE FROM journal WHERE id = ?');
  const total = db.prepare('SELECT coalesce(sum(length(rows)), 0) AS bytes FROM journal').get();
  let held = Number(total?.['bytes']);
  return {
    /** Returns by how much the journal has grown, once this is committed. */
    insert(rows: Uint8Array): number {
      insert.run(Date.now(), rows);
      let grown = rows.byteLength;
      if (held + grown <= bytesMax) return grown;
      for (const row of oldest.all()) {
        remove.run(Number(row['id']));
        grown -= Number(row['bytes']);
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
