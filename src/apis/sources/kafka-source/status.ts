/** eventing-kafka-broker control-plane/pkg/apis/sources/v1/kafka_lifecycle.go, in the order in which they come true. */
export const KAFKA_SOURCE_CONDITIONS: readonly string[] = [
  'SinkProvided',
  'Deployed',
  'ConnectionEstablished',
  'InitialOffsetsCommitted',
  'OIDCIdentityCreated',
];
