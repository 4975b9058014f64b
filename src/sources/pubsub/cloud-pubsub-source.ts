import {
  CLOUD_PUBSUB_SOURCE,
  MESSAGE_PUBLISHED,
  type CloudPubSubSource,
} from '../../apis/sources/cloud-pubsub-source/schema.ts';
import { CLOUD_PUBSUB_SOURCE_CONDITIONS } from '../../apis/sources/cloud-pubsub-source/status.ts';
import type { SourceKind } from '../source.ts';
import { idOf, planCloudPubSubSource, type PubSubPlan } from './plan.ts';

export const cloudPubSubSource: SourceKind<CloudPubSubSource, PubSubPlan> = {
  kind: CLOUD_PUBSUB_SOURCE,
  conditions: CLOUD_PUBSUB_SOURCE_CONDITIONS,
  plan: (source, readSecret, context) => planCloudPubSubSource(source, readSecret, context, process.env),
  ceAttributes: (_source, _context, plan) =>
    plan === undefined ? [] : [{ type: MESSAGE_PUBLISHED, source: `//pubsub.googleapis.com/${plan.topic}` }],
  fields: ({ status }, _context, plan) => ({
    projectId: plan?.settings.project,
    topicId: plan === undefined ? undefined : idOf(plan.topic),
    subscriptionId: status?.subscriptionId, // what it says while it runs stays when it does not
  }),
  leavesSomething: true,
  load: async () => (await import('./cloud-pubsub-adapter.ts')).cloudPubSubAdapter(),
};
