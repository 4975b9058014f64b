import type { AdmissionContext } from '../../kind.ts';
import { withRevisionDefaults } from '../revision/defaults.ts';
import type { Configuration, RevisionTemplate } from '../types.ts';

export function withTemplateDefaults(
  template: RevisionTemplate | undefined,
  context: AdmissionContext,
): RevisionTemplate | undefined {
  return template?.spec === undefined
    ? template
    : { ...template, spec: withRevisionDefaults(template.spec, context) };
}

export function setConfigurationDefaults(
  configuration: Configuration,
  context: AdmissionContext,
): Configuration {
  const template = withTemplateDefaults(configuration.spec?.template, context);
  return { ...configuration, spec: { ...configuration.spec, ...(template !== undefined && { template }) } };
}
