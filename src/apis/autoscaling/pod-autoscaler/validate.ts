import { below, missingField, outOfBounds } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { nameErrors } from '../../serving/metadata.ts';
import { autoscalerConfig } from '../config.ts';
import { isEmptySpec, protocolErrors, scaleTargetErrors } from '../internal.ts';
import { autoscalingErrors } from '../validate.ts';
import type { PodAutoscaler } from './types.ts';

/** serving pkg/apis/autoscaling/v1alpha1/pa_validation.go */
export function podAutoscalerErrors(
  { metadata, spec }: PodAutoscaler,
  context: AdmissionContext,
): readonly FieldError[] {
  const config = autoscalerConfig(context.configMap('knative-serving', 'config-autoscaler'));
  return [
    ...below('metadata', nameErrors(metadata)),
    ...below('metadata.annotations', autoscalingErrors(metadata.annotations, config)),
    ...(isEmptySpec(spec) ? [missingField('spec')] : below('spec', specErrors(spec, context))),
  ];
}

function specErrors(spec: PodAutoscaler['spec'], context: AdmissionContext): FieldError[] {
  const { containerConcurrency = 0, protocolType, scaleTargetRef } = spec;
  const config = context.configMap('knative-serving', 'config-defaults') ?? {};
  const max = Number(config['container-concurrency-max-limit'] ?? 1000);
  const least = config['allow-container-concurrency-zero'] === 'false' ? 1 : 0;
  return [
    ...below('scaleTargetRef', scaleTargetErrors(scaleTargetRef)),
    ...(containerConcurrency < least || containerConcurrency > max
      ? [outOfBounds(containerConcurrency, least, max, 'containerConcurrency')]
      : []),
    ...below('protocolType', protocolErrors(protocolType)),
  ];
}
