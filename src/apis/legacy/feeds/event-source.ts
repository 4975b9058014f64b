import Type, { type Static } from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import type { KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { openObject, text } from '../../schema.ts';
import { LEGACY_WEBHOOK, legacyKind } from '../legacy-kind.ts';
import { FEEDS_GROUP } from './feed.ts';

const eventSourceSpec = Type.Object(
  {
    source: Type.Optional(text('Name of the source: github, k8sevents, gcppubsub.')),
    type: Type.Optional(text('The same, as the first samples said it.')),
    image: Type.Optional(text('The image that started and stopped feeds; nothing is run of it.')),
    parameters: Type.Optional(openObject('What that image was configured by.')),
  },
  { description: 'What is desired.' },
);

/** A system whose events can be fed (eventing 540e45168, common_event_source_types.go). */
export type EventSource = Resource & { readonly spec?: Static<typeof eventSourceSpec> };

export const EVENT_SOURCE = { apiVersion: `${FEEDS_GROUP}/v1alpha1`, kind: 'EventSource' };
export const CLUSTER_EVENT_SOURCE = { ...EVENT_SOURCE, kind: 'ClusterEventSource' };

export const EVENT_SOURCE_CONDITIONS: ConditionSet = { happy: 'Complete', dependents: [] };

export const eventSourceKind: KindDefinition<EventSource> = legacyKind<EventSource>(
  {
    group: FEEDS_GROUP,
    kind: 'EventSource',
    plural: 'eventsources',
    singular: 'eventsource',
    webhook: LEGACY_WEBHOOK,
  },
  { spec: eventSourceSpec },
);

export const clusterEventSourceKind: KindDefinition<EventSource> = legacyKind<EventSource>(
  {
    group: FEEDS_GROUP,
    kind: 'ClusterEventSource',
    plural: 'clustereventsources',
    singular: 'clustereventsource',
    scope: 'Cluster',
    webhook: LEGACY_WEBHOOK,
  },
  { spec: eventSourceSpec },
);
