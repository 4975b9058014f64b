import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { vi } from 'vitest';
import type { Resource } from '../../src/apis/resource.ts';
import { openCluster } from '../../src/control/cluster/open-cluster.ts';
import { Connection } from '../../src/control/cluster/connection.ts';
import { kubeconfigCredentials } from '../../src/control/cluster/kubeconfig.ts';
import type { ClusterClient } from '../../src/control/cluster/cluster-client.ts';
import type { KindName } from '../../src/control/resource-client.ts';
import type { WatchedCluster } from '../../src/control/watched-cluster.ts';
import { kubeconfigFor } from '../servers/kube-apiserver.ts';

const RBAC = 'rbac.authorization.k8s.io';

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

  /** A service account with nothing granted to it, and a kubeconfig to be it with. */
  async account(namespace: string, name: string): Promise<string> {
    await this.admin.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
    const connection = new Connection(await kubeconfigCredentials(this.kubeconfig));
    try {
      const answer = await connection.ask<{ readonly status: { readonly token: string } }>({
        method: 'POST',
        path: `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: { expirationSeconds: 3600 },
        },
      });
      return kubeconfigFor(connection.server, answer.status.token);
    } finally {
      connection.close();
    }
  }

  /** Lets an account read objects in its own namespace. */
  async grant(namespace: string, account: string, resource: string): Promise<void> {
    const metadata = { name: `${account}-${resource}`, namespace };
    const verbs = ['get', 'list', 'watch'];
    const rules = [{ apiGroups: [''], resources: [resource], verbs }];
    await this.admin.apply({ apiVersion: `${RBAC}/v1`, kind: 'Role', metadata, rules } as Resource);
    const roleRef = { apiGroup: RBAC, kind: 'Role', name: metadata.name };
    const subjects = [{ kind: 'ServiceAccount', name: account, namespace }];
    const binding = { apiVersion: `${RBAC}/v1`, kind: 'RoleBinding', metadata, roleRef, subjects };
    await this.admin.apply(binding as Resource);
  }

  async revoke(namespace: string, account: string, resource: string): Promise<void> {
    const kind = { apiVersion: `${RBAC}/v1`, kind: 'RoleBinding' };
    await this.admin.remove(kind, namespace, `${account}-${resource}`);
  }
}

/** The same kubeconfig, by way of a relay on this port. */
export function throughPort(kubeconfig: string, port: number): string {
  return kubeconfig.replace(/(server: "?https:\/\/)[^"\s,}]+/, `$1127.0.0.1:${port}`);
}

/** Where its server listens. */
export function serverOf(kubeconfig: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(/server: "?(https:\/\/[^"\s,}]+)/.exec(kubeconfig)?.[1] ?? '');
  return { host: hostname, port: Number(port || 443) };
}
