import { missingField } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import { clusterChoiceErrors } from '../cluster-annotations.ts';
import type { KubernetesEventSource } from './schema.ts';

/** The schema asks for `namespace`; upstream takes a source without a sink, which can then not become ready. */
export function kubernetesEventSourceErrors(source: KubernetesEventSource): FieldError[] {
  return [...(source.spec === undefined ? [missingField('spec')] : []), ...clusterChoiceErrors(source)];
}
