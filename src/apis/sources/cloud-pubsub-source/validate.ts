import { parseGoDuration } from '../../../base/duration.ts';
import { destinationErrors } from '../../delivery.ts';
import { below, immutable, invalidValue, missingField, outOfBounds } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { extensionErrors } from '../ce-overrides.ts';
import type { CloudPubSubSource } from './schema.ts';

type Spec = CloudPubSubSource['spec'];

const SECOND_MS = 1000;
const RETENTION = { field: 'retentionDuration', min: '10s', max: '168h0m0s' } as const;
const ACK_DEADLINE = { field: 'ackDeadline', min: '0s', max: '10m0s' } as const;
/** https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names */
const TOPIC = /^(?!goog)[A-Za-z][A-Za-z0-9\-._~+%]{2,254}$/;
const SERVICE_ACCOUNT = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** knative-gcp pkg/apis/events/v1/cloudpubsubsource_validation.go. */
export function cloudPubSubSourceErrors(
  { spec }: CloudPubSubSource,
  { old }: AdmissionContext,
): FieldError[] {
  const before = old === undefined ? undefined : (old as CloudPubSubSource).spec; // of the same kind
  const errors = [
    ...topicErrors(spec.topic),
    ...sinkErrors(spec.sink ?? {}),
    ...durationErrors(spec.retentionDuration, RETENTION),
    ...durationErrors(spec.ackDeadline, ACK_DEADLINE),
    ...credentialErrors(spec),
  ];
  return [
    ...below('spec', errors),
    ...extensionErrors(spec.ceOverrides?.extensions ?? {}),
    ...(before === undefined
      ? []
      : immutable('{v1.CloudPubSubSourceSpec}', whatStays(before), whatStays(spec))),
  ];
}

/** Upstream leaves names that no topic can have to Pub/Sub. */
function topicErrors(topic: string): FieldError[] {
  if (topic === '') return [missingField('topic')];
  if (TOPIC.test(topic)) return [];
  const rule =
    "expected the topic's id within its project: 3 to 255 letters, digits and -._~+%, starting with a letter and not with goog";
  return [invalidValue(topic, 'topic', rule)];
}

function sinkErrors(sink: NonNullable<Spec['sink']>): FieldError[] {
  return Object.keys(sink).length === 0 ? [missingField('sink')] : below('sink', destinationErrors(sink));
}

function durationErrors(
  written: string | undefined,
  { field, min, max }: typeof RETENTION | typeof ACK_DEADLINE,
): FieldError[] {
  if (written === undefined) return [];
  const ms = parseGoDuration(written);
  if (ms === undefined) return [invalidValue(written, field)];
  const isWithin = ms >= (parseGoDuration(min) ?? 0) && ms <= (parseGoDuration(max) ?? 0);
  return isWithin ? [] : [outOfBounds(written, min, max, field)];
}

/** knative-gcp pkg/apis/duck/validations.go, ValidateCredential. */
function credentialErrors({ secret, serviceAccountName = '' }: Spec): FieldError[] {
  const isNamed = secret !== undefined && Object.keys(secret).length > 0;
  if (isNamed && serviceAccountName !== '') {
    const message = "Can't have spec.serviceAccountName and spec.secret at the same time";
    return [{ message, paths: [''] }];
  }
  if (isNamed)
    return (['name', 'key'] as const)
      .filter((each) => !secret[each])
      .map((each) => missingField(`secret.${each}`));
  if (serviceAccountName === '' || SERVICE_ACCOUNT.test(serviceAccountName)) return [];
  const message = `invalid value: ${serviceAccountName}, serviceAccountName should have format: ^[A-Za-z0-9](?:[A-Za-z0-9\\-]{0,61}[A-Za-z0-9])?$`;
  return [{ message, paths: ['serviceAccountName'] }];
}

/** Topic, secret, service account and project cannot be changed; all else can. */
function whatStays({ topic, project, secret, serviceAccountName }: Spec): object {
  return { topic, project, secret, serviceAccountName };
}

/** What Pub/Sub is told, which knows whole seconds. */
export function secondsOf(duration: string | undefined, otherwise: number): number {
  const ms = duration === undefined ? undefined : parseGoDuration(duration);
  return ms === undefined ? otherwise : Math.round(ms / SECOND_MS);
}
