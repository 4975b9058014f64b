import type { AdmissionContext } from '../../kind.ts';
import { secureDefaults } from '../features.ts';
import type { Container, RevisionSpec, SecurityContext } from '../types.ts';

const LOW_PORTS_END = 1024;

/**
 * With `secure-pod-defaults`, what a container leaves open is set to what Kubernetes calls restricted, save what its Pod says
 * (serving pkg/apis/serving/v1/revision_defaults.go, defaultSecurityContext).
 */
export function withSecureDefaults(
  container: Container,
  { securityContext: pod }: RevisionSpec,
  context: AdmissionContext,
): Container {
  const mode = secureDefaults(context);
  if (mode === 'disabled') return container;
  const own = container.securityContext ?? {};
  const mustNotBeRoot = mode === 'enabled' && pod?.runAsNonRoot === undefined;
  const profile = profileOf(own);
  return {
    ...container,
    securityContext: {
      ...own,
      allowPrivilegeEscalation: own.allowPrivilegeEscalation ?? false,
      ...(!typeOf(pod) && { seccompProfile: { ...profile, type: typeOf(own) || 'RuntimeDefault' } }),
      capabilities: own.capabilities ?? capabilitiesFor(container),
      ...(mustNotBeRoot && { runAsNonRoot: own.runAsNonRoot ?? true }),
    },
  };
}

/** None, but for a program that listens where only root may. */
function capabilitiesFor({ ports = [] }: Container): NonNullable<SecurityContext['capabilities']> {
  const isLow = ports.some(({ containerPort = 0 }) => containerPort < LOW_PORTS_END);
  return { drop: ['ALL'], ...(isLow && { add: ['NET_BIND_SERVICE'] }) };
}

const profileOf = (security: SecurityContext | undefined): object => Object(security?.seccompProfile ?? {});

const typeOf = (security: SecurityContext | undefined): unknown => Reflect.get(profileOf(security), 'type');
