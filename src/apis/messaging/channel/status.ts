import type { ConditionSet } from '../../conditions.ts';

/** eventing pkg/apis/messaging/v1/channel_lifecycle.go. */
export const CHANNEL_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['BackingChannelReady', 'Addressable', 'DeadLetterSinkResolved', 'EventPoliciesReady'],
};
