import type { ConditionSet } from '../../conditions.ts';

/** eventing pkg/apis/sources/v1/container_lifecycle.go. */
export const CONTAINER_SOURCE_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['SinkBindingReady', 'ReceiveAdapterReady'],
};
