import type { GcConfig } from '../../apis/serving/gc-config.ts';
import { ANNOTATIONS, LABELS } from '../../apis/serving/shared.ts';
import type { Revision } from '../../apis/serving/types.ts';

/** What to remove now, and when to look again: undefined when time alone makes nothing more removable. */
export type Collection = { readonly remove: readonly string[]; readonly nextMs: number | undefined };

/**
 * The oldest of those that are stale, while enough are left; and then, whatever their age, the oldest beyond the maximum
 * (serving pkg/reconciler/gc/gc.go). Never one that a route leads to, nor the latest ready one, nor one that says no-gc.
 */
export function collectRevisions(
  revisions: readonly Revision[],
  latestReady: string | undefined,
  config: GcConfig,
  nowMs: number,
): Collection {
  const { minNonActive: min, maxNonActive: max } = config;
  const idle = revisions
    .filter((revision) => !isKept(revision, latestReady))
    .toSorted((a, b) => lastActiveMs(a) - lastActiveMs(b));
  const spare = idle.length - min;
  if (spare <= 0) return { remove: [], nextMs: undefined };
  const stale = idle.filter((revision) => staleAtMs(revision, config) <= nowMs).slice(0, spare);
  const left = idle.filter((revision) => !stale.includes(revision));
  const beyond =
    max === 'disabled' || stale.length === spare ? [] : left.slice(0, Math.max(0, left.length - max));
  const kept = left.slice(beyond.length);
  const due = kept.map((revision) => staleAtMs(revision, config)).filter((at) => Number.isFinite(at));
  return {
    remove: [...stale, ...beyond].map(({ metadata }) => metadata.name),
    nextMs: kept.length > min && due.length > 0 ? Math.min(...due) : undefined,
  };
}

/** One that has not been looked at by its route's controller yet is not known to be idle. */
function isKept(
  { metadata: { name, labels = {}, annotations = {} } }: Revision,
  latestReady?: string,
): boolean {
  return (
    name === latestReady ||
    annotations[ANNOTATIONS.noGc]?.toLowerCase() === 'true' ||
    labels[LABELS.routingState] !== 'reserve'
  );
}

function staleAtMs(revision: Revision, { sinceCreateMs, sinceActiveMs }: GcConfig): number {
  if (sinceCreateMs === 'disabled' && sinceActiveMs === 'disabled') return Number.POSITIVE_INFINITY;
  const created = Date.parse(revision.metadata.creationTimestamp ?? '');
  return Math.max(
    sinceCreateMs === 'disabled' ? 0 : created + sinceCreateMs,
    sinceActiveMs === 'disabled' ? 0 : lastActiveMs(revision) + sinceActiveMs,
  );
}

function lastActiveMs({ metadata: { annotations = {}, creationTimestamp = '' } }: Revision): number {
  const modified = Date.parse(annotations[ANNOTATIONS.routingStateModified] ?? '');
  return Number.isNaN(modified) ? Date.parse(creationTimestamp) : modified;
}
