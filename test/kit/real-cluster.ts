import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { vi } from 'vitest';
import type { Resource } from '../../src/apis/resource.ts';
import { openCluster } from '../../src/control/cluster/open-cluster.ts';
import type { ClusterClient } from '../../src/control/cluster/cluster-client.ts';
import type { KindName } from '../../src/control/resource-client.ts';
import type { WatchedCluster } from '../../src/control/watched-cluster.ts';

type Opened = WatchedCluster & { readonly reader: ClusterClient };

/** A real Kubernetes as its administrator sees it, on which each test has namespaces of its own. */
export class RealCluster {
  readonly kubeconfig: string;
  readonly #cluster: Opened;

  private constructor(kubeconfig: string, cluster: Opened) {
    this.kubeconfig = kubeconfig;
    this.#cluster = cluster;
  }

  static async open(kubeconfigFile: string): Promise<RealCluster> {
    const kubeconfig = readFileSync(kubeconfigFile, 'utf8');
    return new RealCluster(kubeconfig, await openCluster({ kind: 'kubeconfig', text: kubeconfig }));
  }

  get admin(): ClusterClient {
    return this.#cluster.reader;
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }

  /** A namespace that nobody else uses. */
  async namespace(labels: Readonly<Record<string, string>> = {}): Promise<string> {
    const name = `test-${randomBytes(4).toString('hex')}`;
    await this.admin.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    return name;
  }

  /** A kind of its own, whose objects take any spec and have a status apart; resolves once it is served. */
  async kind(): Promise<KindName> {
    const plural = `things${randomBytes(4).toString('hex')}`;
    const kind = { apiVersion: 'test.millrace.dev/v1', kind: `Thing${plural.slice(6)}` };
    const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    await this.admin.apply({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.test.millrace.dev` },
      spec: {
        group: 'test.millrace.dev',
        scope: 'Namespaced',
        names: { plural, singular: plural, kind: kind.kind },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            subresources: { status: {} },
            schema: { openAPIV3Schema: { ...schema, properties: { spec: schema, status: schema } } },
          },
        ],
      },
    } as Resource);
    await vi.waitFor(() => this.admin.list(kind), { timeout: 20_000, interval: 200 });
    return kind;
  }
}
