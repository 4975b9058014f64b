import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import { isUnreached } from './faults.ts';
import type { Link } from './link.ts';

/** What is in work is leased for so long, anew every third of it: after a crash others wait no longer than this. */
export const LEASE_S = 10;
const EXTEND_EVERY_MS = 3000;
/** Nothing is leased longer: by then whoever has it will not answer any more. */
const LEASE_MAX_MS = 24 * 3_600_000;
/** Of one request; an id has some 200 bytes, a request at most 512 KiB. */
const IDS_MAX = 1000;
const REQUESTS_MAX = 2;
const CALL_MAX_MS = 4000;
const AGAIN_PAUSE_MS = 200;

type Ack = { readonly id: string; readonly resolve: () => void };

/**
 * What this process has leased from one subscription.
 *   A1  a lease is renewed until it is acknowledged or given back, for at most LEASE_MAX_MS.
 *   A2  ack() resolves once the broker has taken it, or once the link is lost: then it may come again.
 *   A3  after stop() or a loss nothing is renewed, acknowledged or given back.
 */
export class Leases {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #subscription: string;
  readonly #over: AbortSignal;
  readonly #stop = new AbortController();
  readonly #held = new Map<string, number>(); // id, and since when
  readonly #acks: Ack[] = [];
  /** While something is held. */
  #renewing: Promise<void> | undefined;
  #running = 0;

  constructor(link: Link, clock: Clock, subscription: string, lost: AbortSignal) {
    this.#link = link;
    this.#clock = clock;
    this.#subscription = subscription;
    this.#over = AbortSignal.any([lost, this.#stop.signal]);
  }

  hold(id: string): void {
    this.#held.set(id, this.#clock.nowMs());
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
  }

  ack(id: string): Promise<void> {
    this.#held.delete(id);
    if (this.#over.aborted) return Promise.resolve(); // A3
    return new Promise((resolve) => {
      this.#acks.push({ id, resolve });
      if (this.#running < REQUESTS_MAX) void this.#run();
    });
  }

  /** Gives back: the broker hands them out again after so many seconds. */
  async release(ids: readonly string[], seconds: number): Promise<void> {
    for (const id of ids) this.#held.delete(id);
    await this.#modify(ids, seconds);
  }

  /** Gives back all that is held, in the order it came, and stops. */
  async stop(seconds: number): Promise<void> {
    await this.release([...this.#held.keys()], seconds);
    this.#stop.abort();
    await this.#renewing;
  }

  async #run(): Promise<void> {
    this.#running += 1;
    await Promise.resolve(); // what is acknowledged in the same turn shares the request
    while (this.#acks.length > 0) {
      const batch = this.#acks.splice(0, IDS_MAX);
      await this.#acknowledge(batch.map(({ id }) => id));
      for (const { resolve } of batch) resolve();
    }
    this.#running -= 1;
  }

  async #acknowledge(ackIds: string[]): Promise<void> {
    while (!this.#over.aborted) {
      try {
        await this.#link.call('acknowledge', { subscription: this.#subscription, ackIds }, CALL_MAX_MS);
        return;
      } catch (error) {
        if (!isUnreached(error)) return; // the lease, or the subscription, is no more: it may come again
      }
      await pause(AGAIN_PAUSE_MS);
    }
  }

  async #renew(): Promise<void> {
    while (!this.#over.aborted && this.#held.size > 0) {
      await this.#clock.until(this.#clock.nowMs() + EXTEND_EVERY_MS, this.#over);
      if (this.#over.aborted) return;
      const sinceMs = this.#clock.nowMs() - LEASE_MAX_MS;
      for (const [id, heldMs] of this.#held) if (heldMs < sinceMs) this.#held.delete(id);
      await this.#modify([...this.#held.keys()], LEASE_S);
    }
  }

  /** One request after the other, so that what came first is due first. */
  async #modify(ids: readonly string[], ackDeadlineSeconds: number): Promise<void> {
    for (let at = 0; at < ids.length && !this.#over.aborted; at += IDS_MAX) {
      const ackIds = ids.slice(at, at + IDS_MAX);
      const request = { subscription: this.#subscription, ackIds, ackDeadlineSeconds };
      await this.#link.call('modifyAckDeadline', request, CALL_MAX_MS).catch(() => undefined); // the lease runs out
    }
  }
}
