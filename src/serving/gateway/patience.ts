import type { Duplex, Writable } from 'node:stream';
import type { Refusal } from './refusal.ts';

/** How long a request is held: until its time is over, or until nobody waits for its answer any more. */
export class Patience {
  refusal: Refusal | undefined;
  readonly #end = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #asker: Writable | Duplex;

  constructor(timeoutMs: number, asker: Writable | Duplex) {
    this.#asker = asker;
    this.#timer = setTimeout(() => this.#over(504, 'activator request timeout'), timeoutMs);
    if (asker.destroyed) this.#onGone();
    else asker.once('close', this.#onGone);
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#asker.off('close', this.#onGone);
  }

  readonly #onGone = (): void => this.#over(499, 'the client went away');

  #over(code: number, text: string): void {
    this.refusal = { code, text, headers: { connection: 'close' } };
    this.#end.abort();
  }
}
