import type { DatabaseSync } from 'node:sqlite';
import { addToMeta, numberOf, transact } from './database.ts';
import { CHANNEL_SPAN, type Requests, type Trimmed } from './protocol.ts';

type Limits = Requests['trim']['in'];

const NO_LETTERS = { letters: 0, letterBytes: 0 };

/**
 * Removes rows that nobody needs: those of what was deleted, then events that every group has settled (L3) and that
 * are older than `beforeMs`, or more than `keepBytes` over all channels. Each call passes no more than `rowsMax` rows,
 * so that no commit waits long for it; it says whether there may be more to do. What is to stay is not looked through: of
 * a channel that has nothing to give, one row is read.
 */
export function trimmer(db: DatabaseSync): (limits: Limits) => Trimmed {
  const sql = {
    doomed: db.prepare('SELECT kind, id FROM doomed LIMIT 1'),
    spared: db.prepare('DELETE FROM doomed WHERE kind = ? AND id = ?'),
    channels: db.prepare(`
      SELECT id, total, coalesce((SELECT min(cursor) FROM groups WHERE channel = channels.id), last_seq) AS up_to,
        (SELECT total - length(head) - length(body) FROM events
          WHERE events.id > channels.id * ${CHANNEL_SPAN} AND events.id <= channels.id * ${CHANNEL_SPAN} + last_seq
          ORDER BY events.id LIMIT 1) AS gone
      FROM channels WHERE key != ''`),
    rows: db.prepare('SELECT id, at_ms, total FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?'),
    hasOwed: db.prepare('SELECT 1 FROM owed JOIN groups ON groups.id = grp WHERE channel = ? LIMIT 1'),
    isOwed: db.prepare(
      'SELECT 1 FROM groups JOIN owed ON owed.grp = groups.id AND owed.seq = ? WHERE channel = ? LIMIT 1',
    ),
    remove: db.prepare('DELETE FROM events WHERE id = ?'),
  };
  /** Where the last call stopped in each channel: what lies before is kept because a group still owes it. */
  const seen = new Map<number, number>();

  /** Returns how many rows it passed before it came to one that stays. */
  const trimChannel = (channel: Candidate, beforeMs: number, rowsMax: number): number => {
    const base = channel.id * CHANNEL_SPAN;
    const [after, upTo] = [base + (seen.get(channel.id) ?? 0), base + channel.settledUpTo];
    seen.delete(channel.id); // unless it goes on, the next call begins anew
    const isSurplus = (row: Record<string, unknown>): boolean =>
      numberOf(row, 'at_ms') < beforeMs || numberOf(row, 'total') <= channel.surplus;
    const first = sql.rows.get(after, upTo, 1);
    if (first === undefined || !isSurplus(first)) return 0;
    const mayBeOwed = sql.hasOwed.get(channel.id) !== undefined;
    const rows = sql.rows.all(after, upTo, rowsMax);
    for (const [passed, row] of rows.entries()) {
      if (!isSurplus(row)) return passed;
      const id = numberOf(row, 'id');
      if (!mayBeOwed || sql.isOwed.get(id - base, channel.id) === undefined) sql.remove.run(id);
    }
    if (rows.length === rowsMax) seen.set(channel.id, numberOf(rows.at(-1), 'id') - base);
    return rows.length;
  };

  return (limits) => {
    const doomed = sql.doomed.get();
    if (doomed !== undefined) {
      const [kind, id] = [String(doomed['kind']), numberOf(doomed, 'id')];
      return transact(db, () => {
        const { rows, letterBytes } = removeDoomed(db, kind, id, limits.rowsMax);
        if (rows < limits.rowsMax) sql.spared.run(kind, id);
        return { isMore: true, letters: kind === 'dead' ? rows : 0, letterBytes };
      });
    }
    const candidates = shares(sql.channels.all(), limits.keepBytes);
    if (candidates.length === 0) return { ...NO_LETTERS, isMore: false };
    return transact(db, () => {
      let left = limits.rowsMax;
      for (const candidate of candidates) {
        if (left > 0) left -= trimChannel(candidate, limits.beforeMs, left);
      }
      return { ...NO_LETTERS, isMore: left === 0 };
    });
  };
}

type Candidate = { readonly id: number; readonly settledUpTo: number; readonly surplus: number };

/** What is kept in all is bounded: when it is more, every channel gives up the same part of what it has. */
function shares(rows: readonly Record<string, unknown>[], keepBytes: number): Candidate[] {
  const kept = rows.filter((row) => row['gone'] !== null);
  const sum = kept.reduce((all, row) => all + numberOf(row, 'total') - numberOf(row, 'gone'), 0);
  const part = Math.min(1, keepBytes / Math.max(1, sum));
  return kept.map((row) => {
    const [total, gone] = [numberOf(row, 'total'), numberOf(row, 'gone')];
    const surplus = total - (total - gone) * part;
    return { id: numberOf(row, 'id'), settledUpTo: numberOf(row, 'up_to'), surplus };
  });
}

function removeDoomed(
  db: DatabaseSync,
  kind: string,
  id: number,
  rowsMax: number,
): { readonly rows: number; readonly letterBytes: number } {
  const base = id * CHANNEL_SPAN;
  switch (kind) {
    case 'owed': {
      const some = 'SELECT seq FROM owed WHERE grp = ? LIMIT ?';
      const remove = db.prepare(`DELETE FROM owed WHERE grp = ? AND seq IN (${some})`);
      return { rows: Number(remove.run(id, id, rowsMax).changes), letterBytes: 0 };
    }
    case 'events': {
      const some = 'SELECT id FROM events WHERE id > ? AND id < ? ORDER BY id LIMIT ?';
      const remove = db.prepare(`DELETE FROM events WHERE id IN (${some})`);
      return { rows: Number(remove.run(base, base + CHANNEL_SPAN, rowsMax).changes), letterBytes: 0 };
    }
    case 'dead': {
      const rows = db.prepare('SELECT id, bytes FROM dead WHERE channel = ? LIMIT ?').all(id, rowsMax);
      const remove = db.prepare('DELETE FROM dead WHERE id = ?');
      for (const row of rows) remove.run(numberOf(row, 'id'));
      const letterBytes = rows.reduce((sum, row) => sum + numberOf(row, 'bytes'), 0);
      addToMeta(db, 'dead_letters', -rows.length);
      addToMeta(db, 'dead_bytes', -letterBytes);
      return { rows: rows.length, letterBytes };
    }
    default:
      throw new Error(`rows of kind ${kind} are not known`); // written by membership.ts only
  }
}
