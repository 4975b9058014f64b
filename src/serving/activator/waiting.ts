import { PlatformError } from '../../base/errors.ts';
import type { Wake } from '../../telemetry/signals.ts';
import type { SharedRoom } from './limits.ts';
import type { ReadySlot } from './slot.ts';

/** A place at an instance, held for one request. */
export type Lease = { readonly slot: ReadySlot; readonly wake: Wake | undefined };

export type Waiter = {
  readonly sinceMs: number;
  /** No instance was ready when it came: its wake is told. */
  readonly isWaking: boolean;
  give(lease: Lease): void;
};

/** The requests that wait for an instance of one revision, first come first served. */
export class WaitingLine {
  readonly #room: SharedRoom;
  readonly #waiters = new Map<Waiter, (error: PlatformError) => void>();

  constructor(room: SharedRoom) {
    this.#room = room;
  }

  get size(): number {
    return this.#waiters.size;
  }

  get first(): Waiter | undefined {
    return this.#waiters.keys().next().value;
  }

  /** Resolves with a lease; rejects with QUEUE_FULL, ABANDONED when `signal` aborts, or what `refuse` is told. */
  join(
    { sinceMs, isWaking, max }: Pick<Waiter, 'sinceMs' | 'isWaking'> & { readonly max: number },
    signal: AbortSignal,
  ): Promise<Lease> {
    if (this.size >= max || !this.#room.enter(this.size)) {
      return Promise.reject(
        new PlatformError('QUEUE_FULL', 'pending request queue full', { retryable: true }),
      );
    }
    return new Promise((resolve, reject) => {
      const abandon = (): void =>
        refuse(new PlatformError('ABANDONED', 'nobody waits for the answer any more', { retryable: false }));
      const leave = (): void => {
        this.#waiters.delete(waiter);
        this.#room.leave();
        signal.removeEventListener('abort', abandon);
      };
      const refuse = (error: PlatformError): void => {
        leave();
        reject(error);
      };
      const give = (lease: Lease): void => {
        leave();
        resolve(lease);
      };
      const waiter = { sinceMs, isWaking, give };
      this.#waiters.set(waiter, refuse);
      signal.addEventListener('abort', abandon, { once: true });
      if (signal.aborted) abandon();
    });
  }

  refuse(error: PlatformError): void {
    for (const refuse of this.#waiters.values()) refuse(error); // each leaves the map as it goes
  }
}
