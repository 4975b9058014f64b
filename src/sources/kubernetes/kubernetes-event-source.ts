import {
  KUBERNETES_EVENT_SOURCE,
  type KubernetesEventSource,
} from '../../apis/sources/kubernetes-event-source/schema.ts';
import type { SourceKind } from '../source.ts';
import { planKubernetesEventSource, type KubernetesPlan } from './plan.ts';

/** The Kubernetes events source of 2018: its events come from whatever object a core/v1 Event is about. */
export const kubernetesEventSource: SourceKind<KubernetesEventSource, KubernetesPlan> = {
  kind: KUBERNETES_EVENT_SOURCE,
  conditions: ['SinkProvided', 'Deployed'],
  sinkOf: ({ spec: { sink } }) => (sink === undefined ? {} : { ref: sink }),
  plan: planKubernetesEventSource,
  ceAttributes: () => [],
  leavesSomething: false,
  load: async () => (await import('./kubernetes-adapter.ts')).kubernetesAdapter,
};
