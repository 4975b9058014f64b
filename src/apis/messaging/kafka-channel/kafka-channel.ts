import { backingKind } from '../channelable.ts';
import { KAFKA_COLUMNS, kafkaSpec, type KafkaChannel } from './schema.ts';
import { setKafkaDefaults } from './defaults.ts';
import { kafkaErrors } from './validate.ts';

/** Upstream's KafkaChannel: its events are in a topic of Kafka (eventing-kafka-broker, 100-kafka-channel.yaml). */
export const kafkaChannelKind = backingKind<KafkaChannel>(
  {
    kind: 'KafkaChannel',
    plural: 'kafkachannels',
    singular: 'kafkachannel',
    shortNames: ['kc'],
    versions: ['v1', 'v1beta1'],
  },
  { spec: kafkaSpec, columns: KAFKA_COLUMNS, setDefaults: setKafkaDefaults, validate: kafkaErrors },
);
