import type { ConditionSet } from '../../conditions.ts';

/** networking pkg/apis/networking/v1alpha1/ingress_lifecycle.go. */
export const INGRESS_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['LoadBalancerReady', 'NetworkConfigured'],
};
