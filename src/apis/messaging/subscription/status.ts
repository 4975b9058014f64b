import type { ConditionSet } from '../../conditions.ts';

/** eventing pkg/apis/messaging/v1/subscription_lifecycle.go. */
export const SUBSCRIPTION_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['ReferencesResolved', 'AddedToChannel', 'ChannelReady', 'OIDCIdentityCreated'],
};
