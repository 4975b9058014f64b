import { isDeepStrictEqual } from 'node:util';
import Type from 'typebox';
import { selectorColumn, templateColumns } from '../apps/template-columns.ts';
import type { WorkloadCondition } from '../apps/deployment.ts';
import { AGE, core, type Open } from '../core/core-kinds.ts';
import {
  invalid,
  notNegative,
  podSpecErrors,
  podTemplateSchema,
  requiredValue,
  withPodDefaults,
  type PodTemplate,
} from '../core/pod-spec.ts';
import { podSpecWarnings } from '../core/pod-warnings.ts';
import type { AdmissionContext, FieldError } from '../kind.ts';
import { labelSelector, type LabelSelector } from '../label-selector.ts';
import { WORKLOAD_RULES } from '../patch-rules.ts';
import { jobPolicyErrors, type PodFailurePolicy, type SuccessPolicy } from './job-policies.ts';
import type { Resource } from '../resource.ts';
import { int32, int64, openObject, text } from '../schema.ts';

export type JobSpec = {
  readonly parallelism?: number;
  readonly completions?: number;
  readonly backoffLimit?: number;
  readonly activeDeadlineSeconds?: number;
  readonly ttlSecondsAfterFinished?: number;
  readonly suspend?: boolean;
  readonly completionMode?: string; // NonIndexed, Indexed
  readonly backoffLimitPerIndex?: number;
  readonly maxFailedIndexes?: number;
  readonly podFailurePolicy?: PodFailurePolicy;
  readonly successPolicy?: SuccessPolicy;
  readonly podReplacementPolicy?: string;
  readonly managedBy?: string;
  readonly selector?: LabelSelector;
  readonly template?: PodTemplate;
};
/** batch/v1 Job, as far as it is read here. */
export type Job = Resource & { readonly spec: JobSpec; readonly status?: JobStatus };
export type JobStatus = {
  readonly active?: number;
  readonly ready?: number;
  readonly succeeded?: number;
  readonly failed?: number;
  readonly startTime?: string;
  readonly completionTime?: string;
  readonly completedIndexes?: string;
  readonly failedIndexes?: string;
  readonly conditions?: readonly WorkloadCondition[];
};

export const JOB = { apiVersion: 'batch/v1', kind: 'Job' } as const;
export const JOB_NAME_LABEL = 'batch.kubernetes.io/job-name';

export const jobSpecSchema = Type.Object(
  {
    parallelism: Type.Optional(int32('How many Pods run at once.')),
    completions: Type.Optional(int32('How many have to succeed; absent: any one.')),
    backoffLimit: Type.Optional(int32('How many may fail.')),
    activeDeadlineSeconds: Type.Optional(int64('How long it may take.')),
    ttlSecondsAfterFinished: Type.Optional(int32('How long it stays after its end.')),
    suspend: Type.Optional(Type.Boolean({ description: 'Whether it pauses.' })),
    selector: Type.Optional(labelSelector('Made by the platform.')),
    manualSelector: Type.Optional(Type.Boolean({ description: 'Not used.' })),
    completionMode: Type.Optional(text('NonIndexed, or Indexed: each Pod has a number of its own.')),
    podReplacementPolicy: Type.Optional(text('Not used: a Pod that is to end is replaced when it has.')),
    podFailurePolicy: Type.Optional(openObject('What follows from which failure of a Pod.')),
    successPolicy: Type.Optional(openObject('When an indexed Job has succeeded before all of it has.')),
    backoffLimitPerIndex: Type.Optional(int32('How many Pods of one index may fail.')),
    maxFailedIndexes: Type.Optional(int32('How many indexes may fail.')),
    managedBy: Type.Optional(text('Who runs it; the platform, unless it names another.')),
    template: Type.Optional(podTemplateSchema),
  },
  { description: 'What is wanted.' },
);

export const jobKind = core({
  group: 'batch',
  kind: 'Job',
  plural: 'jobs',
  categories: ['all'],
  subresources: { status: true },
  patchRules: WORKLOAD_RULES,
  schema: Type.Object({ spec: jobSpecSchema, status: Type.Optional(openObject('How far it is.')) }),
  columns: [
    { name: 'Status', type: 'string', from: (object) => statusOf(object as unknown as Job) },
    { name: 'Completions', type: 'string', from: (object) => completionsOf(object as unknown as Job) },
    {
      name: 'Duration',
      type: 'string',
      from: (object, nowMs) => durationOf(object as unknown as Job, nowMs),
    },
    AGE,
    ...templateColumns('spec'),
    selectorColumn,
  ],
  setDefaults: (object) => withDefaults(object as unknown as Job) as unknown as Open,
  validate: (object, context) => jobErrors(object as unknown as Job, context),
  warn: (object) => jobWarnings((object as unknown as Job).spec, 'spec'),
});

export function conditionOfJob({ status }: Job, type: string): WorkloadCondition | undefined {
  return status?.conditions?.find((each) => each.type === type && each.status === 'True');
}

/** Kubernetes' own name for who runs Jobs. */
export const JOB_CONTROLLER = 'kubernetes.io/job-controller';
const INT32_MAX = 2 ** 31 - 1;

