import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { Row, StorageAnswer, StorageOptions, StorageRequest } from './protocol.ts';

/** The only thread that touches objects.db: one message is one transaction, synced before it is answered. */
const FORMAT = 1;
const SCHEMA = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('version', 0);
  CREATE TABLE objects (grp TEXT, kind TEXT, ns TEXT, name TEXT, json TEXT NOT NULL, PRIMARY KEY (grp, kind, ns, name)) WITHOUT ROWID;
  CREATE TABLE history (version INTEGER PRIMARY KEY, type TEXT, grp TEXT, kind TEXT, ns TEXT, name TEXT, json TEXT NOT NULL);
`;

const port = parentPort;
if (port === null) throw new Error('this file is the object worker; it is started by sqlite-store.ts');
const { file, historyMax, acceptLoss } = workerData as StorageOptions; // posted by sqlite-store.ts only

function answer(message: StorageAnswer): void {
  port?.postMessage(message);
}

function open(): DatabaseSync {
  const isNew = !existsSync(file);
  if (!isNew) refuseNewer();
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  if (numberIn(db, 'PRAGMA user_version', 'user_version') === 0)
    db.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${FORMAT}; COMMIT`);
  const missing = marked() - versionIn(db);
  if (missing > 0 && !acceptLoss) {
    throw new PlatformError(
      'LOG_LOSS',
      `${file} misses the last ${missing} changes that had been acknowledged`,
      { retryable: false },
    );
  }
  return db;
}

const numberIn = (db: DatabaseSync, sql: string, column: string): number =>
  Number(db.prepare(sql).get()?.[column] ?? 0);
const versionIn = (db: DatabaseSync): number =>
  numberIn(db, `SELECT value FROM meta WHERE name = 'version'`, 'value');
const markFile = `${file.replace(/\.db$/, '')}.mark`;

function marked(): number {
  const bytes = existsSync(markFile) ? readFileSync(markFile) : Buffer.alloc(0);
  return bytes.length < 8 ? 0 : bytes.readDoubleLE(0);
}

function writeMark(file: number, version: number): void {
  const number = Buffer.alloc(8);
  number.writeDoubleLE(version);
  writeSync(file, number, 0, 8, 0);
}

function refuseNewer(): void {
  const db = new DatabaseSync(file, { readOnly: true });
  const format = numberIn(db, 'PRAGMA user_version', 'user_version');
  db.close();
  if (format <= FORMAT) return;
  throw new PlatformError(
    'FORMAT_NEWER',
    `${file} has format ${format}, which is newer than ${FORMAT}, the newest that this version knows`,
    { retryable: false },
  );
}

function serve(db: DatabaseSync): void {
  const put = db.prepare('INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)');
  const remove = db.prepare('DELETE FROM objects WHERE grp = ? AND kind = ? AND ns = ? AND name = ?');
  const note = db.prepare('INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)');
  const forget = db.prepare('DELETE FROM history WHERE version <= ?');
  const move = db.prepare(`UPDATE meta SET value = ? WHERE name = 'version'`);
  const mark = openSync(markFile, 'w');
  writeMark(mark, versionIn(db)); // opening has emptied it
  const commit = (rows: readonly Row[]): void => {
    const last = rows.at(-1)?.version ?? 0;
    db.exec('BEGIN IMMEDIATE');
    for (const { version, type, group, kind, namespace, name, json } of rows) {
      if (type === 'DELETED') remove.run(group, kind, namespace, name);
      else put.run(group, kind, namespace, name, json);
      note.run(version, type, group, kind, namespace, name, json);
    }
    forget.run(last - historyMax);
    move.run(last);
    db.exec('COMMIT');
    writeMark(mark, last);
  };
  port?.on('message', (request: StorageRequest) => {
    try {
      if ('rows' in request) commit(request.rows);
      else if ('backup' in request)
        return void backup(db, request.backup).then(() => answer({ id: request.id }), fail(request.id));
      else {
        db.close();
        closeSync(mark);
      }
      answer({ id: request.id });
      if ('close' in request) port.close();
    } catch (error) {
      if (db.isOpen) db.close(); // a failed write is final
      fail(request.id)(error);
    }
  });
}

const fail =
  (id: number) =>
  (error: unknown): void =>
    answer({
      id,
      error: messageOf(error),
      code: error instanceof PlatformError ? error.code : 'STORE_FAILED',
    });

try {
  const db = open();
  serve(db);
  const history = db
    .prepare(
      'SELECT version, type, grp AS "group", kind, ns AS namespace, name, json FROM history ORDER BY version',
    )
    .all();
  const version = versionIn(db);
  answer({
    id: 0,
    opened: {
      objects: db
        .prepare('SELECT json FROM objects')
        .all()
        .map((row) => String(row['json'])),
      history: history as unknown as Row[], // the columns are those of Row
      version,
      oldest: history.length === 0 ? version : Number(history[0]?.['version']) - 1,
    },
  });
} catch (error) {
  fail(0)(error);
}
