import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { Resource } from '../../../src/apis/resource.ts';
import type { ApiServerSource } from '../../../src/apis/sources/api-server-source/schema.ts';
import { openCluster } from '../../../src/control/cluster/open-cluster.ts';
import type { ClusterAccess } from '../../../src/control/watched-cluster.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import { kubernetesAdapter } from '../../../src/sources/kubernetes/kubernetes-adapter.ts';
import { planApiServerSource, type KubernetesPlan } from '../../../src/sources/kubernetes/plan.ts';
import type { RunningSource, SourceState, SourceTools } from '../../../src/sources/source.ts';
import { MemoryBookmark, sourceContract } from '../../contracts/source.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { aConfigMap, anApiServerSource } from '../../kit/kubernetes.ts';
import { RealCluster, serverOf, throughPort } from '../../kit/real-cluster.ts';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import { KubeApiServer, kubeApiServer } from '../../servers/kube-apiserver.ts';
import { endAll } from '../../servers/processes.ts';
import { sharedServer } from '../../servers/shared.ts';

const server = await sharedServer(kubeApiServer);
const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };
const folder = temporaryFolder('forgetful');
const WAIT = { timeout: 20_000, interval: 50 };

const clusterAt: SourceTools['clusterAt'] = (access: ClusterAccess) => {
  if (access.kind === 'embedded') throw new Error('there is no embedded API here');
  return openCluster(access);
};

/** Of a source in this namespace, at the cluster of this kubeconfig. */
function planOf(
  namespace: string,
  kubeconfig: string,
  spec: Readonly<Record<string, unknown>> = {},
): KubernetesPlan {
  const source = anApiServerSource('watcher', spec, {
    'sources.millrace.dev/kubeconfig-secret': 'other/kubeconfig',
  });
  const placed: ApiServerSource = { ...source, metadata: { ...source.metadata, namespace } };
  const planned = planApiServerSource(placed, () => kubeconfig);
  if (planned.kind === 'missing') throw new Error('the Secret is there');
  return planned.plan;
}

describe.skipIf(server.kind === 'missing')('a source of a real Kubernetes', () => {
  let cluster: RealCluster;
  beforeAll(async () => {
    cluster = await RealCluster.open(server.kind === 'running' ? server.address : '');
  });
  afterAll(() => cluster.close());

  sourceContract('an ApiServerSource of a real cluster', async () => {
    const { host, port } = serverOf(cluster.kubeconfig);
    const [proxy, namespace] = [await TcpProxy.open(host, port), await cluster.namespace()];
    const kubeconfig = throughPort(cluster.kubeconfig, proxy.port);
    return {
      produce: async (name) => void (await cluster.admin.apply(aConfigMap(name, { namespace }))),
      nameOf: ({ attributes }) => attributes.get('name') ?? '',
      open: (tools) =>
        kubernetesAdapter.open(planOf(namespace, kubeconfig), { ...tools, reader: cluster.admin, clusterAt }),
      goAway: async () => {
        proxy.isDown = true;
        proxy.cut();
      },
      comeBack: async () => void (proxy.isDown = false),
      keepsWhileClosed: true,
      release: () => proxy.close(),
    };
  });

  describe('with an account of its own', () => {
    let told: CloudEvent[];
    let states: SourceState[];
    let bookmark: MemoryBookmark;
    const opened: RunningSource[] = [];

    beforeEach(() => {
      [told, states, bookmark] = [[], [], new MemoryBookmark()];
    });
    afterEach(() => Promise.all(opened.splice(0).map((source) => source.close())));

    function open(plan: KubernetesPlan, reader = cluster.admin): RunningSource {
      const source = kubernetesAdapter.open(plan, {
        clock: systemClock,
        random: () => 0.5,
        bookmark,
        reader,
        clusterAt,
        tell: (state) => states.push(state),
        warn: () => undefined,
        deliver: async (event) => {
          told.push(event);
          return 'taken';
        },
      });
      opened.push(source);
      return source;
    }
    const last = (): SourceState | undefined => states.at(-1);
    const names = (): string[] =>
      told.map(({ attributes }) => `${attributes.get('type')?.split('.').at(-1)} ${attributes.get('name')}`);

    it('says what it may not do, in the words of upstream, and begins once it may', async () => {
      const namespace = await cluster.namespace();
      const kubeconfig = await cluster.account(namespace, 'watcher');
      const resources = [CONFIG_MAP, { apiVersion: 'apps/v1', kind: 'Deployment' }];
      open(planOf(namespace, kubeconfig, { resources }));
      const cannot = (resource: string, group: string): string =>
        `get, list, watch resource "${resource}" in API group "${group}" in Namespace "${namespace}"`;
      const user = `system:serviceaccount:${namespace}:watcher`;
      await expect.poll(last, WAIT).toEqual({
        kind: 'failing',
        condition: 'SufficientPermissions',
        reason: '',
        message: `User ${user} cannot ${cannot('configmaps', '')}, ${cannot('deployments', 'apps')}`,
      });
      await opened.splice(0).at(0)?.close();

      await cluster.grant(namespace, 'watcher', 'configmaps');
      open(planOf(namespace, kubeconfig));
      await expect.poll(() => last()?.kind, WAIT).toBe('running');
      await cluster.admin.apply(aConfigMap('a', { namespace }));
      await expect.poll(names, WAIT).toEqual(['add a']);
    });

    it('notices that a right was taken back, and that it was given again, without losing what happened between', async () => {
      const namespace = await cluster.namespace();
      const { host, port } = serverOf(cluster.kubeconfig);
      const proxy = await TcpProxy.open(host, port);
      const kubeconfig = throughPort(await cluster.account(namespace, 'watcher'), proxy.port);
      await cluster.grant(namespace, 'watcher', 'configmaps');
      open(planOf(namespace, kubeconfig));
      await expect.poll(() => last()?.kind, WAIT).toBe('running');
      await cluster.revoke(namespace, 'watcher', 'configmaps');
      proxy.cut(); // a watch that is open goes on; the next one is refused
      await expect.poll(last, WAIT).toMatchObject({ kind: 'failing', condition: 'SufficientPermissions' });
      await cluster.admin.apply(aConfigMap('meanwhile', { namespace }));
      await cluster.grant(namespace, 'watcher', 'configmaps');
      await expect.poll(() => last()?.kind, WAIT).toBe('running');
      await expect.poll(names, WAIT).toEqual(['add meanwhile']);
      await proxy.close();
    });

    it('says that nobody knows its token', async () => {
      const namespace = await cluster.namespace();
      const kubeconfig = (await cluster.account(namespace, 'watcher')).replace(
        /token: "[^"]*"/,
        'token: "of-nobody"',
      );
      open(planOf(namespace, kubeconfig));
      const state = {
        kind: 'failing',
        condition: 'Deployed',
        reason: 'Unauthorized',
        message: 'Unauthorized',
      };
      await expect.poll(last, WAIT).toEqual(state);
    });

    it('watches namespaces by their labels, one that is made later from its first object on', async () => {
      const team = `team-${Date.now()}`;
      open(planOf('default', cluster.kubeconfig, { namespaceSelector: { matchLabels: { team } } }));
      await expect.poll(last, WAIT).toMatchObject({ kind: 'running', fields: { namespaces: [] } });
      const namespace = await cluster.namespace({ team });
      await cluster.admin.apply(aConfigMap('first', { namespace }));
      await expect.poll(names, WAIT).toContain('add first');
      expect(last()).toMatchObject({ kind: 'running', fields: { namespaces: [namespace] } });
      const { host, port } = serverOf(cluster.kubeconfig);
      expect(told[0]?.attributes.get('source')).toBe(`https://${host}:${port}`);
    });
  });
});

