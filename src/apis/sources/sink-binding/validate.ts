import { below, invalidValue, missingField, oneOf } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import { selectorErrors } from '../../label-selector.ts';
import { labelFault } from '../../names.ts';
import type { SinkBinding, Subject } from './schema.ts';
import { isBindableKind } from './subject.ts';

/** eventing pkg/apis/sources/v1/sinkbinding_validation.go, and what cannot be bound here. */
export function sinkBindingErrors({ spec, metadata }: SinkBinding): FieldError[] {
  const { subject = {} } = spec;
  const { namespace = '' } = subject;
  const isElsewhere = namespace !== '' && namespace !== metadata.namespace;
  return [
    ...below('spec.subject', subjectErrors(subject)),
    ...(isElsewhere ? [invalidValue(namespace, 'spec.subject.namespace')] : []),
  ];
}

/** knative pkg/tracker/interface.go; paths are relative to the subject. */
function subjectErrors(subject: Subject): FieldError[] {
  const missing = (['apiVersion', 'kind'] as const).filter((field) => !subject[field]);
  if (missing.length > 0) return [missingField(...missing), ...chosenErrors(subject)];
  return [...chosenErrors(subject), ...(isBindableKind(subject) ? [] : [notBindable(subject)])];
}

function chosenErrors({ name = '', selector }: Subject): FieldError[] {
  if (name !== '' && selector !== undefined)
    return [{ message: 'expected exactly one, got both', paths: ['selector', 'name'] }];
  if (selector !== undefined) return below('selector', selectorErrors(selector));
  if (name === '') return [oneOf('selector', 'name')];
  const fault = labelFault(name);
  return fault === undefined ? [] : [invalidValue(fault, 'name')];
}

function notBindable({ kind = '' }: Subject): FieldError {
  const details =
    'a subject is a Service or Configuration of serving.knative.dev, a Deployment of apps or a Job of batch: nothing else runs here; run the program as a Deployment';
  return invalidValue(kind, 'kind', details);
}
