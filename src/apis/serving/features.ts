import type { AdmissionContext } from '../kind.ts';

type Flag = 'enabled' | 'allowed' | 'disabled';

/** Those that Knative ships enabled (serving pkg/apis/config/features.go); all others are disabled. */
const SHIPPED_ENABLED = new Set(['multi-container', 'kubernetes.podspec-volumes-emptydir']);

/** ConfigMap config-features, as stored now; values are read in any case, and an unknown one is the shipped one. */
export function featureFlags(context: AdmissionContext): (name: string) => Flag {
  const data = context.configMap('knative-serving', 'config-features') ?? {};
  return (name) => {
    const value = data[name]?.toLowerCase();
    if (value === 'enabled' || value === 'allowed' || value === 'disabled') return value;
    return SHIPPED_ENABLED.has(name) ? 'enabled' : 'disabled';
  };
}
