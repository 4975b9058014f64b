import { isFalse } from '../../apis/conditions.ts';
import { GITHUB_SOURCE, type GitHubSource } from '../../apis/sources/github-source/schema.ts';
import { GITHUB_SOURCE_CONDITIONS } from '../../apis/sources/github-source/status.ts';
import type { SourceKind } from '../source.ts';
import { planWebhook, webhookUrlOf, type WebhookPlan } from './life/plan.ts';

/** Deliveries come in at the door (receiver.ts); what this runs is the webhook that they come through. */
export const gitHubSource: SourceKind<GitHubSource, WebhookPlan> = {
  kind: GITHUB_SOURCE,
  conditions: GITHUB_SOURCE_CONDITIONS.dependents,
  leavesSomething: true,
  plan(source, readSecret, context) {
    const taken = context.addressTaken?.(source);
    if (taken === undefined) return planWebhook(source, readSecret, context);
    return { kind: 'missing', mark: isFalse('WebhookConfigured', 'AddressTaken', taken) };
  },
  fields: (source, context) => ({ webhookURL: webhookUrlOf(source, context) }),
  ceAttributes({ spec: { eventTypes, ownerAndRepository } }) {
    const types = eventTypes.includes('*') ? ['*'] : eventTypes;
    return types.map((type) => ({
      type: `dev.knative.source.github.${type}`,
      source: `https://github.com/${ownerAndRepository}`,
    }));
  },
  load: async () => (await import('./life/adapter.ts')).gitHubAdapter(),
};
