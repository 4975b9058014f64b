import type { Labels } from '../../telemetry/exposition.ts';

/** Whose revision it is, for labels. */
export type RevisionIdentity = {
  readonly namespace: string;
  readonly service: string;
  readonly configuration: string;
  readonly revision: string;
};

/** Attributes of today's metrics, as OpenTelemetry's exporter writes their names. */
export function labelsNow({ namespace, service, configuration, revision }: RevisionIdentity): Labels {
  return {
    k8s_namespace_name: namespace,
    kn_service_name: service,
    kn_configuration_name: configuration,
    kn_revision_name: revision,
  };
}

/** Labels of the metrics before v1.19. */
export function labelsFormer({ namespace, service, configuration, revision }: RevisionIdentity): Labels {
  return {
    namespace_name: namespace,
    service_name: service,
    configuration_name: configuration,
    revision_name: revision,
  };
}
