import { describe, expect, it } from 'vitest';
import { INGRESS, type Ingress, type IngressPath } from '../../../src/apis/networking/ingress/types.ts';
import { LABELS } from '../../../src/apis/serving/shared.ts';
import { planRoutes } from '../../../src/serving/control/route-plans.ts';

const LOCAL = ['r.n', 'r.n.svc', 'r.n.svc.cluster.local'];
const to = (...shares: [string, number][]): IngressPath['splits'] =>
  shares.map(([serviceName, percent]) => ({
    serviceNamespace: 'n',
    serviceName,
    servicePort: 80,
    percent,
  }));
const ingress = (rules: Ingress['spec']['rules'], labels: Record<string, string> = {}): Ingress => ({
  ...INGRESS,
  metadata: { name: 'r', namespace: 'n', labels },
  spec: { rules },
});

describe('the routes of an Ingress', () => {
  it('are one for each rule, with its hosts on its own listener and its shares', () => {
    const shared = { http: { paths: [{ splits: to(['a', 90], ['b', 10]) }] } };
    const rules = [
      { hosts: LOCAL, visibility: 'ClusterLocal' as const, ...shared },
      { hosts: ['R.n.Example.com'], visibility: 'ExternalIP' as const, ...shared },
      { hosts: ['new-r.n.example.com'], http: { paths: [{ splits: to(['b', 100]) }] } },
    ];
    const targets = [
      { revision: 'n/a', percent: 90 },
      { revision: 'n/b', percent: 10 },
    ];
    expect(planRoutes(ingress(rules), 'example.com')).toEqual([
      { key: 'n/r#0', publicHosts: [], localHosts: LOCAL, targets },
      { key: 'n/r#1', publicHosts: ['r.n.example.com'], localHosts: [], targets },
      {
        key: 'n/r#2',
        publicHosts: ['new-r.n.example.com'],
        localHosts: [],
        targets: [{ revision: 'n/b', percent: 100 }],
      },
    ]);
  });

  it('tell apart by a header before all others, and say which way a request has come', () => {
    const paths = [
      { headers: { 'Knative-Serving-Tag': { exact: 'blue' } }, splits: to(['b', 100]) },
      { appendHeaders: { 'Knative-Serving-Default-Route': 'true' }, splits: to(['a', 100]) },
    ];
    expect(planRoutes(ingress([{ hosts: ['r.n.example.com'], http: { paths } }]), 'example.com')).toEqual([
      {
        key: 'n/r#0',
        publicHosts: ['r.n.example.com'],
        localHosts: [],
        targets: [{ revision: 'n/a', percent: 100 }],
        addedHeaders: ['Knative-Serving-Default-Route', 'true'],
        byHeader: [
          {
            header: 'knative-serving-tag',
            value: 'blue',
            targets: [{ revision: 'n/b', percent: 100 }],
          },
        ],
      },
    ]);
  });

  it('keep a cluster-local one inside, by its public name too', () => {
    const rule = {
      hosts: LOCAL,
      visibility: 'ClusterLocal' as const,
      http: { paths: [{ splits: to(['a', 100]) }] },
    };
    const [plan] = planRoutes(ingress([rule], { [LABELS.visibility]: 'cluster-local' }), 'localhost');
    expect(plan).toMatchObject({ publicHosts: [], localHosts: [...LOCAL, 'r.n.localhost'] });
  });

  it('hand a domain on to a name inside, by the longest path first, and by https alone where that is asked for', () => {
    const toHost = (name: string): IngressPath => ({
      rewriteHost: `${name}.n.svc.cluster.local`,
      splits: to([name, 100]),
    });
    const paths = [{ path: '/a', ...toHost('short') }, { path: '/a/b', ...toHost('long') }, toHost('web')];
    const { metadata, ...rest } = ingress([{ hosts: ['Shop.example', '*.shop.example'], http: { paths } }]);
    const aged = { ...metadata, creationTimestamp: '2026-01-01T00:00:00Z' };
    const spec = { ...rest.spec, httpOption: 'Redirected' as const };
    expect(planRoutes({ ...rest, metadata: aged, spec }, 'example.com')).toEqual([
      {
        key: 'n/r#0',
        since: '2026-01-01T00:00:00Z',
        publicHosts: ['shop.example', '*.shop.example'],
        localHosts: [],
        targets: [],
        to: 'web.n.svc.cluster.local',
        byPath: [
          { prefix: '/a/b', targets: [], to: 'long.n.svc.cluster.local' },
          { prefix: '/a', targets: [], to: 'short.n.svc.cluster.local' },
        ],
        isSecureOnly: true,
      },
    ]);
  });
});
