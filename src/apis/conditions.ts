import type { Condition, ConditionStatus } from './duck.ts';

/** What a kind's conditions are: the aggregate, those it depends on, and others that only inform. */
export type ConditionSet = {
  readonly happy: 'Ready' | 'Succeeded' | 'Complete';
  readonly dependents: readonly string[];
};

export type Mark = {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly severity?: 'Info';
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
};

export const isTrue = (type: string, reason?: string, message?: string): Mark => ({
  type,
  status: 'True',
  reason,
  message,
});
export const isFalse = (type: string, reason: string, message: string): Mark => ({
  type,
  status: 'False',
  reason,
  message,
});
export const isUnknown = (type: string, reason?: string, message?: string): Mark => ({
  type,
  status: 'Unknown',
  reason,
  message,
});

/**
 * All conditions of an object after `marks`: dependents without a mark keep what they said, new ones are Unknown; the
 * aggregate is True when all are, False when one is (and says why in its words), else Unknown; sorted by type; a time
 * changes only with its status (knative pkg/apis/condition_set.go).
 */
export function conditionsAfter(
  set: ConditionSet,
  before: readonly Condition[],
  marks: readonly Mark[],
  nowMs: number,
): Condition[] {
  const known = new Map(before.map((condition) => [condition.type, condition]));
  const marked = new Map(marks.map((mark) => [mark.type, mark]));
  const dependents = set.dependents.map(
    (type): Mark => marked.get(type) ?? fromBefore(known.get(type), type),
  );
  const informing = marks.filter(({ type }) => !set.dependents.includes(type) && type !== set.happy);
  const all = [...dependents, ...informing, marked.get(set.happy) ?? aggregate(set.happy, dependents)];
  return all
    .map((mark) => settled(mark, known.get(mark.type), nowMs))
    .toSorted((a, b) => (a.type < b.type ? -1 : 1));
}

function fromBefore(condition: Condition | undefined, type: string): Mark {
  return condition === undefined
    ? isUnknown(type)
    : { type, status: condition.status, reason: condition.reason, message: condition.message };
}

function aggregate(type: string, dependents: readonly Mark[]): Mark {
  const failing =
    dependents.find(({ status }) => status === 'False') ??
    dependents.find(({ status }) => status === 'Unknown');
  return failing === undefined ? isTrue(type) : { ...failing, type };
}

function settled(
  { type, status, severity, reason, message }: Mark,
  before: Condition | undefined,
  nowMs: number,
): Condition {
  const lastTransitionTime =
    before?.status === status && before.lastTransitionTime !== undefined
      ? before.lastTransitionTime
      : rfc3339(nowMs);
  return {
    type,
    status,
    ...(severity !== undefined && { severity }),
    lastTransitionTime,
    ...(reason !== undefined && reason !== '' && { reason }),
    ...(message !== undefined && message !== '' && { message }),
  };
}

/** Kubernetes' timestamps have whole seconds. */
export function rfc3339(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

export function conditionOf(
  status: { readonly conditions?: readonly Condition[] } | undefined,
  type: string,
): Condition | undefined {
  return status?.conditions?.find((each) => each.type === type);
}

export function isReady(object: { readonly status?: unknown }): boolean {
  const status = object.status as { conditions?: readonly Condition[] } | undefined;
  return conditionOf(status, 'Ready')?.status === 'True';
}
