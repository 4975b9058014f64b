import { afterAll, beforeAll, describe } from 'vitest';
import { openCluster } from '../../../src/control/cluster/open-cluster.ts';
import type { KindName } from '../../../src/control/resource-client.ts';
import { resourceClientContract } from '../../contracts/resource-client.ts';
import { RealCluster } from '../../kit/real-cluster.ts';
import { kubeApiServer } from '../../servers/kube-apiserver.ts';
import { sharedServer } from '../../servers/shared.ts';

const server = await sharedServer(kubeApiServer);

describe.skipIf(server.kind === 'missing')('a real Kubernetes', () => {
  let cluster: RealCluster;
  let kind: KindName;

  beforeAll(async () => {
    cluster = await RealCluster.open(server.kind === 'running' ? server.address : '');
    kind = await cluster.kind();
  });
  afterAll(() => cluster.close());

  resourceClientContract('@kubernetes/client-node at a real cluster', async () => {
    const opened = await openCluster({ kind: 'kubeconfig', text: cluster.kubeconfig });
    return { client: opened.reader, kind, namespace: await cluster.namespace(), close: () => opened.close() };
  });
});
