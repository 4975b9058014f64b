import { deliveryErrors } from '../../delivery.ts';
import { below, disallowedField, immutable, missingField } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { annotationErrors, CONTROLLER_USER } from '../channelable.ts';
import type { Channel } from './schema.ts';

/** eventing pkg/apis/messaging/v1/channel_validation.go. */
export function channelErrors(channel: Channel, { old, user }: AdmissionContext): FieldError[] {
  const { channelTemplate, subscribers = [], delivery } = channel.spec ?? {};
  const missing = (['apiVersion', 'kind'] as const)
    .filter((field) => !channelTemplate?.[field])
    .map((field) => `spec.channelTemplate.${field}`);
  const before = (old as Channel | undefined)?.spec?.channelTemplate;
  return [
    ...(channelTemplate === undefined
      ? [missingField('spec.channelTemplate')]
      : missing.map((path) => missingField(path))),
    ...(subscribers.length > 0 && user !== CONTROLLER_USER
      ? [disallowedField('spec.subscribable.subscribers')]
      : []),
    ...(old === undefined ? [] : immutable('{v1.ChannelSpec}.ChannelTemplate', before, channelTemplate)),
    ...below('spec.delivery', deliveryErrors(delivery)),
    ...annotationErrors(channel.metadata.annotations ?? {}),
  ];
}
