import { Worker, type TransferListItem } from 'node:worker_threads';
import { PlatformError } from '../../base/errors.ts';
import { OPENING, type Answer, type RequestName, type Requests, type WorkerOptions } from './protocol.ts';

type Waiting = { readonly resolve: (output: never) => void; readonly reject: (error: PlatformError) => void };

/** The main thread's end of the log worker. After a final failure all requests reject with it. */
export class WorkerClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onFailure: (error: PlatformError) => void;
  #lastId = OPENING;
  #failure: PlatformError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(worker: Worker, file: string, onFailure: (error: PlatformError) => void) {
    this.#worker = worker;
    this.#onFailure = onFailure;
    worker.on('message', (answer: Answer) => this.#settle(answer));
    worker.on('error', (cause) => this.#fail(failed(`${file}: ${cause.message}`, cause)));
    worker.on('exit', () => this.#fail(failed(`${file}: the log worker has ended`)));
  }

  /** Starts the worker and waits until its database is open; rejects with LOG_LOSS, FORMAT_NEWER or LOG_FAILED. */
  static async open(
    options: WorkerOptions,
    onFailure: (error: PlatformError) => void,
  ): Promise<WorkerClient> {
    const isBuilt = import.meta.url.endsWith('.js'); // the bundle of an installed package has no .ts
    const url = isBuilt ? new URL('./worker.js', import.meta.url) : new URL('./worker.ts', import.meta.url);
    const worker = new Worker(url, { workerData: options, name: 'millrace-log' });
    const client = new WorkerClient(worker, options.file, onFailure);
    try {
      await new Promise<void>((resolve, reject) => client.#waiting.set(OPENING, { resolve, reject }));
    } catch (error) {
      await worker.terminate();
      throw error;
    }
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

  close(): Promise<void> {
    return (this.#closing ??= this.#end());
  }

  async #end(): Promise<void> {
    const asked = this.#failure === undefined ? this.ask('close', undefined) : undefined;
    this.#failure ??= failed('the log is closed');
    await asked;
    await this.#worker.terminate();
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (!('error' in answer)) return waiting?.resolve(answer.output as never); // as Requests pairs them
    const { code, error: message, isFinal } = answer;
    const error = new PlatformError(code, message, { retryable: code === 'STORE_FULL' });
    waiting?.reject(error);
    if (isFinal) this.#fail(error);
  }

  #fail(error: PlatformError): void {
    const isFirst = this.#failure === undefined;
    const failure = (this.#failure ??= error);
    for (const { reject } of this.#waiting.values()) reject(failure);
    this.#waiting.clear();
    if (isFirst) this.#onFailure(error);
  }
}

function failed(message: string, cause?: unknown): PlatformError {
  return new PlatformError('LOG_FAILED', message, { retryable: false, cause });
}
