import Type, { type Static } from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import { missingField } from '../../field-error.ts';
import type { AdmissionContext, FieldError, KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { text } from '../../schema.ts';
import { immutableThen } from '../field-errors.ts';
import { LEGACY_WEBHOOK, legacyKind } from '../legacy-kind.ts';
import { CHANNELS_GROUP } from './bus.ts';
import { argumentList } from './channel.ts';

const subscriptionSpec = Type.Object(
  {
    channel: Type.Optional(text('The Channel of the same namespace.')),
    subscriber: Type.Optional(text('DNS name of who gets the events.')),
    replyTo: Type.Optional(text('DNS name of where the answers go.')),
    arguments: Type.Optional(argumentList),
  },
  { description: 'What is desired.' },
);

/** Who got the events of a channel in July 2018 (eventing 540e45168, subscription_types.go). */
export type BusSubscription = Resource & { readonly spec?: Static<typeof subscriptionSpec> };

export const BUS_SUBSCRIPTION = { apiVersion: `${CHANNELS_GROUP}/v1alpha1`, kind: 'Subscription' };

export const BUS_SUBSCRIPTION_CONDITIONS: ConditionSet = { happy: 'Ready', dependents: ['Dispatching'] };

export const busSubscriptionKind: KindDefinition<BusSubscription> = legacyKind<BusSubscription>(
  {
    group: CHANNELS_GROUP,
    kind: 'Subscription',
    plural: 'subscriptions',
    singular: 'subscription',
    webhook: LEGACY_WEBHOOK,
  },
  { spec: subscriptionSpec, validate: subscriptionErrors },
);

/** subscription_validation.go, and a subscriber, without which nothing can be delivered. */
function subscriptionErrors({ spec }: BusSubscription, { old }: AdmissionContext): FieldError[] {
  const { channel = '', subscriber = '', replyTo = '' } = spec ?? {};
  if (channel === '')
    return [{ ...missingField('spec.channel'), details: 'the Subscription must reference a Channel' }];
  if (subscriber === '') return [missingField('spec.subscriber')];
  if (old === undefined) return [];
  const before = (old as BusSubscription).spec;
  return immutableThen(
    '{v1alpha1.SubscriptionSpec}',
    { channel: before?.channel ?? '', replyTo: before?.replyTo ?? '' },
    { channel, replyTo },
  );
}
