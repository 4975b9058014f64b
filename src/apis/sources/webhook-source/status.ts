import type { ConditionSet } from '../../conditions.ts';

/** Named as those of a GitHubSource. */
export const WEBHOOK_SOURCE_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['SecretsProvided', 'SinkProvided', 'WebhookConfigured'],
};
