import { parseIsoDuration } from '../../../base/duration.ts';
import { immutable, invalidValue } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import type { KafkaChannel } from './schema.ts';

const REPLICAS_MAX = 32_767;

/** kafka_channel_validation.go. */
export function kafkaErrors(channel: KafkaChannel, old: KafkaChannel | undefined): FieldError[] {
  const { numPartitions = 0, replicationFactor = 0, retentionDuration = '' } = channel.spec ?? {};
  const isReplicated = replicationFactor > 0 && replicationFactor <= REPLICAS_MAX;
  return [
    ...(numPartitions > 0 ? [] : [invalidValue(numPartitions, 'spec.numPartitions')]),
    ...(isReplicated ? [] : [invalidValue(replicationFactor, 'spec.replicationFactor')]),
    ...(parseIsoDuration(retentionDuration) === undefined
      ? [invalidValue(retentionDuration, 'spec.retentionDuration')]
      : []),
    ...(old === undefined ? [] : immutable('{v1beta1.KafkaChannelSpec}', topicOf(old), topicOf(channel))),
  ];
}

/** What its topic is made with, once and for all. */
function topicOf({ spec }: KafkaChannel): object {
  const { numPartitions, replicationFactor, retentionDuration } = spec ?? {};
  return { numPartitions, replicationFactor, retentionDuration };
}
