import { AGE } from '../../core/core-kinds.ts';
import { sourceKind } from '../source-kind.ts';
import { setRabbitmqSourceDefaults } from './defaults.ts';
import { rabbitmqSourceSpec, type RabbitmqSource } from './schema.ts';
import { rabbitmqSourceErrors } from './validate.ts';

/** The messages of a queue in RabbitMQ (eventing-rabbitmq config/source/300-rabbitmqsource.yaml). */
export const rabbitmqSourceKind = sourceKind<RabbitmqSource>(
  {
    kind: 'RabbitmqSource',
    plural: 'rabbitmqsources',
    singular: 'rabbitmqsource',
    versions: ['v1alpha1'],
    shortNames: ['rmqsource'],
    categories: ['all', 'knative', 'eventing', 'sources', 'importers'],
    webhook: 'validation.webhook.rabbitmq.sources.knative.dev',
  },
  {
    spec: rabbitmqSourceSpec,
    columns: [AGE],
    annotations: { 'registry.knative.dev/eventTypes': '[{ "type": "dev.knative.rabbitmq.event" }]' },
    setDefaults: setRabbitmqSourceDefaults,
    validate: rabbitmqSourceErrors,
  },
);
