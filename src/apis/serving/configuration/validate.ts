import { below, invalidKeyName, invalidValue, missingField, shortDiff } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { dns1035Fault } from '../../names.ts';
import { autoscalingErrors } from '../../autoscaling/validate.ts';
import { autoscalerConfigIn, revisionSpecErrors } from '../revision/validate.ts';
import { metadataErrors } from '../metadata.ts';
import { nodeStartErrors } from '../node-start.ts';
import { LABELS } from '../shared.ts';
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
      autoscalingErrors(metadata.annotations, autoscalerConfigIn(context)),
    ),
    ...below('template.metadata.annotations', nodeStartErrors(metadata.annotations)),
    ...nameErrors(owner, metadata.name),
    ...unchangedNameErrors(template, before),
  ];
}

function nameErrors(owner: string, name: string | undefined): FieldError[] {
  if (name === undefined || name === '') return [];
  const fault = dns1035Fault(name);
  if (fault !== undefined)
    return [invalidValue(`not a DNS 1035 label: [${fault}]`, 'template.metadata.name')];
  return name.startsWith(`${owner}-`)
    ? []
    : [invalidValue(`"${name}" must have prefix "${owner}-"`, 'template.metadata.name')];
}

/** A revision that is named by its user cannot become another one. */
function unchangedNameErrors(template: RevisionTemplate, before: RevisionTemplate | undefined): FieldError[] {
  const name = template.metadata?.name;
  if (before === undefined || name === undefined || name !== before.metadata?.name) return [];
  const details = shortDiff('{*v1.RevisionTemplateSpec}', before, template);
  if (details === '') return [];
  return [
    {
      message: 'Saw the following changes without a name change (-old +new)',
      paths: ['template.metadata.name'],
      details,
    },
  ];
}

/** On the object itself autoscaling annotations would do nothing (metadata_validation.go). */
export function misplacedAnnotationErrors(annotations: Readonly<Record<string, string>> = {}): FieldError[] {
  const misplaced = Object.keys(annotations).filter((name) => name.startsWith('autoscaling.knative.dev/'));
  const details = 'autoscaling annotations must be put under "spec.template.metadata.annotations" to work';
  return misplaced.map((name) => invalidKeyName(name, 'metadata.annotations', details));
}

export function configurationErrors(configuration: Configuration, context: AdmissionContext): FieldError[] {
  const before = (context.old as Configuration | undefined)?.spec.template;
  return [
    ...below(
      'spec',
      templateErrors(configuration.metadata.name, configuration.spec?.template, before, context),
    ),
    ...misplacedAnnotationErrors(configuration.metadata.annotations),
    ...metadataErrors(configuration, context, [LABELS.service, LABELS.serviceUid, LABELS.route]),
  ];
}
