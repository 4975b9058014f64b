import type { RabbitmqSource } from './schema.ts';

/** eventing-rabbitmq pkg/apis/sources/v1alpha1/rabbitmq_defaults.go, and the CRD's own default. */
export function setRabbitmqSourceDefaults(source: RabbitmqSource): RabbitmqSource {
  const { rabbitmqClusterReference: cluster, rabbitmqResourcesConfig: resources } = source.spec ?? {};
  const namespace = cluster?.namespace || source.metadata.namespace;
  return {
    ...source,
    spec: {
      ...source.spec,
      ...(cluster !== undefined && {
        rabbitmqClusterReference: { ...cluster, ...(namespace !== undefined && { namespace }) },
      }),
      ...(resources !== undefined && { rabbitmqResourcesConfig: { parallelism: 1, ...resources } }),
    },
  };
}
