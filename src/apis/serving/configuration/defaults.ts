import { isDeepStrictEqual } from 'node:util';
import type { AdmissionContext } from '../../kind.ts';
import type { ObjectMeta } from '../../resource.ts';
import { withRevisionDefaults } from '../revision/defaults.ts';
import type { Configuration, RevisionTemplate } from '../types.ts';

/**
 * A revision that its user has named stays as it was written while it keeps that name: other defaults by now would be a
 * change. Written as before, it is as before.
 */
export function withTemplateDefaults(
  template: RevisionTemplate = {},
  before: RevisionTemplate | undefined,
  context: AdmissionContext,
  owner: Partial<ObjectMeta>,
): RevisionTemplate {
  const name = template.metadata?.name;
  const spec = withRevisionDefaults(template.spec ?? {}, context, owner, before?.spec);
  const isKept = name !== undefined && name !== '' && name === before?.metadata?.name;
  return isKept && !isDeepStrictEqual(spec, before?.spec) ? template : { ...template, spec };
}

export function setConfigurationDefaults(
  configuration: Configuration,
  context: AdmissionContext,
): Configuration {
  const { metadata, spec } = configuration;
  const before = (context.old as Configuration | undefined)?.spec?.template;
  return {
    ...configuration,
    spec: { ...spec, template: withTemplateDefaults(spec?.template, before, context, metadata) },
  };
}
