import { AGE } from '../../core/core-kinds.ts';
import type { KindDefinition } from '../../kind.ts';
import { READY_COLUMNS, sourceKind } from '../source-kind.ts';
import { setCloudPubSubSourceDefaults } from './defaults.ts';
import {
  cloudPubSubSourceSpec,
  cloudPubSubSourceStatus,
  MESSAGE_PUBLISHED,
  type CloudPubSubSource,
} from './schema.ts';
import { cloudPubSubSourceErrors } from './validate.ts';

const SCHEMA =
  'https://raw.githubusercontent.com/googleapis/google-cloudevents/master/proto/google/events/cloud/pubsub/v1/data.proto';

const shared = sourceKind<CloudPubSubSource>(
  {
    group: 'events.cloud.google.com',
    kind: 'CloudPubSubSource',
    plural: 'cloudpubsubsources',
    singular: 'cloudpubsubsource',
    versions: ['v1', 'v1beta1'],
    categories: ['all', 'knative', 'cloudpubsubsource', 'sources'],
    webhook: 'validation.webhook.events.cloud.google.com',
  },
  {
    spec: cloudPubSubSourceSpec,
    status: cloudPubSubSourceStatus,
    columns: [...READY_COLUMNS, AGE],
    setDefaults: setCloudPubSubSourceDefaults,
  },
);

/** Messages of a Pub/Sub topic as events (knative-gcp config/core/resources/cloudpubsubsource.yaml). */
export const cloudPubSubSourceKind: KindDefinition<CloudPubSubSource> = {
  ...shared,
  crd: {
    labels: {
      'duck.knative.dev/source': 'true',
      'events.cloud.google.com/release': 'devel',
      'events.cloud.google.com/crd-install': 'true',
    },
    annotations: {
      'registry.knative.dev/eventTypes': JSON.stringify([
        {
          type: MESSAGE_PUBLISHED,
          schema: SCHEMA,
          description: 'This event is sent when a message is published to a Cloud Pub/Sub topic.',
        },
      ]),
    },
  },
  validate: cloudPubSubSourceErrors, // an empty sink is said otherwise than with Knative's own sources
};
