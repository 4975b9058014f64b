import type { InstanceEvent } from '../serving/activator/pool-tools.ts';
import type { InstanceView } from '../serving/control/revision-reconciler.ts';
import type { Serving } from '../serving/serving.ts';

/** What the control plane is told of a revision's instances: from the activator, and what it has seen in this run. */
export class InstanceStates {
  readonly #ready = new Set<string>();

  observe({ kind, revision }: InstanceEvent): void {
    if (kind === 'ready') this.#ready.add(revision);
  }

  /** `problemOf` tells why a revision has no plan at all. */
  view(serving: Serving, problemOf: (key: string) => string | undefined): InstanceView {
    return (key) => {
      const { ready, desired } = serving.countsOf(key);
      const problem = problemOf(key);
      const trouble = serving.poolOf(key)?.trouble;
      return {
        ready,
        // What is ready and not draining is wanted: a revision told of once must not show 1 of 0 until its next change.
        desired: Math.max(ready, desired),
        trouble:
          problem === undefined
            ? trouble && { code: trouble.code, reason: trouble.reason }
            : { code: 'ConfigurationMissing', reason: problem },
        hasBeenReady: this.#ready.has(key),
        scale: serving.poolOf(key)?.plan.scale,
      };
    };
  }
}
