import type { InstanceView } from '../serving/control/revision-reconciler.ts';
import type { Serving } from '../serving/serving.ts';

/** How a revision's instances stand; `problemOf` tells why a revision has no plan at all. */
export function instanceView(serving: Serving, problemOf: (key: string) => string | undefined): InstanceView {
  return (key) => {
    const { ready, desired } = serving.countsOf(key);
    const problem = problemOf(key);
    const pool = serving.poolOf(key);
    return {
      ready,
      // What is ready and not draining is wanted: a revision told of once must not show 1 of 0 until its next change.
      desired: Math.max(ready, desired),
      trouble:
        problem === undefined
          ? pool?.trouble && { code: pool.trouble.code, reason: pool.trouble.reason }
          : { code: 'ConfigurationMissing', reason: problem },
      hasBeenReady: pool?.isInitialReached ?? false,
      scale: pool?.plan.scale,
    };
  };
}
