import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCluster } from '../../../src/control/cluster/open-cluster.ts';
import { resourceClientContract } from '../../contracts/resource-client.ts';
import { openTestApi } from '../../kit/api-server.ts';
import { temporaryFolder } from '../../kit/folders.ts';

const root = temporaryFolder('own-api');
let opened = 0;

resourceClientContract('@kubernetes/client-node at our own API server', async () => {
  const api = await openTestApi(join(root, String((opened += 1))));
  const cluster = await openCluster({ kind: 'kubeconfig', text: readFileSync(api.kubeconfig, 'utf8') });
  return {
    client: cluster.reader,
    async close() {
      await cluster.close();
      await api.close();
    },
  };
});
