import { below } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import type { ObjectMeta } from '../../resource.ts';
import { shortDiff } from '../../short-diff.ts';
import { metadataErrors, ownerLabelErrors } from '../metadata.ts';
import { revisionTemplateErrors } from '../revision/validate-template.ts';
import { LABELS } from '../shared.ts';
import type { Configuration, RevisionTemplate } from '../types.ts';

/** The template of a Service or Configuration; paths are relative to its spec (configuration_validation.go). */
export function templateErrors(
  owner: ObjectMeta,
  template: RevisionTemplate = {},
  before: RevisionTemplate | undefined,
  context: AdmissionContext,
): FieldError[] {
  return below('template', [
    ...revisionTemplateErrors(template, owner, context),
    ...unchangedNameErrors(template, before),
  ]);
}

/** A revision that is named by its user cannot become another one. */
function unchangedNameErrors(template: RevisionTemplate, before: RevisionTemplate | undefined): FieldError[] {
  const name = template.metadata?.name;
  if (before === undefined || !name || name !== before.metadata?.name) return [];
  const details = shortDiff('{*v1.RevisionTemplateSpec}', before, template);
  if (details === '') return [];
  const message = 'Saw the following changes without a name change (-old +new)';
  return [{ message, paths: ['metadata.name'], details }];
}

export function configurationErrors(configuration: Configuration, context: AdmissionContext): FieldError[] {
  const { metadata, spec } = configuration;
  const before = (context.old as Configuration | undefined)?.spec.template;
  return [
    ...below('spec', templateErrors(metadata, spec?.template, before, context)),
    ...metadataErrors(configuration, context),
    ...ownerLabelErrors(metadata, LABELS.service),
  ];
}
