import Type from 'typebox';
import { AGE } from '../../core/core-kinds.ts';
import { text } from '../../schema.ts';
import { backingKind } from '../channelable.ts';

const secret = Type.Object(
  {
    name: Type.Optional(text('The Secret, in the namespace of the channel.')),
    key: Type.Optional(text('Its key with the service-account key in JSON.')),
    optional: Type.Optional(Type.Boolean({ description: 'Whether it may be missing.' })),
  },
  { description: 'By which key Pub/Sub is used; google-cloud-key and key.json unless named.' },
);

/** What Google's own channel was called (knative-gcp config/core/resources/channel.yaml); a PubSubChannel here. */
export const googleChannelKind = backingKind(
  {
    group: 'messaging.cloud.google.com',
    kind: 'Channel',
    plural: 'channels',
    singular: 'channel',
    shortNames: ['pschan'],
    categories: ['all', 'knative', 'pubsub', 'messaging', 'channel'],
    versions: ['v1beta1'],
  },
  {
    spec: {
      project: Type.Optional(text('The Google Cloud project, when not the one of pubsub-channel-config.')),
      secret: Type.Optional(secret),
      serviceAccountName: Type.Optional(
        text('Accepted, and without effect: there are no workload identities here.'),
      ),
    },
    columns: [
      { name: 'Ready', type: 'string', from: '.status.conditions[?(@.type=="Ready")].status' },
      { name: 'Reason', type: 'string', from: '.status.conditions[?(@.type=="Ready")].reason' },
      { name: 'Address', type: 'string', from: '.status.address.url' },
      AGE,
    ],
  },
);
