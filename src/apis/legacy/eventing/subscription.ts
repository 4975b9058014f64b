import Type, { type Static } from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import { missingField } from '../../field-error.ts';
import type { AdmissionContext, FieldError, KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { int64, text } from '../../schema.ts';
import { both, channelReferenceErrors, immutableThen, referenceErrors } from '../field-errors.ts';
import { isEmpty, LEGACY_WEBHOOK, legacyKind, READY_COLUMNS, referenceThen } from '../legacy-kind.ts';
import { EVENTING_THEN } from './cluster-channel-provisioner.ts';

const subscriptionSpec = Type.Object(
  {
    generation: Type.Optional(int64('Not used.')),
    channel: Type.Optional(referenceThen('The Channel of the same namespace.')),
    subscriber: Type.Optional(
      Type.Object(
        {
          ref: Type.Optional(referenceThen('Who gets the events.')),
          dnsName: Type.Optional(text('The same, by DNS name.')),
        },
        { description: 'Who gets the events.' },
      ),
    ),
    reply: Type.Optional(
      Type.Object(
        { channel: Type.Optional(referenceThen('The Channel that gets them.')) },
        { description: 'Where the answers go.' },
      ),
    ),
  },
  { description: 'What is desired.' },
);

/** Who got the events of a channel with Knative 0.2 (eventing v0.2.0, subscription_types.go). */
export type ChannelSubscription = Resource & { readonly spec?: Static<typeof subscriptionSpec> };

export const CHANNEL_SUBSCRIPTION = { apiVersion: EVENTING_THEN, kind: 'Subscription' };

export const CHANNEL_SUBSCRIPTION_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['Resolved', 'ChannelReady'],
};

/**
 * Its short name `sub` is left out: it always means today's Subscription, and kubectl would warn of the second meaning
 * each time that somebody uses it.
 */
export const channelSubscriptionKind: KindDefinition<ChannelSubscription> = legacyKind<ChannelSubscription>(
  {
    group: 'eventing.knative.dev',
    kind: 'Subscription',
    plural: 'subscriptions',
    singular: 'subscription',
    webhook: LEGACY_WEBHOOK,
  },
  {
    spec: subscriptionSpec,
    status: {
      physicalSubscription: Type.Optional(
        Type.Object(
          {
            subscriberURI: Type.Optional(text('Where events really go.')),
            replyURI: Type.Optional(text('Where answers really go.')),
          },
          { description: 'The resolved addresses.' },
        ),
      ),
    },
    columns: READY_COLUMNS,
    validate: subscriptionErrors,
  },
);

/** subscription_validation.go. */
function subscriptionErrors({ spec }: ChannelSubscription, { old }: AdmissionContext): FieldError[] {
  const { channel, subscriber, reply } = spec ?? {};
  if (channel === undefined || isEmpty(channel))
    return [{ ...missingField('spec.channel'), details: 'the Subscription must reference a channel' }];
  const errors = channelReferenceErrors(channel, 'spec.channel');
  const isSubscribed = !isEmpty(subscriber?.ref) || !!subscriber?.dnsName;
  if (!isSubscribed && isEmpty(reply?.channel))
    errors.push({
      ...missingField('spec.reply', 'spec.subscriber'),
      details: 'the Subscription must reference at least one of (reply or a subscriber)',
    });
  if (subscriber?.dnsName && !isEmpty(subscriber.ref))
    errors.push(both('spec.subscriber.ref', 'spec.subscriber.dnsName'));
  if (subscriber?.ref !== undefined && !isEmpty(subscriber.ref))
    errors.push(...referenceErrors(subscriber.ref, 'spec.subscriber.ref'));
  if (reply?.channel !== undefined && !isEmpty(reply.channel))
    errors.push(...channelReferenceErrors(reply.channel, 'spec.reply.channel'));
  const before = (old as ChannelSubscription | undefined)?.spec?.channel;
  return [
    ...errors,
    ...(before === undefined ? [] : immutableThen('{v1alpha1.SubscriptionSpec}.Channel', before, channel)),
  ];
}
