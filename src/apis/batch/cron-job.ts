import Type from 'typebox';
import { templateColumns } from '../apps/template-columns.ts';
import { AGE, at, core, shown, type Open } from '../core/core-kinds.ts';
import { invalid, notNegative, requiredValue, unsupported } from '../core/pod-spec.ts';
import type { FieldError } from '../kind.ts';
import { CRON_JOB_RULES } from '../patch-rules.ts';
import type { Resource } from '../resource.ts';
import { int32, int64, openObject, text } from '../schema.ts';
import { parseCron } from '../sources/ping-source/cron.ts';
import { jobSpecErrors, jobSpecSchema, jobWarnings, withJobDefaults, type JobSpec } from './job.ts';

/** batch/v1 CronJob, as far as it is read here. */
export type CronJob = Resource & {
  readonly spec: {
    readonly schedule?: string;
    readonly timeZone?: string;
    readonly startingDeadlineSeconds?: number;
    readonly concurrencyPolicy?: string;
    readonly suspend?: boolean;
    readonly successfulJobsHistoryLimit?: number;
    readonly failedJobsHistoryLimit?: number;
    readonly jobTemplate?: {
      readonly metadata?: {
        readonly labels?: Readonly<Record<string, string>>;
        readonly annotations?: Readonly<Record<string, string>>;
      };
      readonly spec?: JobSpec;
    };
  };
  readonly status?: {
    readonly active?: readonly { readonly name?: string; readonly uid?: string }[];
    readonly lastScheduleTime?: string;
    readonly lastSuccessfulTime?: string;
  };
};

export const CRON_JOB = { apiVersion: 'batch/v1', kind: 'CronJob' } as const;
const POLICIES = ['Allow', 'Forbid', 'Replace'];

export const cronJobKind = core({
  group: 'batch',
  kind: 'CronJob',
  plural: 'cronjobs',
  shortNames: ['cj'],
  categories: ['all'],
  subresources: { status: true },
  patchRules: CRON_JOB_RULES,
  schema: Type.Object({
    spec: Type.Object(
      {
        schedule: Type.Optional(text('When: five fields, or @hourly and its like.')),
        timeZone: Type.Optional(text('The time zone of the schedule; that of the platform when absent.')),
        startingDeadlineSeconds: Type.Optional(int64('How late a Job may still be started.')),
        concurrencyPolicy: Type.Optional(text('Allow, Forbid or Replace.')),
        suspend: Type.Optional(Type.Boolean({ description: 'Whether it pauses.' })),
        successfulJobsHistoryLimit: Type.Optional(int32('How many Jobs that succeeded are kept.')),
        failedJobsHistoryLimit: Type.Optional(int32('How many Jobs that failed are kept.')),
        jobTemplate: Type.Optional(
          Type.Object(
            {
              metadata: Type.Optional(openObject('Labels and annotations of each Job.')),
              spec: Type.Optional(jobSpecSchema),
            },
            { description: 'What each Job is made from.' },
          ),
        ),
      },
      { description: 'What is wanted.' },
    ),
    status: Type.Optional(openObject('What it has started.')),
  }),
  columns: [
    { name: 'Schedule', type: 'string', from: '.spec.schedule' },
    {
      name: 'Timezone',
      type: 'string',
      from: (object) => shown(object, '<none>', 'spec', 'timeZone'),
    },
    {
      name: 'Suspend',
      type: 'string',
      from: (object) => (at(object, 'spec', 'suspend') === true ? 'True' : 'False'),
    },
    {
      name: 'Active',
      type: 'integer',
      from: (object) => Object.keys(Object(at(object, 'status', 'active'))).length,
    },
    { name: 'Last Schedule', type: 'string', from: lastSchedule },
    AGE,
    ...templateColumns('spec', 'jobTemplate', 'spec'),
    { name: 'Selector', type: 'string', from: () => '<none>', priority: 1 },
  ],
  setDefaults: (object) => withDefaults(object as unknown as CronJob) as unknown as Open,
  validate: (object) => cronJobErrors(object as unknown as CronJob),
  warn: (object) =>
    jobWarnings((object as unknown as CronJob).spec.jobTemplate?.spec, 'spec.jobTemplate.spec'),
});

function lastSchedule(object: Resource, nowMs: number): string {
  const time = at(object, 'status', 'lastScheduleTime');
  if (typeof time !== 'string') return '<none>';
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(time)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  return seconds < 10_800 ? `${Math.floor(seconds / 60)}m` : `${Math.floor(seconds / 3600)}h`;
}

function withDefaults(cronJob: CronJob): CronJob {
  const { jobTemplate = {} } = cronJob.spec;
  return {
    ...cronJob,
    spec: {
      concurrencyPolicy: 'Allow',
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
      ...cronJob.spec,
      jobTemplate: { ...jobTemplate, spec: withJobDefaults(jobTemplate.spec ?? {}) },
    },
  };
}

/** kubernetes pkg/apis/batch/validation, ValidateCronJobSpec. */
function cronJobErrors({ spec }: CronJob): readonly FieldError[] {
  const { concurrencyPolicy = '' } = spec;
  return [
    ...scheduleErrors(spec),
    ...notNegative(spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds'),
    ...(POLICIES.includes(concurrencyPolicy)
      ? []
      : [unsupported(concurrencyPolicy, 'spec.concurrencyPolicy', POLICIES)]),
    ...notNegative(spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit'),
    ...notNegative(spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit'),
    ...jobSpecErrors(spec.jobTemplate?.spec ?? {}, 'spec.jobTemplate.spec'),
  ];
}

function scheduleErrors({ schedule = '', timeZone }: CronJob['spec']): FieldError[] {
  if (schedule === '') return [requiredValue('spec.schedule')];
  if (schedule.includes('TZ'))
    return [
      invalid(schedule, 'spec.schedule', 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'),
    ];
  const fields = schedule.trim().split(/\s+/);
  if (!schedule.startsWith('@') && fields.length !== 5) {
    const why = `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`;
    return [invalid(schedule, 'spec.schedule', why)];
  }
  const parsed = parseCron(schedule, timeZone);
  if (parsed.kind !== 'fault') return [];
  return parsed.about === 'timezone'
    ? [invalid(timeZone, 'spec.timeZone', `unknown time zone ${timeZone}`)]
    : [invalid(schedule, 'spec.schedule', parsed.message)];
}
