import type { ConditionSet } from '../../conditions.ts';

export const CONFIGURATION_CONDITIONS: ConditionSet = { happy: 'Ready', dependents: [] };
