import { closeSync, existsSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { PlatformError } from '../../base/errors.ts';

/** The format of events.db; also its `user_version`. */
export const FORMAT = 1;
/** Where a SQLite file has its `user_version`, big-endian (sqlite.org/fileformat, 1.3). */
const USER_VERSION_AT = 60;

/**
 * In bytes, of a database that is made now; one that is there keeps its own. Measured: a commit of webhooks takes a quarter less
 * CPU time than with SQLite's 4096, and one of a single small event no more.
 */
const PAGE_SIZE = 16_384;

const SCHEMA = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('accepted', 0), ('last_channel', 0), ('last_group', 0), ('dead_letters', 0), ('dead_bytes', 0);
  CREATE TABLE channels (id INTEGER PRIMARY KEY, key TEXT NOT NULL, uid TEXT NOT NULL UNIQUE, last_seq INTEGER NOT NULL,
    total INTEGER NOT NULL);
  CREATE TABLE events (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, crc INTEGER NOT NULL, total INTEGER NOT NULL,
    head BLOB NOT NULL, body BLOB NOT NULL);
  CREATE TABLE groups (id INTEGER PRIMARY KEY, channel INTEGER NOT NULL, name TEXT NOT NULL, cursor INTEGER NOT NULL,
    done BLOB NOT NULL, settled_bytes INTEGER NOT NULL, UNIQUE (channel, name));
  CREATE TABLE owed (grp INTEGER NOT NULL, seq INTEGER NOT NULL, due_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,
    code INTEGER NOT NULL, reason TEXT NOT NULL, lane TEXT, stage BLOB, PRIMARY KEY (grp, seq)) WITHOUT ROWID;
  CREATE INDEX owed_due ON owed (grp, due_ms, seq);
  CREATE TABLE dead (id INTEGER PRIMARY KEY, channel INTEGER NOT NULL, group_name TEXT NOT NULL, seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, event_id TEXT NOT NULL, bytes INTEGER NOT NULL,
    failure TEXT NOT NULL, crc INTEGER NOT NULL, head BLOB NOT NULL, body BLOB NOT NULL);
  CREATE INDEX dead_channel ON dead (channel);
  CREATE INDEX dead_group ON dead (channel, group_name);
  CREATE INDEX dead_event ON dead (channel, event_id);
  CREATE TABLE doomed (kind TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
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
export function openDatabase(file: string, acceptLoss: boolean): OpenDatabase {
  refuseNewer(file);
  const db = new DatabaseSync(file);
  // The worker makes checkpoints itself: SQLite would swallow the errors of its own, and a sync that failed is final.
  db.exec(`PRAGMA page_size = ${PAGE_SIZE}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
    PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000`);
  if (formatOf(db) === 0) db.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${FORMAT}; COMMIT`);
  const markFile = `${file.replace(/\.db$/, '')}.mark`;
  const missing = readMark(markFile) - metaOf(db, 'accepted');
  if (missing > 0 && !acceptLoss) {
    db.close();
    const message = `${file} misses ${missing} events that had been acknowledged; --accept-loss opens it without them`;
    throw new PlatformError('LOG_LOSS', message, { retryable: false });
  }
  const handle = openSync(markFile, existsSync(markFile) ? 'r+' : 'w');
  const number = new Float64Array(1);
  const bytes = new Uint8Array(number.buffer);
  const mark = (accepted: number): void => {
    number[0] = accepted;
    writeSync(handle, bytes, 0, bytes.length, 0);
  };
  mark(metaOf(db, 'accepted'));
  const close = (): void => {
    db.close();
    closeSync(handle);
  };
  return { db, mark, close };
}

/** Runs `work` in a transaction of its own; what it throws undoes it. */
export function transact<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

export type Row = Record<string, unknown>;

export function metaOf(db: DatabaseSync, name: string): number {
  return numberOf(db.prepare('SELECT value FROM meta WHERE name = ?').get(name), 'value');
}

/** Adds to a number of `meta` and returns it. */
export function addToMeta(db: DatabaseSync, name: string, more: number): number {
  const row = db.prepare('UPDATE meta SET value = value + ? WHERE name = ? RETURNING value').get(more, name);
  return numberOf(row, 'value');
}

/** A column that the schema makes a number; 0 when there is no row, or NULL. */
export function numberOf(row: Row | undefined, column: string): number {
  return Number(row?.[column] ?? 0);
}

/** A column that the schema makes a blob. */
export function blobOf(row: Row | undefined, column: string): Uint8Array<ArrayBuffer> | undefined {
  const value = row?.[column];
  return value instanceof Uint8Array ? (value as Uint8Array<ArrayBuffer>) : undefined; // node:sqlite shares no memory
}

function formatOf(db: DatabaseSync): number {
  return numberOf(db.prepare('PRAGMA user_version').get(), 'user_version');
}

/** Reads the file's header first, since opening a database, even to read, makes files beside it. */
function refuseNewer(file: string): void {
  if (!existsSync(file)) return;
  const format = Math.max(formatInHeader(file), hasWal(file) ? formatWithWal(file) : 0);
  if (format <= FORMAT) return;
  const message = `${file} has format ${format}, which is newer than ${FORMAT}, the newest that this version knows`;
  throw new PlatformError('FORMAT_NEWER', message, { retryable: false });
}

function formatInHeader(file: string): number {
  const header = Buffer.alloc(USER_VERSION_AT + 4);
  const handle = openSync(file, 'r');
  readSync(handle, header, 0, header.length, 0);
  closeSync(handle);
  return header.readUInt32BE(USER_VERSION_AT);
}

function hasWal(file: string): boolean {
  return (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

function formatWithWal(file: string): number {
  const db = new DatabaseSync(file, { readOnly: true });
  const format = formatOf(db);
  db.close();
  return format;
}

function readMark(file: string): number {
  if (!existsSync(file)) return 0;
  const bytes = readFileSync(file);
  return bytes.length < 8 ? 0 : bytes.readDoubleLE(0);
}
