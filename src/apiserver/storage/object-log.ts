import { Worker } from 'node:worker_threads';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { Row, StorageAnswer, StorageOptions, StorageRequest } from './protocol.ts';

type Opened = NonNullable<Extract<StorageAnswer, { opened?: unknown }>['opened']>;
type Pending = { readonly row: Row; readonly resolve: () => void; readonly reject: (error: unknown) => void };

const FINAL = { retryable: false } as const;

/** The main thread's end of the object worker: writes of one moment share a commit, and are told in the order of their versions. */
export class ObjectLog {
  readonly #worker: Worker;
  readonly opened: Opened;
  readonly #onFailure: (error: PlatformError) => void;
  readonly #waiting = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
  #pending: Pending[] = [];
  #committing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #lastId = 0;
  #failure: PlatformError | undefined;

  private constructor(worker: Worker, opened: Opened, onFailure: (error: PlatformError) => void) {
    this.#worker = worker;
    this.opened = opened;
    this.#onFailure = onFailure;
    worker.on('message', (answer: StorageAnswer) => this.#settle(answer));
    worker.on('error', (error) => this.#fail(new PlatformError('STORE_FAILED', messageOf(error), FINAL)));
  }

  static async open(options: StorageOptions, onFailure: (error: PlatformError) => void): Promise<ObjectLog> {
    const url = import.meta.url.endsWith('.ts')
      ? new URL('./worker.ts', import.meta.url)
      : new URL('./worker.js', import.meta.url);
    const worker = new Worker(url, { workerData: options, name: 'millrace-objects' });
    const first = await new Promise<StorageAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    if ('error' in first || first.opened === undefined) throw failure(first);
    return new ObjectLog(worker, first.opened, onFailure);
  }

  /** Resolves once the row is committed. */
  append(row: Row): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#pending.push({ row, resolve, reject });
      this.#committing ??= this.#commit();
    });
  }

  backup(file: string): Promise<void> {
    return this.#ask({ backup: file });
  }

  /** Commits what has been taken; twice is as good as once. */
  close(): Promise<void> {
    return (this.#closing ??= this.#drain());
  }

  async #drain(): Promise<void> {
    await this.#committing;
    const isWorking = this.#failure === undefined;
    this.#failure ??= new PlatformError('STORE_CLOSED', 'the store of objects is closed', FINAL);
    if (isWorking) await this.#ask({ close: true });
    await this.#worker.terminate();
  }

  async #commit(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0);
      try {
        await this.#ask({ rows: batch.map(({ row }) => row) });
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#committing = undefined;
  }

  #ask(request: { rows: readonly Row[] } | { close: true } | { backup: string }): Promise<void> {
    const id = (this.#lastId += 1);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...request } satisfies StorageRequest);
    });
  }

  #settle(answer: StorageAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (!('error' in answer)) return waiting?.resolve();
    const error = failure(answer);
    waiting?.reject(error);
    this.#fail(error);
  }

  /** The first failure is final, and whoever waits for an answer will get none. */
  #fail(error: PlatformError): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#onFailure(error);
  }
}

function failure(answer: StorageAnswer): PlatformError {
  const { code, error } =
    'error' in answer ? answer : { code: 'STORE_FAILED', error: 'the object worker did not open' };
  return new PlatformError(code, error, FINAL);
}
