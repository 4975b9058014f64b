import { AGE } from '../../core/core-kinds.ts';
import type { KindDefinition } from '../../kind.ts';
import { setKubernetesEventSourceDefaults } from './defaults.ts';
import { kubernetesEventSourceSchema, type KubernetesEventSource } from './schema.ts';
import { kubernetesEventSourceErrors } from './validate.ts';

/** The Kubernetes events source of eventing-sources v0.2.0 (config/300-kuberneteseventsource.yaml). */
export const kubernetesEventSourceKind: KindDefinition<KubernetesEventSource> = {
  group: 'sources.eventing.knative.dev',
  versions: ['v1alpha1'],
  kind: 'KubernetesEventSource',
  plural: 'kuberneteseventsources',
  singular: 'kuberneteseventsource',
  shortNames: [],
  categories: ['all', 'knative', 'eventing', 'sources'],
  scope: 'Namespaced',
  schema: kubernetesEventSourceSchema,
  columns: [AGE],
  subresources: { status: true },
  crd: { labels: { 'eventing.knative.dev/source': 'true' }, annotations: {} },
  setDefaults: setKubernetesEventSourceDefaults,
  validate: kubernetesEventSourceErrors,
};
