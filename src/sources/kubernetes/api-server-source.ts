import { API_SERVER_SOURCE, type ApiServerSource } from '../../apis/sources/api-server-source/schema.ts';
import {
  API_SERVER_EVENT_TYPES,
  API_SERVER_SOURCE_CONDITIONS,
} from '../../apis/sources/api-server-source/status.ts';
import { clusterChoiceOf } from '../../apis/sources/cluster-annotations.ts';
import type { CeAttributes } from '../../apis/sources/source-kind.ts';
import type { SourceContext, SourceKind } from '../source.ts';
import { planApiServerSource, type KubernetesPlan } from './plan.ts';

export const apiServerSource: SourceKind<ApiServerSource, KubernetesPlan> = {
  kind: API_SERVER_SOURCE,
  conditions: API_SERVER_SOURCE_CONDITIONS,
  plan: planApiServerSource,
  ceAttributes: attributesOf,
  leavesSomething: false,
  load: async () => (await import('./kubernetes-adapter.ts')).kubernetesAdapter,
};

/** The URL of another cluster is known once it runs. */
function attributesOf(source: ApiServerSource, { apiUrl }: SourceContext): CeAttributes[] {
  if (clusterChoiceOf(source).kind !== 'embedded') return [];
  return API_SERVER_EVENT_TYPES[source.spec.mode].map((type) => ({ type, source: apiUrl }));
}
