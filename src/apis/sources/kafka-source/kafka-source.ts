import { AGE } from '../../core/core-kinds.ts';
import { READY_COLUMNS, sourceKind } from '../source-kind.ts';
import { setKafkaSourceDefaults } from './defaults.ts';
import { kafkaSourceSpec, kafkaSourceStatus, type KafkaSource } from './schema.ts';
import { kafkaSourceErrors, kafkaSourceWarnings } from './validate.ts';

/** The records of topics (eventing-kafka-broker control-plane/config/eventing-kafka-broker/100-source). */
export const kafkaSourceKind = sourceKind<KafkaSource>(
  {
    kind: 'KafkaSource',
    plural: 'kafkasources',
    singular: 'kafkasource',
    versions: ['v1', 'v1beta1'],
    categories: ['all', 'knative', 'eventing', 'sources'],
    webhook: 'validation.webhook.kafka.eventing.knative.dev',
  },
  {
    spec: kafkaSourceSpec,
    status: kafkaSourceStatus,
    columns: [
      { name: 'Topics', type: 'string', from: '.spec.topics' },
      { name: 'BootstrapServers', type: 'string', from: '.spec.bootstrapServers' },
      ...READY_COLUMNS,
      AGE,
    ],
    annotations: { 'registry.knative.dev/eventTypes': '[{ "type": "dev.knative.kafka.event" }]' },
    scale: {
      specReplicasPath: '.spec.consumers',
      statusReplicasPath: '.status.consumers',
      labelSelectorPath: '.status.selector',
    },
    setDefaults: setKafkaSourceDefaults,
    validate: kafkaSourceErrors,
    warn: kafkaSourceWarnings,
  },
);
