import type { ConditionSet } from '../../conditions.ts';

/** serving pkg/apis/autoscaling/v1alpha1/pa_lifecycle.go */
export const POD_AUTOSCALER_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['Active', 'ScaleTargetInitialized', 'SKSReady'],
};
