import { below, invalidValue, missingField, outOfBounds } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import type { ScaleTarget } from '../internal.ts';
import type { PodAutoscaler } from './types.ts';

const PROTOCOLS = ['http1', 'h2c'];

/** serving pkg/apis/autoscaling/v1alpha1/pa_validation.go */
export function podAutoscalerErrors(
  podAutoscaler: PodAutoscaler,
  context: AdmissionContext,
): readonly FieldError[] {
  const { containerConcurrency = 0, protocolType, scaleTargetRef } = podAutoscaler.spec;
  const config = context.configMap('knative-serving', 'config-defaults') ?? {};
  const max = Number(config['container-concurrency-max-limit'] ?? 1000);
  return below('spec', [
    ...below('scaleTargetRef', targetErrors(scaleTargetRef)),
    ...(containerConcurrency < 0 || containerConcurrency > max
      ? [outOfBounds(containerConcurrency, 0, max, 'containerConcurrency')]
      : []),
    ...protocolErrors(protocolType),
  ]);
}

function targetErrors(target: ScaleTarget): FieldError[] {
  const missing = (['apiVersion', 'kind', 'name'] as const).filter((field) => (target[field] ?? '') === '');
  return missing.length === 0 ? [] : [missingField(...missing)];
}

function protocolErrors(protocol: string): FieldError[] {
  if (protocol === '') return [missingField('protocolType')];
  return PROTOCOLS.includes(protocol) ? [] : [invalidValue(protocol, 'protocolType')];
}
