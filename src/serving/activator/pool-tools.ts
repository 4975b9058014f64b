import type { Clock } from '../../base/clock.ts';
import type { RevisionPlan } from '../plan.ts';
import type { Ended, Instance, Runtime } from '../runtime/runtime.ts';

/** What the control plane is told of instances; it makes Pods and conditions of it. */
export type InstanceEvent = { readonly revision: string; readonly id: string; readonly atMs: number } & (
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready'; readonly instance: Instance }
  | { readonly kind: 'draining' }
  | { readonly kind: 'ended'; readonly ended: Ended }
  | { readonly kind: 'failed'; readonly code: string; readonly reason: string }
);

export type PoolTools = {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly random: () => number;
  readonly observe: (event: InstanceEvent) => void;
  /** The name of the next instance: that of its Pod. */
  readonly nameInstance: (plan: RevisionPlan) => string;
};
