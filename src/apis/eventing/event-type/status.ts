import type { ConditionSet } from '../../conditions.ts';

/** eventing pkg/apis/eventing/v1beta3/eventtype_lifecycle.go. */
export const EVENT_TYPE_CONDITIONS: ConditionSet = { happy: 'Ready', dependents: ['ReferenceExists'] };
