import type { InstanceView } from '../serving/control/revision-reconciler.ts';
import type { InstanceSpec, Unmet } from '../serving/runtime/runtime.ts';
import type { Serving } from '../serving/serving.ts';

/** How a revision's instances stand; `problemOf` tells why one has no plan at all, `unmetOf` what of it cannot be done here. */
export function instanceView(
  serving: Serving,
  problemOf: (key: string) => string | undefined,
  unmetOf: (spec: InstanceSpec) => readonly Unmet[],
): InstanceView {
  return (key) => {
    const { ready, desired } = serving.countsOf(key);
    const problem = problemOf(key);
    const pool = serving.poolOf(key);
    const unmet = pool === undefined ? [] : unmetOf(pool.plan.instance);
    return {
      ready,
      // What is ready and not draining is wanted: a revision told of once must not show 1 of 0 until its next change.
      desired: Math.max(ready, desired),
      trouble:
        troubleOf(problem, unmet) ??
        (pool?.trouble && { code: pool.trouble.code, reason: pool.trouble.reason }),
      ignored: unmet.filter(({ kind }) => kind === 'ignored').map(({ message }) => message),
      hasBeenReady: pool?.isInitialReached ?? false,
      scale: pool?.plan.scale,
      containers: pool?.plan.instance.containers ?? [],
    };
  };
}

/** Known before anything is started. */
function troubleOf(
  problem: string | undefined,
  unmet: readonly Unmet[],
): { readonly code: string; readonly reason: string } | undefined {
  if (problem !== undefined) return { code: 'ConfigurationMissing', reason: problem };
  const refused = unmet.find(({ kind }) => kind === 'refused');
  return refused && { code: 'ContainerCannotRun', reason: refused.message };
}
