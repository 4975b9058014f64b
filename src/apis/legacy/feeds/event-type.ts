import Type, { type Static } from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import { missingField } from '../../field-error.ts';
import type { AdmissionContext, FieldError, KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { openObject, text } from '../../schema.ts';
import { both, invalidThen, keyNameErrors } from '../field-errors.ts';
import { LEGACY_WEBHOOK, legacyKind } from '../legacy-kind.ts';
import { FEEDS_GROUP } from './feed.ts';

const eventTypeSpec = Type.Object(
  {
    eventSource: Type.Optional(text('The EventSource that it is of.')),
    clusterEventSource: Type.Optional(text('The ClusterEventSource that it is of.')),
    description: Type.Optional(text('What these events tell.')),
    subscribeSchema: Type.Optional(openObject('Which parameters a Feed gives.')),
    eventSchema: Type.Optional(openObject('What the events look like.')),
  },
  { description: 'What is desired.' },
);

/** A kind of event that can be fed (eventing 540e45168, common_event_type_types.go). */
export type EventType = Resource & { readonly spec?: Static<typeof eventTypeSpec> };

export const EVENT_TYPE = { apiVersion: `${FEEDS_GROUP}/v1alpha1`, kind: 'EventType' };
export const CLUSTER_EVENT_TYPE = { ...EVENT_TYPE, kind: 'ClusterEventType' };

export const EVENT_TYPE_CONDITIONS: ConditionSet = { happy: 'Complete', dependents: [] };

export const eventTypeKind: KindDefinition<EventType> = legacyKind<EventType>(
  {
    group: FEEDS_GROUP,
    kind: 'EventType',
    plural: 'eventtypes',
    singular: 'eventtype',
    webhook: LEGACY_WEBHOOK,
  },
  { spec: eventTypeSpec, validate: eventTypeErrors },
);

export const clusterEventTypeKind: KindDefinition<EventType> = legacyKind<EventType>(
  {
    group: FEEDS_GROUP,
    kind: 'ClusterEventType',
    plural: 'clustereventtypes',
    singular: 'clustereventtype',
    scope: 'Cluster',
    webhook: LEGACY_WEBHOOK,
  },
  { spec: eventTypeSpec, validate: eventTypeErrors },
);

/** event_type_validation.go. */
function eventTypeErrors({ kind, spec }: EventType, { old }: AdmissionContext): FieldError[] {
  const { eventSource = '', clusterEventSource = '' } = spec ?? {};
  const field = kind === CLUSTER_EVENT_TYPE.kind ? 'clusterEventSource' : 'eventSource';
  if (eventSource !== '' && clusterEventSource !== '')
    return [both('spec.eventSource', 'spec.clusterEventSource')];
  if (eventSource === '' && clusterEventSource === '') return [missingField(`spec.${field}`)];
  const given = eventSource === '' ? 'clusterEventSource' : 'eventSource';
  const name = eventSource === '' ? clusterEventSource : eventSource;
  if (keyNameErrors(name, '').length > 0) return [invalidThen(name, `spec.${given}`)];
  const before = (old as EventType | undefined)?.spec;
  if (old === undefined || (before?.[given] ?? '') === name) return [];
  return [{ message: 'Immutable fields changed', paths: [`spec.${given}`] }];
}
