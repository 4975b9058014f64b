import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { PlatformError } from '../../base/errors.ts';

/** The format of events.db; also its `user_version`. */
export const FORMAT = 1;

const SCHEMA = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('accepted', 0);
  CREATE TABLE channels (id INTEGER PRIMARY KEY, key TEXT NOT NULL, uid TEXT NOT NULL UNIQUE, last_seq INTEGER NOT NULL);
  CREATE TABLE events (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, crc INTEGER NOT NULL, head BLOB NOT NULL, body BLOB NOT NULL);
  CREATE TABLE groups (id INTEGER PRIMARY KEY, channel INTEGER NOT NULL, name TEXT NOT NULL, cursor INTEGER NOT NULL,
    done BLOB NOT NULL, UNIQUE (channel, name));
  CREATE TABLE owed (grp INTEGER NOT NULL, seq INTEGER NOT NULL, due_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,
    code INTEGER NOT NULL, reason TEXT NOT NULL, lane TEXT, stage BLOB, PRIMARY KEY (grp, seq)) WITHOUT ROWID;
  CREATE INDEX owed_due ON owed (grp, due_ms, seq);
  CREATE TABLE dead (id INTEGER PRIMARY KEY, channel INTEGER NOT NULL, grp INTEGER NOT NULL, group_name TEXT NOT NULL,
    seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, event_id TEXT NOT NULL, failure TEXT NOT NULL,
    head BLOB NOT NULL, body BLOB NOT NULL);
  CREATE INDEX dead_channel ON dead (channel, grp, id);
  CREATE TABLE journal (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, rows BLOB NOT NULL);
`;

export type OpenDatabase = {
  readonly db: DatabaseSync;
  /** Notes, unsynced, how many events have been accepted in all: the next open compares (L4). */
  readonly mark: (accepted: number) => void;
  readonly close: () => void;
};

/**
 * Opens events.db, or makes it. Refuses a newer format without touching it (FORMAT_NEWER), and a database that holds
 * fewer events than were acknowledged (LOG_LOSS) unless `acceptLoss`.
 */
export function openDatabase(file: string, acceptLoss: boolean, walPages: number): OpenDatabase {
  if (existsSync(file)) refuseNewer(file);
  const db = new DatabaseSync(file);
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000',
  );
  db.exec(`PRAGMA wal_autocheckpoint = ${walPages}`);
  if (formatOf(db) === 0) db.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${FORMAT}; COMMIT`);
  const markFile = file.replace(/\.db$/, '') + '.mark';
  const missing = readMark(markFile) - acceptedIn(db);
  if (missing > 0 && !acceptLoss) {
    db.close();
    throw new PlatformError('LOG_LOSS', `${file} misses ${missing} events that had been acknowledged`, {
      retryable: false,
    });
  }
  const handle = openSync(markFile, 'w');
  const number = new Float64Array(1);
  const bytes = new Uint8Array(number.buffer);
  const mark = (accepted: number): void => {
    number[0] = accepted;
    writeSync(handle, bytes, 0, bytes.length, 0);
  };
  mark(acceptedIn(db));
  return {
    db,
    mark,
    close: () => {
      db.close();
      closeSync(handle);
    },
  };
}

export function acceptedIn(db: DatabaseSync): number {
  return numberOf(db.prepare(`SELECT value FROM meta WHERE name = 'accepted'`).get(), 'value');
}

/** A column that the schema makes a number. */
export function numberOf(row: Record<string, unknown> | undefined, column: string): number {
  return Number(row?.[column] ?? 0);
}

function formatOf(db: DatabaseSync): number {
  return numberOf(db.prepare('PRAGMA user_version').get(), 'user_version');
}

function refuseNewer(file: string): void {
  const db = new DatabaseSync(file, { readOnly: true });
  const format = formatOf(db);
  db.close();
  if (format <= FORMAT) return;
  const message = `${file} has format ${format}, which is newer than ${FORMAT}, the newest that this version knows`;
  throw new PlatformError('FORMAT_NEWER', message, { retryable: false });
}

function readMark(file: string): number {
  if (!existsSync(file)) return 0;
  const bytes = readFileSync(file);
  return bytes.length < 8 ? 0 : bytes.readDoubleLE(0);
}
