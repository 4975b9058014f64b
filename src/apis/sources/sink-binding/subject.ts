import type { Resource } from '../../resource.ts';
import { isSelected } from '../../label-selector.ts';
import type { SinkBinding, Subject } from './schema.ts';

/** What instances are made from here; other kinds that upstream binds (StatefulSet, DaemonSet) do not run here. */
const BINDABLE: Readonly<Record<string, readonly string[]>> = {
  'serving.knative.dev': ['Service', 'Configuration'],
  apps: ['Deployment'],
  batch: ['Job'],
};
export const EXCLUDE = 'bindings.knative.dev/exclude';
export const INCLUDE = 'bindings.knative.dev/include';

type Labelled = Pick<Resource, 'metadata'>;

export function isBindableKind({ apiVersion = '', kind = '' }: Subject): boolean {
  return BINDABLE[groupOf(apiVersion)]?.includes(kind) ?? false;
}

/** Of a Revision's Deployment it is the Service that is bound: it only shows what runs. */
export function isBindable(object: Resource): boolean {
  const { ownerReferences = [] } = object.metadata;
  if (!isBindableKind(object)) return false;
  return !ownerReferences.some(({ kind }) => kind === 'Revision');
}

/** Whether an object, or the namespace it is in, has opted out (eventing config/core/webhooks/sinkbindings.yaml). */
export function isExcluded(object: Labelled, namespace: Labelled | undefined): boolean {
  return [object, namespace].some((each) => each?.metadata.labels?.[EXCLUDE] === 'true');
}

/** Whether a binding speaks of an object at all. */
export function isSubjectOf({ spec, metadata }: SinkBinding, object: Resource): boolean {
  const { apiVersion = '', kind, name, selector } = spec.subject ?? {};
  if (groupOf(apiVersion) !== groupOf(object.apiVersion) || kind !== object.kind) return false;
  if (metadata.namespace !== object.metadata.namespace) return false;
  return name
    ? name === object.metadata.name
    : selector !== undefined && isSelected(selector, object.metadata.labels);
}

/** The one binding that binds an object: by name before by selector, the oldest of several; one that goes binds no more. */
export function bindingOf(object: Resource, bindings: readonly SinkBinding[]): SinkBinding | undefined {
  const rank = ({ spec, metadata }: SinkBinding): string =>
    [spec.subject?.name ? 0 : 1, metadata.creationTimestamp ?? '', metadata.name].join(' ');
  return bindings
    .filter((binding) => binding.metadata.deletionTimestamp === undefined && isSubjectOf(binding, object))
    .toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
}

const groupOf = (apiVersion: string): string => apiVersion.split('/')[0] ?? '';
