import { eventFilterErrors, type EventFilter } from '../../event-filters.ts';
import { below, invalidValue, missingField } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { selectorErrors } from '../../label-selector.ts';
import { clusterChoiceErrors } from '../cluster-annotations.ts';
import type { ApiServerSource } from './schema.ts';

/** eventing pkg/apis/sources/v1/apiserver_validation.go; selectors, which upstream looks at later, are checked as well. */
export function apiServerSourceErrors(source: ApiServerSource, context: AdmissionContext): FieldError[] {
  // Defaults and shapes have been seen to, but a required array may still be missing.
  const spec: Partial<ApiServerSource['spec']> = source.spec ?? {};
  const { mode, resources = [], owner, namespaceSelector, filters = [] } = spec;
  const errors: FieldError[] = [];
  if (mode !== 'Reference' && mode !== 'Resource') errors.push(invalidValue(mode ?? '', 'mode'));
  if (resources.length === 0) errors.push(missingField('resources'));
  for (const [i, resource] of resources.entries()) {
    const at = `resources[${i}]`;
    errors.push(...below(at, kindErrors(resource)));
    errors.push(...below(`${at}.selector`, selectorErrors(resource.selector ?? {})));
  }
  if (owner !== undefined) errors.push(...below('owner', kindErrors(owner)));
  errors.push(...below('namespaceSelector', selectorErrors(namespaceSelector ?? {})));
  errors.push(...filterErrors(filters, context));
  return [...below('spec', errors), ...clusterChoiceErrors(source)];
}

/** `apps/v1` and `v1` are versions, more slashes are none (apimachinery ParseGroupVersion). */
function kindErrors({ apiVersion = '', kind = '' }: { apiVersion?: string; kind?: string }): FieldError[] {
  return [
    ...(apiVersion.split('/').length > 2 ? [invalidValue(apiVersion, 'apiVersion')] : []),
    ...(kind.trim() === '' ? [missingField('kind')] : []),
  ];
}

function filterErrors(filters: readonly EventFilter[], context: AdmissionContext): FieldError[] {
  const features = context.configMap('knative-eventing', 'config-features');
  if (features?.['new-apiserversource-filters']?.toLowerCase() === 'enabled')
    return below('filters', eventFilterErrors(filters));
  if (filters.length === 0) return [];
  const message = 'Filters is not empty but the NewAPIServerFilters feature is disabled.';
  return [{ message, paths: [] }];
}
