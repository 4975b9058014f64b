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

/** `secure-pod-defaults`: what a container leaves open is set to what Kubernetes calls restricted. */
export function secureDefaults(context: AdmissionContext): 'enabled' | 'rootBounded' | 'disabled' {
  const value = context
    .configMap('knative-serving', 'config-features')
    ?.['secure-pod-defaults']?.toLowerCase();
  if (value === 'allowrootbounded') return 'rootBounded';
  return value === 'enabled' ? 'enabled' : 'disabled';
}

export const hasSecureDefaults = (context: AdmissionContext): boolean =>
  secureDefaults(context) !== 'disabled';
