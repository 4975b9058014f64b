import type { Clock } from '../../base/clock.ts';
import type { RevisionPlan } from '../plan.ts';
import type { InstanceStatus } from '../runtime/instance-status.ts';
import type { Ended, Instance, Runtime } from '../runtime/runtime.ts';
import type { SharedRoom } from './limits.ts';

/** What can happen to an instance. */
export type Happening =
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready'; readonly instance: Instance }
  /** How its containers stand has changed, at any time of its life. */
  | { readonly kind: 'changed'; readonly status: InstanceStatus }
  | { readonly kind: 'draining' }
  | { readonly kind: 'ended'; readonly ended: Ended }
  | { readonly kind: 'failed'; readonly code: string; readonly reason: string }
  /** Its id is not used again: after it was stopped, or had crashed and is not restarted. */
  | { readonly kind: 'gone' };

/** What the control plane is told of instances; it makes Pods and conditions of it. */
export type InstanceEvent = Happening & {
  readonly revision: string;
  readonly id: string;
  readonly atMs: number;
};

export type PoolTools = {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly random: () => number;
  readonly observe: (event: InstanceEvent) => void;
  /** The name of the next instance: that of its Pod. */
  readonly nameInstance: (plan: RevisionPlan) => string;
  readonly room: SharedRoom;
  /** Of instances. */
  readonly berths: SharedRoom;
  /** Asks to be ticked once a second for as long as `isUp`. */
  readonly keepTicking: (pool: { readonly isUp: boolean; tick(isDecision: boolean): void }) => void;
  /** A decision has changed more than the number of instances: whether there is room for the burst that should find some. */
  readonly rescaled: (revision: string) => void;
};

export type PoolCounts = {
  readonly ready: number;
  readonly desired: number;
  readonly inFlight: number;
  readonly waiting: number;
};
