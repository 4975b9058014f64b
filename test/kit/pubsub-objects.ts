import type { CloudPubSubSource } from '../../src/apis/sources/cloud-pubsub-source/schema.ts';

/** A CloudPubSubSource in namespace default, of the topic `laconia`. */
export function aCloudPubSubSource(
  name: string,
  spec: Readonly<Record<string, unknown>> = {},
): CloudPubSubSource {
  return {
    apiVersion: 'events.cloud.google.com/v1',
    kind: 'CloudPubSubSource',
    metadata: { name, namespace: 'default', uid: `uid-of-${name}` },
    spec: { topic: 'laconia', sink: { uri: 'http://sink.example/' }, ...spec },
  } as CloudPubSubSource;
}
