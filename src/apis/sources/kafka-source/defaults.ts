import { randomUUID } from 'node:crypto';
import type { AdmissionContext } from '../../kind.ts';
import type { KafkaSource } from './schema.ts';

const GROUP_PREFIX = 'knative-kafka-source-';

/**
 * eventing-kafka-broker control-plane/pkg/apis/sources/v1/kafka_defaults.go. A source that is replaced by one that names no
 * group keeps the one it has: that is immutable.
 */
export function setKafkaSourceDefaults(source: KafkaSource, { old }: AdmissionContext): KafkaSource {
  const { spec } = source;
  const before = (old as KafkaSource | undefined)?.spec?.consumerGroup;
  return {
    ...source,
    spec: {
      ...spec,
      consumerGroup: spec?.consumerGroup || before || `${GROUP_PREFIX}${randomUUID()}`,
      consumers: spec?.consumers ?? 1,
      initialOffset: spec?.initialOffset || 'latest',
      ordering: spec?.ordering ?? 'ordered',
    },
  };
}
