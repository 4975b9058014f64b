import { isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import type { Condition } from '../../apis/duck.ts';
import type { ScalePlan } from '../plan.ts';

/** How a revision's instances stand, for the conditions that tell of it. */
export type Standing = {
  readonly ready: number;
  readonly desired: number;
  /** The last start has failed, and none is ready. */
  readonly hasFailed: boolean;
  readonly scale: Pick<ScalePlan, 'scaler' | 'minScale' | 'initialScale'>;
};

/** So many have to be ready for a revision to be active: those it starts with, until it had them once. */
export function activeFrom({ minScale, initialScale }: Standing['scale'], isInitialized: boolean): number {
  return Math.max(minScale, isInitialized ? 1 : initialScale);
}

/** Condition `Active` of a PodAutoscaler and of its Revision (serving pkg/reconciler/autoscaling/kpa/kpa.go). */
export function activeMark(standing: Standing, isInitialized: boolean, before: Condition | undefined): Mark {
  const { ready, desired, hasFailed, scale } = standing;
  const { scaler } = scale;
  if (scaler.kind === 'held') return isUnknown('Active', scaler.reason, scaler.message);
  if (scaler.kind === 'hpa') return isTrue('Active'); // it never goes to zero
  const startsAtZero = activeFrom(scale, false) === 0;
  const least = activeFrom(scale, isInitialized || startsAtZero);
  if (desired > 0) return ready < least ? queued() : isTrue('Active');
  const wasActivating = before === undefined || before.status === 'Unknown';
  return hasFailed && wasActivating
    ? isFalse('Active', 'TimedOut', `The target could not be activated. ${WHY}`)
    : isFalse('Active', 'NoTraffic', 'The target is not receiving traffic.');
}

/** Beside upstream's words: a PodAutoscaler knows no more. */
const WHY = 'Condition ContainerHealthy of its Revision says why.';

function queued(): Mark {
  return isUnknown(
    'Active',
    'Queued',
    'Requests to the target are being buffered as resources are provisioned.',
  );
}
