import type { KafkaChannel } from './schema.ts';

/** kafka_channel_defaults.go; PT168H is what its topic is made with when nothing is said. */
export function setKafkaDefaults(channel: KafkaChannel): KafkaChannel {
  const { numPartitions = 0, replicationFactor = 0, retentionDuration = '', ...spec } = channel.spec ?? {};
  return {
    ...channel,
    spec: {
      numPartitions: numPartitions === 0 ? 1 : numPartitions,
      replicationFactor: replicationFactor === 0 ? 1 : replicationFactor,
      retentionDuration: retentionDuration === '' ? 'PT168H' : retentionDuration,
      ...spec,
    },
  };
}
