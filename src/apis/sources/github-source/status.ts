import type { ConditionSet } from '../../conditions.ts';

/** eventing-github pkg/apis/sources/v1alpha1/githubsource_types.go. */
export const GITHUB_SOURCE_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['SecretsProvided', 'SinkProvided', 'WebhookConfigured'],
};
