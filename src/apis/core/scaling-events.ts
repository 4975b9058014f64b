import type { Resource } from '../resource.ts';

/**
 * A label of core/v1 Events that tell of instances coming and going with the requests. A source that watches Events leaves
 * them out: one that wakes its own sink would tell of that, and wake it again, for ever.
 */
export const OF_SCALING = 'platform.millrace.dev/of-scaling';

/** An annotation of sources that are to tell of them all the same. */
export const TELLS_SCALING = 'sources.millrace.dev/scaling-events';

export function isOfScaling({ apiVersion, kind, metadata: { labels = {} } }: Resource): boolean {
  return apiVersion === 'v1' && kind === 'Event' && labels[OF_SCALING] === 'true';
}
