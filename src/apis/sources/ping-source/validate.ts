import { invalidValue } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { comesTrue, parseCron } from './cron.ts';
import { base64Fault, jsonObjectFault } from './payload.ts';
import type { PingSource } from './schema.ts';

/** eventing pkg/apis/sources/v1/ping_validation.go. */
export function pingSourceErrors({ spec }: PingSource, context: AdmissionContext): FieldError[] {
  return [...scheduleErrors(spec), ...payloadErrors(spec, sizeMax(context)), ...contentTypeErrors(spec)];
}

export function pingSourceWarnings({ spec }: PingSource): string[] {
  const parsed = parseCron(spec.schedule, spec.timezone);
  return parsed.kind === 'fault' || comesTrue(parsed.schedule)
    ? []
    : [`spec.schedule: no calendar has such a day, so ${JSON.stringify(spec.schedule)} never comes true`];
}

function scheduleErrors({ schedule, timezone }: PingSource['spec']): FieldError[] {
  const every = schedule.includes('@every')
    ? [invalidValue('unsupported descriptor @every', 'spec.schedule')]
    : [];
  if (schedule.trimStart().startsWith('@every')) return every;
  const parsed = parseCron(schedule, timezone);
  return parsed.kind === 'fault' ? [...every, invalidValue(parsed.message, `spec.${parsed.about}`)] : every;
}

function payloadErrors(
  { data = '', dataBase64 = '', contentType }: PingSource['spec'],
  max: number,
): FieldError[] {
  if (data !== '' && dataBase64 !== '')
    return [{ message: 'expected exactly one, got both', paths: ['spec.data', 'spec.dataBase64'] }];
  const [name, written] = dataBase64 === '' ? ['data', data] : ['dataBase64', dataBase64];
  if (written === '') return [];
  const bytes = Buffer.byteLength(written);
  const faults = [
    max > -1 && bytes > max ? `the ${name} length of ${bytes} bytes exceeds limit set at ${max}.` : undefined,
    contentFault(name === 'dataBase64', written, contentType),
  ];
  return faults.flatMap((fault) => (fault === undefined ? [] : [invalidValue(fault, `spec.${name}`)]));
}

function contentFault(
  isBase64: boolean,
  written: string,
  contentType: string | undefined,
): string | undefined {
  const fault = isBase64 ? base64Fault(written) : undefined;
  if (fault !== undefined || contentType !== 'application/json') return fault;
  return jsonObjectFault(isBase64 ? Buffer.from(written, 'base64').toString() : written);
}

/** It becomes a header, so it is held to what a header can carry. */
function contentTypeErrors({ contentType = '' }: PingSource['spec']): FieldError[] {
  return /^[\x20-\x7e]*$/.test(contentType)
    ? []
    : [invalidValue(contentType, 'spec.contentType', 'expected printable ASCII characters')];
}

/** ConfigMap config-ping-defaults; its key had another name once. Without it, or below 0, there is no limit. */
function sizeMax(context: AdmissionContext): number {
  const config = context.configMap('knative-eventing', 'config-ping-defaults') ?? {};
  const written = config['data-max-size'] ?? config['dataMaxSize'] ?? '';
  const max = written.trim() === '' ? -1 : Number(written);
  return Number.isSafeInteger(max) ? max : -1;
}
