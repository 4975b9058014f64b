import type { KindName } from '../control/resource-client.ts';
import type { BackendAdapter } from '../channels/backend.ts';

/** A channel kind whose events are in a broker. Its adapter is loaded when the first such channel is opened. */
export type BackedKind = KindName & {
  readonly configMap: string;
  readonly load: () => Promise<BackendAdapter>;
};

const pubsub = {
  configMap: 'pubsub-channel-config',
  load: async () => (await import('../channels/pubsub/pubsub-adapter.ts')).pubsubAdapter,
};

export const BACKED_KINDS: readonly BackedKind[] = [
  {
    apiVersion: 'messaging.knative.dev/v1beta1',
    kind: 'KafkaChannel',
    configMap: 'kafka-channel-config',
    load: async () => (await import('../channels/kafka/kafka-adapter.ts')).kafkaAdapter,
  },
  {
    apiVersion: 'messaging.knative.dev/v1alpha1',
    kind: 'RabbitmqChannel',
    configMap: 'rabbitmq-channel-config',
    load: async () => (await import('../channels/rabbitmq/rabbitmq-adapter.ts')).rabbitmqAdapter,
  },
  { apiVersion: 'messaging.knative.dev/v1alpha1', kind: 'PubSubChannel', ...pubsub },
  { apiVersion: 'messaging.cloud.google.com/v1beta1', kind: 'Channel', ...pubsub },
];

/** All kinds that keep events, the embedded ones first. */
export const BACKING_KINDS: readonly KindName[] = [
  { apiVersion: 'messaging.knative.dev/v1alpha1', kind: 'LogChannel' },
  { apiVersion: 'messaging.knative.dev/v1', kind: 'InMemoryChannel' },
  ...BACKED_KINDS.map(({ apiVersion, kind }) => ({ apiVersion, kind })),
];
