import { Worker, type TransferListItem } from 'node:worker_threads';
import { PlatformError } from '../../base/errors.ts';
import type { Answer, RequestName, Requests, WorkerOptions } from './protocol.ts';

type Waiting = { readonly resolve: (output: never) => void; readonly reject: (error: PlatformError) => void };

/** The main thread's end of the log worker. A failure that is not a full disk is final: all later requests reject. */
export class WorkerClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onFailure: (error: PlatformError) => void;
  #lastId = 0;
  #failure: PlatformError | undefined;

  private constructor(worker: Worker, onFailure: (error: PlatformError) => void) {
    this.#worker = worker;
    this.#onFailure = onFailure;
    worker.on('message', (answer: Answer) => this.#settle(answer));
    worker.on('error', (cause) =>
      this.#fail(new PlatformError('LOG_FAILED', cause.message, { retryable: false, cause })),
    );
  }

  /** Starts the worker and waits until its database is open; rejects with LOG_LOSS, FORMAT_NEWER or LOG_FAILED. */
  static async open(
    options: WorkerOptions,
    onFailure: (error: PlatformError) => void,
  ): Promise<WorkerClient> {
    const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'; // a built package has no .ts
    const url =
      suffix === 'ts' ? new URL('./worker.ts', import.meta.url) : new URL('./worker.js', import.meta.url);
    const worker = new Worker(url, { workerData: options, name: 'millrace-log' });
    const client = new WorkerClient(worker, onFailure);
    await new Promise<void>((resolve, reject) => client.#waiting.set(0, { resolve, reject }));
    return client;
  }

  ask<Name extends RequestName>(
    name: Name,
    input: Requests[Name]['in'],
    transfer: TransferListItem[] = [],
  ): Promise<Requests[Name]['out']> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = (this.#lastId += 1);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, input }, transfer);
    });
  }

  async close(): Promise<void> {
    if (this.#failure === undefined) await this.ask('close', undefined);
    await this.#worker.terminate();
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (!('error' in answer)) return waiting?.resolve(answer.output as never); // as Requests pairs them
    const error = new PlatformError(
      answer.isFull && answer.code === 'LOG_FAILED' ? 'STORE_FULL' : answer.code,
      answer.error,
      {
        retryable: answer.isFull,
      },
    );
    waiting?.reject(error);
    if (!answer.isFull) this.#fail(error);
  }

  #fail(error: PlatformError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#onFailure(error);
  }
}