/** kubernetes pkg/apis/batch/v1/defaults.go; a Pod's `Always` is none of a Job's. */
export function withJobDefaults(spec: JobSpec): JobSpec {
  const { template = {}, completions, parallelism } = spec;
  const isPlain = completions === undefined && parallelism === undefined;
  const { restartPolicy } = template.spec ?? {};
  const { restartPolicy: _always, ...podSpec } = withPodDefaults(template.spec ?? {});
  return {
    ...(isPlain && { completions: 1 }),
    parallelism: 1,
    backoffLimit: spec.backoffLimitPerIndex === undefined ? 6 : INT32_MAX,
    suspend: false,
    completionMode: 'NonIndexed',
    podReplacementPolicy: spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed',
    ...spec,
    template: { ...template, spec: { ...podSpec, ...(restartPolicy !== undefined && { restartPolicy }) } },
  };
}

/** Its Pods have labels that no other Job's have (kubernetes pkg/registry/batch/job, generateSelector). */
function withDefaults(job: Job): Job {
  const spec = withJobDefaults(job.spec);
  const { name, uid } = job.metadata;
  if (uid === undefined || spec.selector !== undefined) return { ...job, spec };
  const controllerUid = { 'batch.kubernetes.io/controller-uid': uid };
  const labels = { ...controllerUid, [JOB_NAME_LABEL]: name, 'controller-uid': uid, 'job-name': name };
  const { template = {} } = spec;
  const metadata = { ...template.metadata, labels: { ...template.metadata?.labels, ...labels } };
  return {
    ...job,
    spec: { ...spec, selector: { matchLabels: controllerUid }, template: { ...template, metadata } },
  };
}

/** kubernetes pkg/apis/batch/validation; `at` is where the spec stands. */
export function jobSpecErrors(spec: JobSpec, at: string): FieldError[] {
  const { restartPolicy } = spec.template?.spec ?? {};
  const policy =
    restartPolicy === undefined
      ? [requiredValue(`${at}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"')]
      : [];
  const podErrors = podSpecErrors(
    { ...spec.template?.spec, restartPolicy: restartPolicy ?? 'Never' },
    `${at}.template.spec`,
    ['OnFailure', 'Never'],
  );
  return [
    ...notNegative(spec.parallelism, `${at}.parallelism`),
    ...notNegative(spec.completions, `${at}.completions`),
    ...notNegative(spec.backoffLimit, `${at}.backoffLimit`),
    ...notNegative(spec.activeDeadlineSeconds, `${at}.activeDeadlineSeconds`),
    ...notNegative(spec.ttlSecondsAfterFinished, `${at}.ttlSecondsAfterFinished`),
    ...jobPolicyErrors(spec, at),
    ...podErrors,
    ...policy,
  ];
}

export function jobWarnings(spec: JobSpec = {}, at: string): readonly string[] {
  const { managedBy = JOB_CONTROLLER } = spec;
  return [
    ...(managedBy === JOB_CONTROLLER
      ? []
      : [`${at}.managedBy: the platform leaves it to ${managedBy}, and nobody here is that`]),
    ...podSpecWarnings(spec.template?.spec, `${at}.template.spec`),
  ];
}

const IMMUTABLE: readonly (keyof JobSpec)[] = [
  'completions',
  'selector',
  'template',
  'completionMode',
  'podFailurePolicy',
  'backoffLimitPerIndex',
  'successPolicy',
  'managedBy',
];

function jobErrors({ spec }: Job, { old }: AdmissionContext): readonly FieldError[] {
  const before = (old as Job | undefined)?.spec;
  const isFixed = before?.selector !== undefined;
  // An indexed Job whose Pods all run at once may have more of them, or fewer.
  const isElastic =
    spec.completionMode === 'Indexed' &&
    spec.completions === spec.parallelism &&
    before?.completions === before?.parallelism;
  const changed = (field: keyof JobSpec): FieldError[] =>
    isFixed && !isDeepStrictEqual(before[field], spec[field]) && !(field === 'completions' && isElastic)
      ? [invalid(spec[field], `spec.${field}`, 'field is immutable')]
      : [];
  return [...jobSpecErrors(spec, 'spec'), ...IMMUTABLE.flatMap(changed)];
}

/** kubernetes pkg/printers/internalversion, printJob. */
function statusOf(job: Job): string {
  if (conditionOfJob(job, 'Complete') !== undefined) return 'Complete';
  if (conditionOfJob(job, 'Failed') !== undefined) return 'Failed';
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (conditionOfJob(job, 'Suspended') !== undefined) return 'Suspended';
  if (conditionOfJob(job, 'FailureTarget') !== undefined) return 'FailureTarget';
  if (conditionOfJob(job, 'SuccessCriteriaMet') !== undefined) return 'SuccessCriteriaMet';
  return 'Running';
}

function completionsOf({ spec: { completions, parallelism = 0 }, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (completions !== undefined) return `${succeeded}/${completions}`;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationOf(job: Job, nowMs: number): string {
  const { startTime, completionTime } = job.status ?? {};
  if (startTime === undefined) return '';
  const failed = conditionOfJob(job, 'Failed')?.lastTransitionTime;
  const ended = completionTime ?? failed;
  return humanSpan((ended === undefined ? nowMs : Date.parse(ended)) - Date.parse(startTime));
}

/** As apimachinery's HumanDuration has it, for what takes less than hours. */
function humanSpan(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}
