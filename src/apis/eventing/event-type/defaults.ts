import type { EventType } from './schema.ts';

/** A reference is into the own namespace unless it says another (v1beta3/eventtype_defaults.go). */
export function setEventTypeDefaults(object: EventType): EventType {
  const spec = object.spec ?? {};
  const { reference } = spec;
  const { namespace } = object.metadata;
  if (reference === undefined || reference.namespace || namespace === undefined) return { ...object, spec };
  return { ...object, spec: { ...spec, reference: { ...reference, namespace } } };
}
