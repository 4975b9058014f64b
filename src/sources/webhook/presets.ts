import type { AttributeSpec, PRESETS, VerificationSpec } from '../../apis/sources/webhook-source/schema.ts';

type Preset = { readonly verification: VerificationSpec; readonly attributes: AttributeSpec };

/** What each service documents; the vectors that it publishes are in test/sources/webhook/published.test.ts. */
const ALL: Readonly<Record<(typeof PRESETS)[number], Preset>> = {
  // docs.stripe.com/webhooks#verify-manually; an event keeps its id when it is sent again.
  stripe: {
    verification: { stripe: {} },
    attributes: {
      type: { pointer: '/type', prefix: 'com.stripe.', default: 'com.stripe.event' },
      id: { pointer: '/id' },
      time: { pointer: '/created' },
      subject: { pointer: '/data/object/id' },
      extensions: { stripeaccount: { pointer: '/account' } },
    },
  },
  // docs.slack.dev/authentication/verifying-requests-from-slack; commands and interactions are forms without an id.
  slack: {
    verification: { slack: {} },
    attributes: {
      type: { pointer: '/event/type', prefix: 'com.slack.', default: 'com.slack.request' },
      id: { pointer: '/event_id' },
      time: { pointer: '/event_time' },
      extensions: { slackteam: { pointer: '/team_id' } },
    },
  },
  // The payload's own members are those that the specification recommends.
  'standard-webhooks': {
    verification: { standardWebhooks: {} },
    attributes: {
      type: { pointer: '/type' },
      id: { header: 'webhook-id' },
      time: { pointer: '/timestamp' },
    },
  },
  // docs.svix.com/receiving/verifying-payloads/how-manual
  svix: {
    verification: { standardWebhooks: { headerPrefix: 'svix' } },
    attributes: {
      type: { pointer: '/type' },
      id: { header: 'svix-id' },
      time: { pointer: '/timestamp' },
    },
  },
  // docs.gitlab.com/user/project/integrations/webhooks: Idempotency-Key stays the same when a delivery is tried again.
  gitlab: {
    verification: { token: { header: 'X-Gitlab-Token' } },
    attributes: {
      type: { pointer: '/object_kind', prefix: 'com.gitlab.', default: 'com.gitlab.event' },
      source: { pointer: '/project/web_url' },
      id: { header: 'Idempotency-Key' },
      extensions: { gitlabinstance: { header: 'X-Gitlab-Instance' } },
    },
  },
};

export function presetOf(name: (typeof PRESETS)[number] | undefined): Preset | undefined {
  return name && ALL[name];
}
