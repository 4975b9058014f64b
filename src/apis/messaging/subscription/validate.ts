import { deliveryErrors, destinationErrors } from '../../delivery.ts';
import { below, disallowedField, immutable, missingField } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { annotationErrors } from '../channelable.ts';
import type { Subscription } from './schema.ts';

/** eventing pkg/apis/messaging/v1/subscription_validation.go. */
export function subscriptionErrors(subscription: Subscription, { old }: AdmissionContext): FieldError[] {
  const { channel, subscriber, reply, delivery } = subscription.spec ?? {};
  const before = (old as Subscription | undefined)?.spec.channel;
  return [
    ...channelErrors(channel),
    ...(subscriber === undefined
      ? [{ ...missingField('spec.subscriber'), details: 'the Subscription must reference a subscriber' }]
      : below('spec.subscriber', destinationErrors(subscriber))),
    ...(reply === undefined ? [] : below('spec.reply', destinationErrors(reply))),
    ...below('spec.delivery', deliveryErrors(delivery)),
    ...annotationErrors(subscription.metadata.annotations ?? {}),
    ...(before === undefined ? [] : immutable('{v1.SubscriptionSpec}.Channel', before, channel)),
  ];
}

function channelErrors(channel: Subscription['spec']['channel'] | undefined): FieldError[] {
  if (channel === undefined)
    return [{ ...missingField('spec.channel'), details: 'the Subscription must reference a channel' }];
  const missing = (['name', 'kind', 'apiVersion'] as const)
    .filter((field) => !channel[field])
    .map((field) => missingField(`spec.channel.${field}`));
  const { namespace } = channel;
  const extra =
    namespace === undefined
      ? []
      : [
          {
            ...disallowedField('spec.channel.namespace'),
            details: 'only name, apiVersion and kind are supported fields',
          },
        ];
  return [...missing, ...extra];
}
