import type { AdmissionContext } from '../../kind.ts';
import type { ObjectMeta } from '../../resource.ts';
import { withRevisionDefaults } from '../revision/defaults.ts';
import type { Configuration, RevisionTemplate } from '../types.ts';

export function withTemplateDefaults(
  template: RevisionTemplate | undefined,
  context: AdmissionContext,
  owner: Partial<ObjectMeta> = {},
): RevisionTemplate | undefined {
  return template?.spec === undefined
    ? template
    : { ...template, spec: withRevisionDefaults(template.spec, context, owner) };
}

export function setConfigurationDefaults(
  configuration: Configuration,
  context: AdmissionContext,
): Configuration {
  const template = withTemplateDefaults(configuration.spec?.template, context, configuration.metadata);
  return { ...configuration, spec: { ...configuration.spec, ...(template !== undefined && { template }) } };
}
