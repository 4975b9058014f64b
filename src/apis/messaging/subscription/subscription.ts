import { AGE } from '../../core/core-kinds.ts';
import type { KindDefinition } from '../../kind.ts';
import { WEBHOOK } from '../channelable.ts';
import { setSubscriptionDefaults } from './defaults.ts';
import { subscriptionSchema, type Subscription } from './schema.ts';
import { subscriptionErrors } from './validate.ts';

export const subscriptionKind: KindDefinition<Subscription> = {
  group: 'messaging.knative.dev',
  versions: ['v1'],
  kind: 'Subscription',
  plural: 'subscriptions',
  singular: 'subscription',
  shortNames: ['sub'],
  categories: ['all', 'knative', 'messaging'],
  scope: 'Namespaced',
  schema: subscriptionSchema,
  columns: [
    AGE,
    { name: 'Ready', type: 'string', from: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Reason', type: 'string', from: '.status.conditions[?(@.type=="Ready")].reason' },
  ],
  subresources: { status: true },
  crd: { labels: { 'knative.dev/crd-install': 'true' }, annotations: {} },
  webhook: WEBHOOK,
  setDefaults: setSubscriptionDefaults,
  validate: subscriptionErrors,
};
