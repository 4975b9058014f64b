/**
 * The gradual roll-out of a new revision as upstream steps it (serving pkg/reconciler/route/traffic/rollout.go): the new one
 * gets 1 %, and how long the network took to move that says how large the other steps are and how often one is due. What is
 * kept between steps is a JSON text in an annotation of the Ingress, in upstream's form, so that a restart goes on from there.
 *   R1  the percentages of a configuration's revisions sum up to the configuration's own, whatever is stepped.
 *   R2  a revision that is newer takes from the newest before it first; one that lost its last percent is not named any more.
 *   R3  pure: time comes in, and nothing that is given is changed.
 */

export type RevisionShare = { readonly revisionName: string; readonly percent: number };

/** Times since the epoch; absent: not known yet. */
export type StepPlan = {
  readonly startMs?: number;
  readonly nextStepMs?: number;
  readonly stepEveryMs?: number;
  readonly stepPercent?: number;
};

/** A configuration's share of one host: of the route's own (no tag), or of a tag. */
export type ConfigurationRollout = {
  readonly configurationName: string;
  readonly tag: string;
  readonly percent: number;
  /** The oldest first. One: done. */
  readonly revisions: readonly RevisionShare[];
  readonly steps: StepPlan;
};

/** Sorted by tag, then by configuration. */
export type Rollout = readonly ConfigurationRollout[];

const NO_STEPS: StepPlan = {};

export function isDone(rollout: Rollout): boolean {
  return rollout.every(({ revisions }) => revisions.length < 2);
}

export function inOrder(rollout: Rollout): Rollout {
  const text = ({ tag, configurationName }: ConfigurationRollout): string => `${tag} ${configurationName}`;
  return rollout.toSorted((a, b) => (text(a) < text(b) ? -1 : 1));
}

/** The network has taken up the first percent: from how long that took follows what is still to do. */
export function observeReady(rollout: Rollout, nowMs: number, durationMs: number): Rollout {
  return rollout.map((each) => {
    const { startMs, stepEveryMs } = each.steps;
    if (startMs === undefined || stepEveryMs !== undefined) return each;
    const tookMs = Math.max(1000, Math.ceil((nowMs - startMs) / 1000) * 1000);
    return { ...each, steps: { startMs, ...stepsFor(each.percent, nowMs, tookMs, durationMs) } };
  });
}

function stepsFor(percent: number, nowMs: number, tookMs: number, durationMs: number): StepPlan {
  const leftMs = Math.max(1000, durationMs - tookMs);
  const leftPercent = percent - 1;
  const count = Math.min(Math.max(1, leftMs / tookMs), leftPercent);
  const stepEveryMs = leftMs / count;
  return { stepEveryMs, stepPercent: Math.round(leftPercent / count), nextStepMs: nowMs + stepEveryMs };
}

/** Where the traffic goes from `before` on its way to `goal`, which names one revision for each configuration. */
export function step(goal: Rollout, before: Rollout | undefined, nowMs: number): Rollout {
  if (before === undefined || before.length === 0) return goal;
  const known = new Map(before.map((each) => [`${each.tag} ${each.configurationName}`, each]));
  return goal.flatMap((each) => {
    if (each.percent === 0) return [];
    const last = known.get(`${each.tag} ${each.configurationName}`);
    // A share of 1 % cannot be rolled out in parts: the usual trial beside what everybody gets.
    return [last === undefined || each.percent === 1 ? each : stepOne(each, last, nowMs)];
  });
}

/** When the next step is due; undefined: none is planned. */
export function nextStepMs(rollout: Rollout): number | undefined {
  const due = rollout.flatMap(({ steps }) => (steps.nextStepMs === undefined ? [] : [steps.nextStepMs]));
  return due.length === 0 ? undefined : Math.min(...due);
}

function stepOne(
  goal: ConfigurationRollout,
  before: ConfigurationRollout,
  nowMs: number,
): ConfigurationRollout {
  const wanted = goal.revisions.at(-1)?.revisionName ?? '';
  if (before.revisions.length === 0) return goal;
  const shares = adjusted(before.revisions, goal.percent - before.percent);
  if (wanted !== before.revisions.at(-1)?.revisionName)
    return { ...goal, revisions: begun(shares, wanted), steps: { startMs: nowMs } };
  if (shares.length < 2) return goal;
  const { steps } = before;
  const isDue = steps.stepPercent !== undefined && nowMs >= (steps.nextStepMs ?? 0);
  return isDue ? moved(goal, shares, steps, nowMs) : { ...goal, revisions: shares, steps };
}

/** A configuration that gets more gives it to its newest revision, one that gets less takes it from its oldest (R1). */
function adjusted(revisions: readonly RevisionShare[], difference: number): readonly RevisionShare[] {
  if (difference >= 0) return given(revisions, difference);
  const out: RevisionShare[] = [];
  let left = -difference;
  for (const share of revisions) {
    const taken = Math.min(left, share.percent);
    left -= taken;
    if (share.percent > taken) out.push({ ...share, percent: share.percent - taken });
  }
  return out;
}

function given(revisions: readonly RevisionShare[], percent: number): readonly RevisionShare[] {
  return revisions.map((share, i) =>
    i === revisions.length - 1 ? { ...share, percent: share.percent + percent } : share,
  );
}

/** The new revision has its first percent, which the newest before it gives (R2). */
function begun(revisions: readonly RevisionShare[], wanted: string): readonly RevisionShare[] {
  return [...takenFromNewest(revisions, 1).rest, { revisionName: wanted, percent: 1 }];
}

function moved(
  goal: ConfigurationRollout,
  shares: readonly RevisionShare[],
  steps: StepPlan,
  nowMs: number,
): ConfigurationRollout {
  const newest = shares.at(-1) ?? { revisionName: '', percent: 0 };
  const { rest, taken } = takenFromNewest(shares.slice(0, -1), steps.stepPercent ?? 0);
  const revisions = [...rest, { ...newest, percent: newest.percent + taken }];
  if (revisions.length < 2) return { ...goal, revisions, steps: NO_STEPS };
  return { ...goal, revisions, steps: { ...steps, nextStepMs: nowMs + (steps.stepEveryMs ?? 0) } };
}

function takenFromNewest(
  revisions: readonly RevisionShare[],
  percent: number,
): { readonly rest: readonly RevisionShare[]; readonly taken: number } {
  let left = percent;
  const rest = revisions.toReversed().flatMap((share) => {
    const taken = Math.min(left, share.percent);
    left -= taken;
    return share.percent > taken ? [{ ...share, percent: share.percent - taken }] : [];
  });
  return { rest: rest.toReversed(), taken: percent - left };
}
