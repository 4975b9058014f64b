import type { ContainerSpec } from '../container-spec.ts';
import type { InstanceSpec, Unmet } from '../runtime.ts';
import type { Engine } from './engine.ts';

/** What of a spec no container of an engine is given, known before it starts. */
export function unmetOf({ containers, initContainers }: InstanceSpec): readonly Unmet[] {
  return [...initContainers, ...containers].flatMap(({ name, user, unhonoured }): Unmet[] => [
    ...(user.mustNotBeRoot && user.uid === 0
      ? [refused(`container's runAsUser breaks non-root policy (container: ${name})`)]
      : []),
    ...(unhonoured.length === 0
      ? []
      : [
          {
            kind: 'ignored',
            what: 'user',
            message: `container ${name} runs in the container engine without ${unhonoured.join(', ')}`,
          } as const,
        ]),
  ]);
}

/** Why an image may not be run, by the user that it names itself (kubernetes pkg/kubelet/kuberuntime: verifyRunAsNonRoot has the texts). */
export async function rootFault(
  engine: Engine,
  { name, image, user }: ContainerSpec,
): Promise<string | undefined> {
  if (!user.mustNotBeRoot || user.uid !== undefined) return undefined;
  const named = await engine.ask('GET', `/images/${image}/json`);
  // Docker knows what was built here and never pushed by its digest alone.
  const { status, body } =
    named.status < 300 ? named : await engine.ask('GET', `/images/${image.split('@')[1]}/json`);
  if (status >= 300) return undefined; // its creation tells what is wrong with it
  const { Config } = body as { readonly Config?: { readonly User?: string } | null };
  const [uid = ''] = (Config?.User ?? '').split(':');
  if (uid === '' || Number(uid) === 0)
    return `container has runAsNonRoot and image will run as root (container: ${name})`;
  if (Number.isNaN(Number(uid)))
    return `container has runAsNonRoot and image has non-numeric user (${uid}), cannot verify user is non-root (container: ${name})`;
  return undefined;
}

const refused = (message: string): Unmet => ({ kind: 'refused', what: 'user', message });
