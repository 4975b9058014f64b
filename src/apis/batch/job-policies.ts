import { invalid, notNegative, requiredValue, unsupported } from '../core/pod-spec.ts';
import type { FieldError } from '../kind.ts';
import type { JobSpec } from './job.ts';

export type JobMode = 'NonIndexed' | 'Indexed';
/** What follows from a Pod that failed in one way or another; the first rule that matches counts. */
export type PodFailurePolicy = { readonly rules?: readonly FailureRule[] };
export type FailureRule = {
  readonly action?: string; // FailJob, FailIndex, Ignore, Count
  readonly onExitCodes?: {
    readonly containerName?: string;
    readonly operator?: string; // In, NotIn
    readonly values?: readonly number[];
  };
  readonly onPodConditions?: readonly { readonly type?: string; readonly status?: string }[];
};
/** When an indexed Job has succeeded before all of its indexes have. */
export type SuccessPolicy = { readonly rules?: readonly SuccessRule[] };
export type SuccessRule = { readonly succeededIndexes?: string; readonly succeededCount?: number };

const MODES: readonly JobMode[] = ['Indexed', 'NonIndexed'];
const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const OPERATORS = ['In', 'NotIn'];

/** kubernetes pkg/apis/batch/validation, of modes and policies. */
export function jobPolicyErrors(spec: JobSpec, at: string): FieldError[] {
  const { completionMode: mode = '' } = spec;
  return [
    ...(MODES.some((each) => each === mode) ? [] : [unsupported(mode, `${at}.completionMode`, MODES)]),
    ...indexErrors(spec, at),
    ...failurePolicyErrors(spec, at),
    ...successPolicyErrors(spec, at),
  ];
}

function indexErrors(spec: JobSpec, at: string): FieldError[] {
  const { restartPolicy } = spec.template?.spec ?? {};
  const never = 'only "Never" is supported when backoffLimitPerIndex is specified';
  const { completionMode, completions, backoffLimitPerIndex, maxFailedIndexes } = spec;
  const isIndexed = completionMode === 'Indexed';
  const onlyIndexed = (value: number | undefined, field: string): FieldError[] =>
    value === undefined || isIndexed
      ? notNegative(value, `${at}.${field}`)
      : [invalid(value, `${at}.${field}`, 'requires indexed completion mode')];
  return [
    ...(isIndexed && completions === undefined
      ? [requiredValue(`${at}.completions`, 'when completion mode is Indexed')]
      : []),
    ...onlyIndexed(backoffLimitPerIndex, 'backoffLimitPerIndex'),
    ...(backoffLimitPerIndex === undefined || restartPolicy === undefined || restartPolicy === 'Never'
      ? []
      : [invalid(restartPolicy, `${at}.template.spec.restartPolicy`, never)]),
    ...onlyIndexed(maxFailedIndexes, 'maxFailedIndexes'),
    ...(maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined
      ? [requiredValue(`${at}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified')]
      : []),
    ...((maxFailedIndexes ?? 0) > (completions ?? Number.POSITIVE_INFINITY)
      ? [invalid(maxFailedIndexes, `${at}.maxFailedIndexes`, 'must be less than or equal to completions')]
      : []),
  ];
}

function failurePolicyErrors({ podFailurePolicy, template, ...spec }: JobSpec, at: string): FieldError[] {
  if (podFailurePolicy === undefined) return [];
  const { restartPolicy } = template?.spec ?? {};
  const why = 'only "Never" is supported when podFailurePolicy is specified';
  return [
    ...(restartPolicy === undefined || restartPolicy === 'Never'
      ? []
      : [invalid(restartPolicy, `${at}.template.spec.restartPolicy`, why)]),
    ...(podFailurePolicy.rules ?? []).flatMap((rule, i) =>
      ruleErrors(rule, `${at}.podFailurePolicy.rules[${i}]`, spec.backoffLimitPerIndex !== undefined),
    ),
  ];
}

function ruleErrors(
  { action = '', onExitCodes, onPodConditions = [] }: FailureRule,
  at: string,
  isPerIndex: boolean,
): FieldError[] {
  const { operator = '', values = [] } = onExitCodes ?? {};
  const isEmpty = onExitCodes === undefined && onPodConditions.length === 0;
  const isBoth = onExitCodes !== undefined && onPodConditions.length > 0;
  const said = 'specifying one of OnExitCodes and OnPodConditions is required';
  const both = 'specifying both OnExitCodes and OnPodConditions is not supported';
  return [
    ...(ACTIONS.includes(action) ? [] : [unsupported(action, `${at}.action`, ACTIONS)]),
    ...(action === 'FailIndex' && !isPerIndex
      ? [invalid(action, `${at}.action`, 'requires the backoffLimitPerIndex to be set')]
      : []),
    ...(isEmpty ? [invalid({ action }, at, said)] : []),
    ...(isBoth ? [invalid({ action }, at, both)] : []),
    ...(onExitCodes === undefined || OPERATORS.includes(operator)
      ? []
      : [unsupported(operator, `${at}.onExitCodes.operator`, OPERATORS)]),
    ...(onExitCodes !== undefined && values.length === 0
      ? [invalid(values, `${at}.onExitCodes.values`, 'at least one value is required')]
      : []),
    ...(operator === 'In' && values.includes(0)
      ? [invalid(0, `${at}.onExitCodes.values[${values.indexOf(0)}]`, 'must not be 0 for the In operator')]
      : []),
  ];
}

function successPolicyErrors({ successPolicy, completionMode }: JobSpec, at: string): FieldError[] {
  if (successPolicy === undefined) return [];
  const path = `${at}.successPolicy`;
  if (completionMode !== 'Indexed') return [invalid(successPolicy, path, 'requires indexed completion mode')];
  const { rules = [] } = successPolicy;
  if (rules.length === 0)
    return [
      requiredValue(
        `${path}.rules`,
        'at least one rules must be specified when the successPolicy is specified',
      ),
    ];
  return rules.flatMap(({ succeededIndexes, succeededCount }, i) =>
    succeededIndexes === undefined && succeededCount === undefined
      ? [
          requiredValue(
            `${path}.rules[${i}]`,
            'at least one of succeededCount or succeededIndexes must be specified',
          ),
        ]
      : [],
  );
}
