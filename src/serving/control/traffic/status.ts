import type { TrafficTarget } from '../../../apis/serving/types.ts';
import type { RevisionShare, Rollout } from './rollout.ts';
import type { Traffic } from './targets.ts';

/**
 * Traffic as it is now. While a configuration is rolled out, its targets name each revision with the share that it has of
 * the route's own host, so that the whole stays 100 (upstream shows a tag's share of its own host there).
 */
export function statusTraffic(
  { listed }: Traffic,
  rollout: Rollout,
  urlOf: (tag: string) => string | undefined,
): TrafficTarget[] {
  const left = new Map(
    rollout
      .filter(({ tag }) => tag === '')
      .map(({ configurationName, revisions }) => [configurationName, revisions]),
  );
  return listed.flatMap(({ tag, revisionName, configurationName = '', latestRevision, percent }) => {
    const pool = latestRevision ? left.get(configurationName) : undefined;
    const { taken, rest } = take(pool ?? [{ revisionName, percent }], percent);
    if (pool !== undefined) left.set(configurationName, rest);
    const shares = taken.length === 0 ? [{ revisionName, percent }] : taken;
    const url = tag === '' ? undefined : urlOf(tag);
    return shares.map((share) => ({
      ...(tag !== '' && { tag }),
      latestRevision,
      percent: share.percent,
      revisionName: share.revisionName,
      ...(url !== undefined && { url }),
    }));
  });
}

/** The first `percent` of some shares, and what is left of them. */
function take(
  shares: readonly RevisionShare[],
  percent: number,
): { readonly taken: readonly RevisionShare[]; readonly rest: readonly RevisionShare[] } {
  let wanted = percent;
  const taken: RevisionShare[] = [];
  const rest: RevisionShare[] = [];
  for (const share of shares) {
    const part = Math.min(wanted, share.percent);
    wanted -= part;
    if (part > 0) taken.push({ ...share, percent: part });
    if (share.percent > part) rest.push({ ...share, percent: share.percent - part });
  }
  return { taken, rest };
}
