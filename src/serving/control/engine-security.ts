import type { Container } from '../../apis/serving/types.ts';
import type { Confinement } from '../runtime/container-spec.ts';

type Profile = { readonly type?: string };

/** What the securityContext of a container asks of its engine (core/v1 SecurityContext). */
export function confinementOf({ securityContext = {} }: Container): Confinement {
  const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities = {} } = securityContext;
  return {
    mayGainPrivileges: allowPrivilegeEscalation !== false,
    isReadOnly: readOnlyRootFilesystem === true,
    capabilities: { add: capabilities.add ?? [], drop: capabilities.drop ?? [] },
    isUnconfined: profileOf(securityContext.seccompProfile) === 'Unconfined',
  };
}

/** What no container of an engine is given here; it is told (runtime, Unmet). */
export function unhonouredByEngine({ securityContext = {}, resources = {} }: Container): readonly string[] {
  const asked: Readonly<Record<string, boolean>> = {
    'securityContext.seccompProfile.type: Localhost':
      profileOf(securityContext.seccompProfile) === 'Localhost',
    'resources.limits.ephemeral-storage': resources.limits?.['ephemeral-storage'] !== undefined,
  };
  return Object.keys(asked).filter((field) => asked[field]);
}

const profileOf = (profile: unknown): string | undefined => (Object(profile) as Profile).type;
