import { backup, type DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { blobOf, metaOf, numberOf, type Row } from './database.ts';
import { forgetGroup, hasChannel, openChannel, openGroup, removeChannel } from './membership.ts';
import { CHANNEL_SPAN, type DeadPageRow, type PageRow, type Requests } from './protocol.ts';
import { trimmer } from './retention.ts';

type Answers = {
  [Name in Exclude<keyof Requests, 'commit' | 'close'>]: (
    input: Requests[Name]['in'],
  ) => Requests[Name]['out'] | Promise<Requests[Name]['out']>;
};

/** Everything that the worker answers beside commits. */
export function queries(db: DatabaseSync): Answers {
  const page = db.prepare(
    'SELECT id, crc, head, body FROM events WHERE id > ? AND id < ? ORDER BY id LIMIT ?',
  );
  const event = db.prepare('SELECT id, crc, head, body FROM events WHERE id = ?');
  const stage = db.prepare('SELECT stage FROM owed WHERE grp = ? AND seq = ?');
  const owed = db.prepare(`
    SELECT grp, seq, due_ms, attempts, code, reason, lane FROM owed
    WHERE grp = ? AND (due_ms, seq) > (?, ?) ORDER BY due_ms, seq LIMIT ?`);
  const firstOwed = db.prepare('SELECT min(seq) AS seq FROM owed WHERE grp = ?');
  const acceptedAt = db.prepare('SELECT at_ms FROM events WHERE id = ?');
  const journal = db.prepare('SELECT rows FROM journal WHERE at_ms >= ? ORDER BY id');
  return {
    openChannel: (input) => openChannel(db, input),
    hasChannel: (input) => hasChannel(db, input),
    removeChannel: (input) => removeChannel(db, input),
    openGroup: (input) => openGroup(db, input),
    forgetGroup: (input) => forgetGroup(db, input),
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
      return row && pageRow(row);
    },
    stage: ({ group, seq }) => blobOf(stage.get(group, seq), 'stage'),
    owedAfter: ({ group, after, rowsMax }) =>
      owed.all(group, after.dueMs, after.seq, rowsMax).map((row) => ({
        group,
        seq: numberOf(row, 'seq'),
        dueMs: numberOf(row, 'due_ms'),
        attempts: numberOf(row, 'attempts'),
        code: numberOf(row, 'code'),
        reason: String(row['reason']),
        lane: row['lane'] === null ? null : String(row['lane']),
      })),
    oldest: ({ channel, group, seqs }) => {
      const owedSeq = firstOwed.get(group)?.['seq'];
      const all = typeof owedSeq === 'number' ? [...seqs, owedSeq] : seqs;
      const row = acceptedAt.get(channel * CHANNEL_SPAN + Math.min(...all));
      return row && numberOf(row, 'at_ms');
    },
    dead: (input) => deadLetters(db, input),
    deadTotals: () => ({ letters: metaOf(db, 'dead_letters'), bytes: metaOf(db, 'dead_bytes') }),
    trim: trimmer(db),
    journal: ({ sinceMs }) => journal.all(sinceMs).map((row) => blobOf(row, 'rows') ?? new Uint8Array()),
    backup: ({ file }) => backup(db, file).then(() => undefined),
  };
}

function deadLetters(
  db: DatabaseSync,
  { channel, limit, group, eventId }: Requests['dead']['in'],
): readonly DeadPageRow[] {
  const filters = ['channel = ?'];
  const values: (string | number)[] = [channel];
  const filter = (column: string, value: string | undefined): void => {
    if (value === undefined) return;
    filters.push(`${column} = ?`);
    values.push(value);
  };
  filter('group_name', group);
  filter('event_id', eventId);
  const rows = db.prepare(`SELECT * FROM dead WHERE ${filters.join(' AND ')} ORDER BY id DESC LIMIT ?`);
  return rows.all(...values, limit).map((row) => ({
    ...bytesOf(row),
    group: String(row['group_name']),
    channel,
    seq: numberOf(row, 'seq'),
    atMs: numberOf(row, 'at_ms'),
    attempts: numberOf(row, 'attempts'),
    eventId: String(row['event_id']),
    failure: String(row['failure']),
  }));
}

function pageRow(row: Row): PageRow {
  return { seq: numberOf(row, 'id') % CHANNEL_SPAN, ...bytesOf(row) };
}

function bytesOf(row: Row): Omit<PageRow, 'seq'> {
  const head = blobOf(row, 'head') ?? new Uint8Array();
  const body = blobOf(row, 'body') ?? new Uint8Array();
  return { head, body, isDamaged: crc32(body, crc32(head)) !== numberOf(row, 'crc') };
}
