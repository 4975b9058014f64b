import Type from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import type { KindDefinition } from '../../kind.ts';
import { text } from '../../schema.ts';
import { secretKeyThen, type SecretKeyThen } from '../legacy-kind.ts';
import { SOURCES_THEN, sourceKindThen, type SourceThen } from './source-then.ts';

/** eventing-sources v0.2.0, gcp_pubsub_types.go. */
export type GcpPubSubSource = SourceThen & {
  readonly spec?: {
    readonly googleCloudProject?: string;
    readonly topic?: string;
    readonly gcpCredsSecret?: SecretKeyThen;
  };
};

export const GCP_PUBSUB_SOURCE = { apiVersion: SOURCES_THEN, kind: 'GcpPubSubSource' };

export const GCP_PUBSUB_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['SinkProvided', 'Deployed', 'Subscribed'],
};

export const gcpPubSubSourceKind: KindDefinition<GcpPubSubSource> = sourceKindThen<GcpPubSubSource>(
  { kind: 'GcpPubSubSource', plural: 'gcppubsubsources', singular: 'gcppubsubsource' },
  {
    spec: {
      googleCloudProject: Type.Optional(text('The project that the topic is in.')),
      topic: Type.Optional(text('Name of the topic within the project.')),
      gcpCredsSecret: Type.Optional(secretKeyThen('A service-account key in JSON.')),
    },
  },
);
