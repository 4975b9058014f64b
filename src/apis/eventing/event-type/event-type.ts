import type { KindDefinition } from '../../kind.ts';
import { WEBHOOK } from '../../messaging/channelable.ts';
import { setEventTypeDefaults } from './defaults.ts';
import { eventTypeForms, V1BETA3_COLUMNS } from './forms.ts';
import { storedSchema, type EventType } from './schema.ts';
import { eventTypeErrors } from './validate.ts';

/** A type of events that can be subscribed to (eventing config/core/resources/eventtype.yaml). */
export const eventTypeKind: KindDefinition<EventType> = {
  group: 'eventing.knative.dev',
  versions: ['v1beta3', 'v1beta2', 'v1beta1'],
  kind: 'EventType',
  plural: 'eventtypes',
  singular: 'eventtype',
  shortNames: [],
  categories: ['all', 'knative', 'eventing'],
  scope: 'Namespaced',
  schema: storedSchema,
  forms: eventTypeForms,
  columns: V1BETA3_COLUMNS,
  subresources: { status: true },
  crd: { labels: { 'knative.dev/crd-install': 'true' }, annotations: {} },
  webhook: WEBHOOK,
  setDefaults: setEventTypeDefaults,
  validate: eventTypeErrors,
};
