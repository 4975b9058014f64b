import { unreachable } from '../base/errors.ts';
import type { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import { embeddedCluster } from '../control/embedded/embedded-cluster.ts';
import type { SourceTools } from '../sources/source.ts';

/** Opens the clusters that sources watch. What reaches another one is loaded when there is one to reach. */
export function clusterOpener(client: EmbeddedClient, apiUrl: string): SourceTools['clusterAt'] {
  return async (access) => {
    switch (access.kind) {
      case 'embedded':
        return embeddedCluster(client, apiUrl);
      case 'kubeconfig':
      case 'in-cluster':
        return (await import('../control/cluster/open-cluster.ts')).openCluster(access);
      default:
        return unreachable(access);
    }
  };
}
