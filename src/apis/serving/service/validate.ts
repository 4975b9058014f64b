import { below } from '../../field-error.ts';
import { isManual } from '../../legacy/serving/as-written.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { templateErrors } from '../configuration/validate.ts';
import { metadataErrors, rolloutErrors } from '../metadata.ts';
import { trafficErrors } from '../route/validate.ts';
import type { Service } from '../types.ts';

/** serving pkg/apis/serving/v1/service_validation.go. */
export function serviceErrors(service: Service, context: AdmissionContext): FieldError[] {
  if (isManual(service)) return [];
  const { metadata, spec } = service;
  const before = (context.old as Service | undefined)?.spec.template;
  return [
    ...below('spec', templateErrors(metadata, spec?.template, before, context)),
    ...below('spec.traffic', trafficErrors(spec?.traffic ?? [], true)),
    ...metadataErrors(service, context),
    ...rolloutErrors(metadata.annotations),
  ];
}
