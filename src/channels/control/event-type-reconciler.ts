import { isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import { EVENT_TYPE, type EventType } from '../../apis/eventing/event-type/schema.ts';
import { EVENT_TYPE_CONDITIONS } from '../../apis/eventing/event-type/status.ts';
import { messageOf } from '../../base/errors.ts';
import { settled, type Reconciler } from '../../control/reconciler.ts';
import type { ResourceReader } from '../../control/resource-client.ts';

/** Says whether what an EventType refers to is there (eventing pkg/reconciler/eventtype/eventtype.go). */
export function eventTypeReconciler(reader: ResourceReader): Reconciler<EventType> {
  return {
    kind: EVENT_TYPE,
    conditions: EVENT_TYPE_CONDITIONS,
    reconcile: async (eventType) => settled({}, await referenceMark(reader, eventType)),
  };
}

async function referenceMark(reader: ResourceReader, { spec, metadata }: EventType): Promise<Mark> {
  const { kind = '', name = '', apiVersion = '', namespace = metadata.namespace } = spec.reference ?? {};
  if (kind === '' && name === '' && apiVersion === '')
    return isTrue('ReferenceExists', 'ReferenceNotSet', 'spec.reference is not set');
  try {
    const found = await reader.find({ apiVersion, kind }, namespace, name);
    return found === undefined
      ? isFalse('ReferenceExists', 'ResourceDoesNotExist', 'Resource in spec.reference does not exist')
      : isTrue('ReferenceExists');
  } catch (error) {
    return isUnknown('ReferenceExists', 'ReferenceGetFailed', `Failed to get reference: ${messageOf(error)}`);
  }
}
