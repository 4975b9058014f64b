import { amountOf, type Deployment } from '../../../apis/apps/deployment.ts';

/** One ReplicaSet of a Deployment, as a roll-out sees it. */
export type SetCount = {
  readonly name: string;
  readonly isNew: boolean;
  readonly wanted: number; // spec.replicas
  readonly there: number; // status.replicas
  readonly available: number;
};

export type Bounds = { readonly maxTotal: number; readonly minAvailable: number };

/** How many there may be at most and have to be available at least (kubernetes pkg/controller/deployment/util). */
export function boundsOf({ spec }: Deployment): Bounds {
  const desired = spec.replicas ?? 1;
  const { maxSurge = 0, maxUnavailable = 0 } = spec.strategy?.rollingUpdate ?? {};
  const surge = amountOf(maxSurge, desired, 'up');
  const down = amountOf(maxUnavailable, desired, 'down');
  const unavailable = surge === 0 && down === 0 ? 1 : down;
  return { maxTotal: desired + surge, minAvailable: desired - Math.min(unavailable, desired) };
}

/**
 * The next step of a roll-out: how many Pods each ReplicaSet is to have. There are never more than `maxTotal` of them, and
 * never fewer available than `minAvailable` by its doing; former ones that are not available go first.
 */
export function rollingStep(
  sets: readonly SetCount[],
  desired: number,
  { maxTotal, minAvailable }: Bounds,
): ReadonlyMap<string, number> {
  const total = sum(sets.map(({ wanted }) => wanted));
  const step = new Map(sets.map(({ name, wanted }) => [name, wanted]));
  const fresh = sets.find(({ isNew }) => isNew);
  if (fresh !== undefined && fresh.wanted !== desired) {
    const grown = Math.min(desired, fresh.wanted + Math.max(0, maxTotal - total));
    step.set(fresh.name, fresh.wanted > desired ? desired : grown);
  }
  const freshUnavailable =
    fresh === undefined ? 0 : Math.max(0, (step.get(fresh.name) ?? 0) - fresh.available);
  const all = sum([...step.values()]);
  let spare = all - minAvailable - freshUnavailable;
  for (const set of sets) {
    if (set.isNew || spare <= 0) continue;
    const unhealthy = Math.min(spare, Math.max(0, set.wanted - set.available));
    step.set(set.name, set.wanted - unhealthy);
    spare -= unhealthy;
  }
  const available = sum(sets.map((set) => Math.min(set.available, set.wanted)));
  let surplus = available - minAvailable;
  for (const set of sets) {
    if (set.isNew || surplus <= 0) continue;
    const left = step.get(set.name) ?? 0;
    const taken = Math.min(surplus, left);
    step.set(set.name, left - taken);
    surplus -= taken;
  }
  return step;
}

/** All former ones go before any new one comes. */
export function recreateStep(sets: readonly SetCount[], desired: number): ReadonlyMap<string, number> {
  const isClear = sets.every(({ isNew, there }) => isNew || there === 0);
  return new Map(sets.map(({ name, isNew, wanted }) => [name, isNew ? (isClear ? desired : wanted) : 0]));
}

/** Of one whose changes wait: what there is grows and shrinks as its number says, the newest first. */
export function pausedStep(sets: readonly SetCount[], desired: number): ReadonlyMap<string, number> {
  let left = desired;
  const order = sets.toSorted((a, b) => Number(b.isNew) - Number(a.isNew) || b.wanted - a.wanted);
  const kept = order.filter(({ wanted }) => wanted > 0);
  const [first] = kept.length > 0 ? kept : order;
  const step = new Map<string, number>();
  for (const set of order) {
    const wanted = Math.min(set.wanted, left);
    step.set(set.name, wanted);
    left -= wanted;
  }
  if (first !== undefined) step.set(first.name, (step.get(first.name) ?? 0) + left);
  return step;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
