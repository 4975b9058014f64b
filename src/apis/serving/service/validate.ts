import { below } from '../../field-error.ts';
import { isManual } from '../../legacy/serving/as-written.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { misplacedAnnotationErrors, templateErrors } from '../configuration/validate.ts';
import { metadataErrors } from '../metadata.ts';
import { trafficErrors } from '../route/validate.ts';
import type { Service } from '../types.ts';

/** serving pkg/apis/serving/v1/service_validation.go. */
export function serviceErrors(service: Service, context: AdmissionContext): FieldError[] {
  if (isManual(service)) return [];
  const before = (context.old as Service | undefined)?.spec.template;
  return [
    ...below('spec', templateErrors(service.metadata.name, service.spec?.template, before, context)),
    ...below('spec.traffic', trafficErrors(service.spec?.traffic ?? [], true)),
    ...misplacedAnnotationErrors(service.metadata.annotations),
    ...metadataErrors(service, context),
  ];
}
