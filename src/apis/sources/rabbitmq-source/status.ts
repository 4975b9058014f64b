/** eventing-rabbitmq pkg/apis/sources/v1alpha1/rabbitmq_lifecycle.go, in the order in which they come true here. */
export const RABBITMQ_SOURCE_CONDITIONS: readonly string[] = [
  'SinkProvided',
  'SecretReady',
  'Deployed',
  'ExchangeReady',
  'ResourcesReady',
];
