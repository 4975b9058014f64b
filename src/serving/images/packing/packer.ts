import { Worker } from 'node:worker_threads';
import { messageOf, PlatformError } from '../../../base/errors.ts';
import type { Packed, PackRequest } from './pack.ts';
import type { PackAnswer } from './worker.ts';

/** A thread that has nothing to do for so long ends. */
const IDLE_MS = 60_000;

type Waiting = {
  readonly resolve: (packed: Packed) => void;
  readonly reject: (error: PlatformError) => void;
};

/**
 * Packs images in a thread of its own: a folder with its node_modules is thousands of files, and the platform answers
 * requests meanwhile.
 *   K1  requests are taken in their order, one at a time.
 *   K2  the thread begins with the first request, and never keeps the process from ending.
 */
export class Packer {
  readonly #waiting: Waiting[] = [];
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** Throws PUSH_INVALID on what is no image, PUSH_FAILED on what the disk does not give or take. */
  pack(request: PackRequest): Promise<Packed> {
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= this.#open());
    worker.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      worker.postMessage(request);
    });
  }

  #open(): Worker {
    const url = import.meta.url.endsWith('.ts')
      ? new URL('./worker.ts', import.meta.url)
      : new URL('./worker.js', import.meta.url);
    const worker = new Worker(url, { name: 'millrace-packer' });
    worker.on('message', (answer: PackAnswer) => this.#settle(answer));
    worker.on('error', (error) => this.#fail(worker, messageOf(error)));
    return worker;
  }

  #settle(answer: PackAnswer): void {
    const waiting = this.#waiting.shift();
    if (this.#waiting.length === 0) this.#rest();
    if ('packed' in answer) waiting?.resolve(answer.packed);
    else waiting?.reject(new PlatformError(answer.code, answer.message, { retryable: false }));
  }

  #rest(): void {
    const worker = this.#worker;
    worker?.unref();
    this.#idle = setTimeout(() => {
      this.#worker = undefined;
      void worker?.terminate();
    }, IDLE_MS).unref();
  }

  /** The next request gets another thread. */
  #fail(worker: Worker, why: string): void {
    if (this.#worker === worker) this.#worker = undefined;
    const message = `packing the image ended: ${why}`;
    for (const { reject } of this.#waiting.splice(0))
      reject(new PlatformError('PUSH_FAILED', message, { retryable: true }));
  }
}
