import { immutable, missingField } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { CONTROLLER_USER } from '../../messaging/channelable.ts';
import type { EventType } from './schema.ts';

const DEMANDED = ['type', 'source', 'specversion', 'id'] as const;

/** eventing pkg/apis/eventing/v1beta3/eventtype_validation.go. */
export function eventTypeErrors({ spec }: EventType, { old, user }: AdmissionContext): FieldError[] {
  const names = new Set((spec.attributes ?? []).map(({ name }) => name));
  const missing = DEMANDED.filter((name) => !names.has(name));
  const before = (old as EventType | undefined)?.spec;
  return [
    ...(missing.length === 0 ? [] : [missingField(...missing.map((name) => `spec.attributes.${name}`))]),
    ...(before === undefined || user === CONTROLLER_USER
      ? []
      : immutable('{v1beta3.EventTypeSpec}', before, spec)),
  ];
}
