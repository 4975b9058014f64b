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

/**
 * Of a channel whose events are in a broker (eventing-kafka-broker, pkg/reconciler/base/receiver_condition_set.go).
 * `TopicReady` speaks of the exchange of a RabbitmqChannel, too.
 */
export const BACKED_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: [
    'ConfigParsed',
    'DataPlaneAvailable',
    'TopicReady',
    'Addressable',
    'ChannelServiceReady',
    'DeadLetterSinkResolved',
    'EventPoliciesReady',
  ],
};
