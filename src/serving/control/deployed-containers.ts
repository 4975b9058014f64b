import type { Container } from '../../apis/serving/types.ts';
import { servingPortOf } from './container-plan.ts';

/** What is known of a container's image. */
type Pinned = { readonly name: string; readonly imageDigest?: string | undefined };

/** Containers with the digests that their images were pinned to. */
export function pinned(containers: readonly Container[], images: readonly Pinned[]): readonly Container[] {
  return containers.map((container) => {
    const image = images.find(({ name }) => name === container.name)?.imageDigest;
    return { ...container, ...(image !== undefined && { image }) };
  });
}

/**
 * The containers of a revision as its Deployment and its Pods have them: the one that answers with one port, whatever its
 * manifest says of it (serving pkg/reconciler/revision/resources/deploy.go, buildContainerPorts), and what Knative puts
 * beside them.
 */
export function deployedContainers(
  containers: readonly Container[],
  images: readonly Pinned[],
): readonly Container[] {
  const answers = ({ ports = [] }: Container): boolean => ports.length > 0 || containers.length === 1;
  const port = {
    name: 'user-port',
    containerPort: servingPortOf(containers).number,
    protocol: 'TCP' as const,
  };
  return [
    ...pinned(containers, images).map((container) =>
      answers(container) ? { ...container, ports: [port] } : container,
    ),
    { name: 'queue-proxy', image: 'millrace/gateway' },
  ];
}
