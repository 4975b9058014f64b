import type { ConditionSet } from '../../conditions.ts';

/** eventing pkg/apis/sources/v1/sinkbinding_lifecycle.go. */
export const SINK_BINDING_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: [
    'SinkBindingAvailable',
    'SinkProvided',
    'OIDCIdentityCreated',
    'OIDCTokenSecretCreated',
    'TrustBundlePropagated',
  ],
};