describe.skipIf(server.kind === 'missing')(
  'a source whose cluster is killed and has forgotten what happened',
  () => {
    let own: KubeApiServer;
    beforeAll(async () => {
      own = await KubeApiServer.make(folder);
      await own.start();
    });
    afterAll(() => endAll(own.pids));

    it('tells what is other than it knew, deletions among it, and nothing else', async () => {
      const cluster = await RealCluster.open(own.kubeconfig);
      const namespace = await cluster.namespace();
      const put = (name: string, value = ''): Promise<Resource> =>
        cluster.admin.apply(aConfigMap(name, { namespace, value }));
      for (const name of ['same', 'changed', 'gone']) await put(name);
      const told: string[] = [];
      const states: SourceState[] = [];
      const bookmark = new MemoryBookmark();
      const open = (): RunningSource =>
        kubernetesAdapter.open(planOf(namespace, cluster.kubeconfig), {
          clock: systemClock,
          random: () => 0.5,
          bookmark,
          reader: cluster.admin,
          clusterAt,
          tell: (state) => states.push(state),
          warn: (reason) => told.push(reason),
          async deliver({ attributes }) {
            told.push(`${attributes.get('type')?.split('.').at(-1)} ${attributes.get('name')}`);
            return 'taken';
          },
        });
      const first = open();
      await expect.poll(() => states.at(-1)?.kind, WAIT).toBe('running');
      await first.close();
      const { resourceVersion } = await cluster.admin.list(CONFIG_MAP, namespace);
      await put('changed', '2');
      await cluster.admin.remove(CONFIG_MAP, namespace, 'gone');
      await put('new');
      await own.end();
      await own.start();
      const signal = AbortSignal.timeout(20_000);
      const old = cluster.admin
        .watch(CONFIG_MAP, { since: resourceVersion, signal, namespace })
        [Symbol.asyncIterator]();
      await expect(old.next()).rejects.toMatchObject({ code: 'EXPIRED' });
      const second = open();
      await expect.poll(() => told, WAIT).toEqual(['delete gone', 'update changed', 'add new']);
      await own.end(); // while it watches
      await expect
        .poll(() => states.at(-1), WAIT)
        .toMatchObject({ kind: 'failing', reason: 'ClusterUnreachable' });
      await own.start();
      await expect.poll(() => states.at(-1)?.kind, { ...WAIT, timeout: 40_000 }).toBe('running');
      await put('later');
      await expect.poll(() => told.at(-1), WAIT).toBe('add later');
      expect(told).toHaveLength(4);
      await second.close();
      await cluster.close();
    }, 120_000);
  },
);
