import type { ApiServerSource } from './schema.ts';

/** eventing pkg/apis/sources/v1/apiserver_defaults.go. */
export function setApiServerSourceDefaults(source: ApiServerSource): ApiServerSource {
  const { spec } = source;
  const mode = spec?.mode || 'Reference';
  const serviceAccountName = spec?.serviceAccountName || 'default';
  return { ...source, spec: { ...spec, mode, serviceAccountName } };
}
