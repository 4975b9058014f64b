import type { ConditionSet } from '../../conditions.ts';

/** serving pkg/apis/serving/v1/route_lifecycle.go. */
export const ROUTE_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['AllTrafficAssigned', 'CertificateProvisioned', 'IngressReady'],
};
