import type { WorkloadCondition } from '../../../apis/apps/deployment.ts';
import { rfc3339 } from '../../../apis/conditions.ts';

export type NewCondition = Pick<WorkloadCondition, 'type' | 'status'> & {
  readonly reason: string;
  readonly message: string;
};

/** The conditions after a pass: each keeps the times of what has not changed about it. */
export function conditionsWith(
  before: readonly WorkloadCondition[],
  fresh: readonly NewCondition[],
  nowMs: number,
): readonly WorkloadCondition[] {
  const now = rfc3339(nowMs);
  return fresh.map((condition) => {
    const known = before.find(({ type }) => type === condition.type);
    const isSame =
      known?.status === condition.status &&
      known.reason === condition.reason &&
      known.message === condition.message;
    return {
      ...condition,
      lastUpdateTime: (isSame ? known.lastUpdateTime : undefined) ?? now,
      lastTransitionTime: (known?.status === condition.status ? known.lastTransitionTime : undefined) ?? now,
    };
  });
}

/** As Go leaves zeros out. */
export function withoutZeros(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
