import { deliveryErrors } from '../../delivery.ts';
import { below, disallowedField, immutable, missingField, outOfBounds } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { PARALLELISM_MAX, type RabbitmqSource } from './schema.ts';

const NAME_BYTES_MAX = 255; // AMQP 0-9-1, 3.1.1: a name is a short string

/** eventing-rabbitmq pkg/apis/sources/v1alpha1/rabbitmq_validation.go, which names the first fault. */
export function rabbitmqSourceErrors({ spec }: RabbitmqSource, { old }: AdmissionContext): FieldError[] {
  const { rabbitmqResourcesConfig: resources, rabbitmqClusterReference: cluster, delivery } = spec ?? {};
  if (resources === undefined) return [missingField('spec.rabbitmqResourcesConfig')];
  if (resources.predeclared !== true && !resources.exchangeName)
    return [
      {
        message: 'Name of exchange must be provided when spec.predeclared is false',
        paths: ['spec', 'exchangeConfig', 'name'],
      },
    ];
  const clusterErrors = clusterReferenceErrors(cluster);
  if (clusterErrors.length > 0) return clusterErrors;
  const changed =
    old === undefined ? [] : immutable('{v1alpha1.RabbitmqSourceSpec}', (old as RabbitmqSource).spec, spec);
  if (changed.length > 0) return changed;
  return [
    ...below('spec.rabbitmqResourcesConfig', resourcesErrors(resources)),
    ...below('spec.delivery', deliveryErrors(delivery)),
  ];
}

function clusterReferenceErrors(
  cluster: RabbitmqSource['spec']['rabbitmqClusterReference'] | undefined,
): FieldError[] {
  if (cluster === undefined) return [missingField('spec.rabbitmqClusterReference')];
  const { name, connectionSecret } = cluster;
  if (name && connectionSecret !== undefined)
    return [disallowedField('spec.rabbitmqClusterReference.connectionSecret')];
  if (name) return [];
  if (connectionSecret === undefined) return [missingField('spec.rabbitmqClusterReference.name')];
  // Upstream would look for a Secret without a name, for ever.
  return connectionSecret.name ? [] : [missingField('spec.rabbitmqClusterReference.connectionSecret.name')];
}

/** Upstream takes a source without a queue, which can never run; its spec is immutable, so it is told at once. */
function resourcesErrors(resources: RabbitmqSource['spec']['rabbitmqResourcesConfig']): FieldError[] {
  const { queueName, exchangeName, parallelism = 1 } = resources;
  const errors: FieldError[] = [];
  if (!queueName) errors.push(missingField('queueName'));
  if (parallelism < 1 || parallelism > PARALLELISM_MAX)
    errors.push(outOfBounds(parallelism, 1, PARALLELISM_MAX, 'Parallelism'));
  for (const [field, name = ''] of Object.entries({ queueName, exchangeName })) {
    const bytes = Buffer.byteLength(name);
    if (bytes > NAME_BYTES_MAX) errors.push(outOfBounds(`${bytes} bytes`, 1, NAME_BYTES_MAX, field));
  }
  return errors;
}
