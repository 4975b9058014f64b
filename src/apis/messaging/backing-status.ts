import type { ConditionSet } from '../conditions.ts';

/** Of a channel that keeps events (eventing in_memory_channel_lifecycle.go, less what only Kubernetes has). */
export const BACKING_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: [
    'DispatcherReady',
    'ServiceReady',
    'EndpointsReady',
    'Addressable',
    'ChannelServiceReady',
    'DeadLetterSinkResolved',
    'EventPoliciesReady',
  ],
};
