import type { ConditionSet, Mark } from '../apis/conditions.ts';
import type { Resource } from '../apis/resource.ts';
import type { KindName } from './resource-client.ts';

/** Something that happened to an object, for `kubectl describe`. */
export type Told = { readonly type: 'Normal' | 'Warning'; readonly reason: string; readonly message: string };

/** What one pass concluded. The control loop, not the reconciler, writes status and schedules the next pass. */
export type Outcome = {
  /** Conditions that this pass has something to say about; the others keep what they said. */
  readonly marks: readonly Mark[];
  /** The other fields of status: those named replace what was there, undefined ones are removed. */
  readonly status: Readonly<Record<string, unknown>>;
  readonly next: 'settled' | 'wait' | { readonly afterMs: number };
  readonly events?: readonly Told[];
};

export interface Reconciler<R extends Resource> {
  readonly kind: KindName;
  readonly conditions: ConditionSet;
  /** Reads the world, computes what is desired, applies the difference; idempotent. A throw is tried again. */
  reconcile(object: R): Promise<Outcome>;
  /** Undoes what outlives the object; the finalizer is set before the first pass, and taken off after this. */
  readonly finalizer?: string;
  /** A PlatformError `DELETION_DELAYED` waits for others to go first, which only the status tells; it is no failure. */
  finalize?(object: R): Promise<readonly Told[]>;
}

export function settled(status: Outcome['status'], ...marks: Mark[]): Outcome {
  return { marks, status, next: 'settled' };
}

/** Nothing to do until something that this object refers to changes. */
export function waitingFor(status: Outcome['status'], ...marks: Mark[]): Outcome {
  return { marks, status, next: 'wait' };
}
