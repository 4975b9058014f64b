import type { WatchedCluster } from '../watched-cluster.ts';
import type { EmbeddedClient } from './embedded-client.ts';

/** The platform's own API as a cluster to watch: there is nobody in it who may not. */
export function embeddedCluster(client: EmbeddedClient, url: string): WatchedCluster {
  return {
    url,
    reader: client,
    isNamespaced: async (kind) => client.isNamespaced(kind),
    refused: async () => ({ user: client.user, refused: [] }),
    close: async () => undefined,
  };
}
