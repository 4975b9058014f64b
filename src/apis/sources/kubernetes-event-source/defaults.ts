import type { KubernetesEventSource } from './schema.ts';

/** Upstream sets none; the sink is in the source's own namespace where it says no other, and is resolved so. */
export function setKubernetesEventSourceDefaults(source: KubernetesEventSource): KubernetesEventSource {
  return source;
}
