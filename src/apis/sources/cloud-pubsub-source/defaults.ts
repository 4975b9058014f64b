import type { CloudPubSubSource } from './schema.ts';

/** What knative-gcp ships in ConfigMap config-gcp-auth. */
export const DEFAULT_SECRET = { name: 'google-cloud-key', key: 'key.json' } as const;
const ACK_DEADLINE = '30s';
const RETENTION = '168h0m0s';

/** knative-gcp pkg/apis/events/v1/cloudpubsubsource_defaults.go, pkg/apis/duck/v1/pubsub_defaults.go. */
export function setCloudPubSubSourceDefaults(source: CloudPubSubSource): CloudPubSubSource {
  const { secret, serviceAccountName = '', ackDeadline, retentionDuration, ...rest } = source.spec ?? {};
  const isNamed = secret !== undefined && Object.keys(secret).length > 0;
  const used = isNamed ? secret : serviceAccountName === '' ? DEFAULT_SECRET : undefined;
  return {
    ...source,
    spec: {
      ...rest,
      ...(serviceAccountName !== '' && { serviceAccountName }),
      ...(used !== undefined && { secret: used }),
      ackDeadline: ackDeadline ?? ACK_DEADLINE,
      retentionDuration: retentionDuration ?? RETENTION,
    },
  };
}
