import { below, missingField } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { dns1035Fault } from '../../names.ts';
import { autoscalingErrors } from '../autoscaling.ts';
import { allowsZeroInitialScale, revisionSpecErrors } from '../revision/validate.ts';
import type { Configuration, RevisionTemplate } from '../types.ts';

/** The template of a Service or Configuration; paths are relative to its spec (configuration_validation.go). */
export function templateErrors(
  owner: string,
  template: RevisionTemplate | undefined,
  before: RevisionTemplate | undefined,
  context: AdmissionContext,
): FieldError[] {
  if (template?.spec === undefined) return [missingField('template.spec')];
  const { metadata = {}, spec } = template;
  return [
    ...below('template.spec', revisionSpecErrors(spec, context)),
    ...below(
      'template.metadata.annotations',
      autoscalingErrors(metadata.annotations, allowsZeroInitialScale(context)),
    ),
    ...nameErrors(owner, metadata.name),
    ...unchangedNameErrors(template, before),
  ];
}

function nameErrors(owner: string, name: string | undefined): FieldError[] {
  if (name === undefined || name === '') return [];
  if (dns1035Fault(name) !== undefined)
    return [{ message: `not a DNS 1035 label: ${name}`, paths: ['template.metadata.name'] }];
  return name.startsWith(`${owner}-`)
    ? []
    : [{ message: `"${name}" must have prefix "${owner}-"`, paths: ['template.metadata.name'] }];
}

/** A revision that is named by its user cannot become another one. */
function unchangedNameErrors(template: RevisionTemplate, before: RevisionTemplate | undefined): FieldError[] {
  const name = template.metadata?.name;
  if (before === undefined || name === undefined || name !== before.metadata?.name) return [];
  if (JSON.stringify(template) === JSON.stringify(before)) return [];
  return [
    {
      message: 'Saw the following changes without a name change (-old +new)',
      paths: ['template.metadata.name'],
      details: `-: ${JSON.stringify(before)}\n+: ${JSON.stringify(template)}`,
    },
  ];
}

/** On the object itself autoscaling annotations would do nothing (metadata_validation.go). */
export function misplacedAnnotationErrors(annotations: Readonly<Record<string, string>> = {}): FieldError[] {
  const misplaced = Object.keys(annotations).filter((name) => name.startsWith('autoscaling.knative.dev/'));
  const message = 'autoscaling annotations must be put under "spec.template.metadata.annotations" to work';
  return misplaced.map((name) => ({ message, paths: [`metadata.annotations[${name}]`] }));
}

export function configurationErrors(configuration: Configuration, context: AdmissionContext): FieldError[] {
  const before = (context.old as Configuration | undefined)?.spec.template;
  return [
    ...below(
      'spec',
      templateErrors(configuration.metadata.name, configuration.spec?.template, before, context),
    ),
    ...misplacedAnnotationErrors(configuration.metadata.annotations),
  ];
}
