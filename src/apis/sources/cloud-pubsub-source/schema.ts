import Type from 'typebox';
import { destination, text } from '../../schema.ts';
import type { SourceObject } from '../source-kind.ts';

export const cloudPubSubSourceSpec = {
  sink: destination('Where the events go.'), // required by the CRD, unlike with other sources
  serviceAccountName: Type.Optional(
    text('Accepted, and without effect: there are no workload identities here.'),
  ),
  secret: Type.Optional(
    Type.Object(
      {
        name: Type.Optional(text('The Secret, in the namespace of the source.')),
        key: Type.Optional(text('Its key with the service-account key in JSON.')),
        optional: Type.Optional(Type.Boolean({ description: 'Whether it may be missing.' })),
      },
      { description: 'By which key Pub/Sub is used; google-cloud-key and key.json unless named.' },
    ),
  ),
  project: Type.Optional(text('The Google Cloud project of the topic, when not the one of the platform.')),
  topic: text('Id of the topic within the project: laconia, not projects/my-proj/topics/laconia.'),
  ackDeadline: Type.Optional(
    text('After how long without a sign of life a message is handed out again: 30s, up to 10m.'),
  ),
  retainAckedMessages: Type.Optional(
    Type.Boolean({ description: 'Whether Pub/Sub keeps messages that were acknowledged.' }),
  ),
  retentionDuration: Type.Optional(text('How long Pub/Sub keeps messages: 168h, which is the most.')),
};

export const cloudPubSubSourceStatus = {
  projectId: Type.Optional(text('The project of the topic.')),
  topicId: Type.Optional(text('The topic that is read.')),
  subscriptionId: Type.Optional(text('The subscription that was made for the source.')),
  serviceAccountName: Type.Optional(text('Not used.')), // of v1beta1
};

/** Where a service-account key is: a Secret of the source's own namespace. */
export type SecretKey = { readonly name?: string; readonly key?: string; readonly optional?: boolean };

export type CloudPubSubSource = SourceObject & {
  readonly spec: SourceObject['spec'] & {
    readonly serviceAccountName?: string;
    readonly secret?: SecretKey;
    readonly project?: string;
    readonly topic: string;
    readonly ackDeadline?: string;
    readonly retainAckedMessages?: boolean;
    readonly retentionDuration?: string;
  };
  readonly status?: SourceObject['status'] & { readonly subscriptionId?: string };
};

export const CLOUD_PUBSUB_SOURCE = {
  apiVersion: 'events.cloud.google.com/v1',
  kind: 'CloudPubSubSource',
};

export const MESSAGE_PUBLISHED = 'google.cloud.pubsub.topic.v1.messagePublished';
