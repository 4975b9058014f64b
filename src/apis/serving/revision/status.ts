import type { ConditionSet } from '../../conditions.ts';

/** serving pkg/apis/serving/v1/revision_lifecycle.go; `Active` informs and is no part of Ready. */
export const REVISION_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['ResourcesAvailable', 'ContainerHealthy'],
};
