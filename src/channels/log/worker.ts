import type { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { committer } from './commit.ts';
import { numberOf, openDatabase } from './database.ts';
import { OPENING, type Answer, type Batch, type Request, type WorkerOptions } from './protocol.ts';
import { queries } from './queries.ts';

/**
 * The only thread that touches events.db. It answers requests in the order they come; a failure of a write is final
 * unless the disk was merely full, and then it closes the database before anything else could be written (L5).
 */
const port = parentPort;
if (port === null) throw new Error('this file is the log worker; it is started by worker-client.ts');
const { file, acceptLoss, journalBytesMax, walBytes } = workerData as WorkerOptions; // posted by worker-client.ts only

const tell = (answer: Answer): void => port.postMessage(answer);
const database = open();
if (database !== undefined) {
  const commit = committer(database, journalBytesMax);
  const answers = queries(database.db);
  const checkpoint = checkpointer(database.db);

  const answer = ({ id, name, input }: Request): void => {
    if (name === 'close') {
      database.close();
      tell({ id, output: undefined });
      return;
    }
    if (name === 'commit') {
      tell({ id, output: commit(input as Batch) });
      checkpoint(); // after the answer, so that nobody waits for it who does not have to
      return;
    }
    const output: unknown = answers[name](input as never); // as Requests pairs them
    if (output instanceof Promise) void tellLater(id, output);
    else tell({ id, output });
  };

  port.on('message', (request: Request) => {
    try {
      answer(request);
    } catch (error) {
      refuse(request.id, error, !isDiskFull(error) && !(error instanceof PlatformError));
    }
  });
  tell({ id: OPENING, output: undefined });
}

function open(): ReturnType<typeof openDatabase> | undefined {
  try {
    return openDatabase(file, acceptLoss);
  } catch (error) {
    tell(refusal(OPENING, error, true));
    port?.on('message', () => undefined); // lives on, as below
    return undefined;
  }
}

async function tellLater(id: number, output: Promise<unknown>): Promise<void> {
  try {
    tell({ id, output: await output });
  } catch (error) {
    refuse(id, error, false); // a backup that could not be written says nothing about our own file
  }
}

function refuse(id: number, error: unknown, isFinal: boolean): void {
  tell(refusal(id, error, isFinal));
  if (!isFinal) return;
  // Nothing more is done, whatever was asked meanwhile. The thread lives on until the main thread ends it: its end may
  // outrun what was just told.
  port?.removeAllListeners('message');
  port?.on('message', () => undefined);
  if (database?.db.isOpen === true) database.close();
}

function refusal(id: number, error: unknown, isFinal: boolean): Answer {
  const code = error instanceof PlatformError ? error.code : isDiskFull(error) ? 'STORE_FULL' : 'LOG_FAILED';
  const message = messageOf(error);
  return { id, error: message.includes(file) ? message : `${file}: ${message}`, code, isFinal };
}

/** SQLITE_FULL: the transaction was rolled back and nothing was synced in vain. */
function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 13;
}

/** Moves the log of SQLite into its file once it has `walBytes` bytes. A disk that is full then will be asked again. */
function checkpointer(db: DatabaseSync): () => void {
  const look = db.prepare('PRAGMA wal_checkpoint(NOOP)');
  const move = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  const walPages = walBytes / numberOf(db.prepare('PRAGMA page_size').get(), 'page_size');
  return () => {
    const state = look.get();
    if (numberOf(state, 'log') - numberOf(state, 'checkpointed') < walPages) return;
    try {
      move.get();
    } catch (error) {
      if (!isDiskFull(error)) refuse(OPENING, error, true); // a failed sync is final
    }
  };
}
