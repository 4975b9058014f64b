import type { ReadySlot } from '../activator/slot.ts';
import type { Lease } from '../activator/waiting.ts';
import type { RevisionPlan } from '../plan.ts';

/** What the gateway has to know of how requests are answered. */
export type ExchangePlan = Pick<
  RevisionPlan,
  'protocol' | 'timeoutMs' | 'responseStartTimeoutMs' | 'idleTimeoutMs'
>;

/** Whoever has instances that answer: a revision, or a port of a v1 Service. */
export type GatewayPool = {
  readonly plan: ExchangePlan;
  readonly counts: { readonly ready: number };
  /** When it may help to ask again, in seconds. */
  readonly retryAfterS: number;
  /** A place at once, when there is one. */
  tryAcquire(): ReadySlot | undefined;
  /** Waits for a place, until `signal` aborts; rejects with a PlatformError that says why none can be had. */
  acquire(signal: AbortSignal): Promise<Lease>;
  release(slot: ReadySlot, wasUpgraded?: boolean): void;
  /** The request has become a connection of another protocol. */
  upgraded(slot: ReadySlot): void;
  /** A connection to it was refused or reset. */
  suspect(slot: ReadySlot): void;
};
