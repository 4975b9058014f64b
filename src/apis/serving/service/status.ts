import type { ConditionSet } from '../../conditions.ts';

/** serving pkg/apis/serving/v1/service_lifecycle.go. */
export const SERVICE_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['ConfigurationsReady', 'RoutesReady'],
};
