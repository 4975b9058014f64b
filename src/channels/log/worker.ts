import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { committer } from './commit.ts';
import { openDatabase } from './database.ts';
import type { Answer, Batch, Request, WorkerOptions } from './protocol.ts';
import { queries } from './queries.ts';

/**
 * The only thread that touches events.db. It answers requests in the order they come; a failure of a write is final
 * unless the disk was merely full, and then it closes the database before anything else could be written (L5).
 */
const port = parentPort;
if (port === null) throw new Error('this file is the log worker; it is started by log-store.ts');
const { file, acceptLoss, journalBytesMax, walPages } = workerData as WorkerOptions; // posted by log-store.ts only

const database = open();
if (database !== undefined) {
  const commit = committer(database, journalBytesMax);
  const handlers = queries(database.db);
  port.on('message', ({ id, name, input }: Request) => {
    if (name === 'close') {
      database.close();
      port.postMessage({ id, output: undefined } satisfies Answer);
      port.close();
      return;
    }
    try {
      const output: unknown = name === 'commit' ? commit(input as Batch) : handlers[name](input as never);
      if (output instanceof Promise) {
        output.then(
          (value: unknown) => port.postMessage({ id, output: value } satisfies Answer),
          (error: unknown) => refuse(id, error, true),
        );
      } else {
        port.postMessage({ id, output } satisfies Answer);
      }
    } catch (error) {
      refuse(id, error, isDiskFull(error));
    }
  });
  port.postMessage({ id: 0, output: undefined } satisfies Answer);
}

function open(): ReturnType<typeof openDatabase> | undefined {
  try {
    return openDatabase(file, acceptLoss, walPages);
  } catch (error) {
    refuse(0, error, true);
    return undefined;
  }
}

function refuse(id: number, error: unknown, isFull: boolean): void {
  const code = error instanceof PlatformError ? error.code : 'LOG_FAILED';
  if (!isFull && code === 'LOG_FAILED') database?.close();
  port?.postMessage({ id, error: messageOf(error), code, isFull } satisfies Answer);
}

/** SQLITE_FULL: the transaction was rolled back and nothing was synced in vain. */
function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 13;
}
