import type { Visibility } from '../../../apis/networking/ingress/types.ts';
import type { Resource } from '../../../apis/resource.ts';
import { LABELS } from '../../../apis/serving/shared.ts';
import type { Route } from '../../../apis/serving/types.ts';
import { isOwnedBy, ownerOf } from '../../../control/owned.ts';
import type { Told } from '../../../control/reconciler.ts';
import type { ResourceClient } from '../../../control/resource-client.ts';
import type { Hosts } from './hosts.ts';

const SERVICE = { apiVersion: 'v1', kind: 'Service' };
const LOCAL = 'cluster-local';

type KubernetesService = Resource & { readonly spec?: unknown };

/** Whether a route, or the tag that a host part stands for, is seen outside: its own label hides all, one on its Service that host. */
export async function visibilityOf(
  cluster: ResourceClient,
  { metadata: { namespace = '', labels = {} } }: Route,
  part: string,
): Promise<Visibility> {
  if (labels[LABELS.visibility] === LOCAL) return 'ClusterLocal';
  const service = await cluster.find(SERVICE, namespace, part);
  return service?.metadata.labels?.[LABELS.visibility] === LOCAL ? 'ClusterLocal' : 'ExternalIP';
}

export type Placed =
  | { readonly kind: 'placed'; readonly events: readonly Told[] }
  | { readonly kind: 'taken'; readonly name: string };

/**
 * A Service for each host of a route, which keeps its name from being used by another and carries the label that hides it
 * (serving pkg/reconciler/route/resources/service.go). One of that name that is somebody else's is left alone.
 */
export async function placeServices(
  cluster: ResourceClient,
  route: Route,
  hosts: Iterable<Hosts>,
  before: readonly string[],
): Promise<Placed> {
  const { namespace = '' } = route.metadata;
  const events: Told[] = [];
  const wanted = new Set<string>();
  for (const each of hosts) {
    wanted.add(each.serviceName);
    const known = await cluster.find<KubernetesService>(SERVICE, namespace, each.serviceName);
    if (known !== undefined && !isOwnedBy(known, route)) return { kind: 'taken', name: each.serviceName };
    await cluster.apply({ ...placeholderOf(route, each), metadata: metadataOf(route, each, known) });
    if (known === undefined)
      events.push({
        type: 'Normal',
        reason: 'Created',
        message: `Created placeholder service "${each.serviceName}"`,
      });
  }
  for (const name of before) {
    if (wanted.has(name)) continue;
    const old = await cluster.find(SERVICE, namespace, name);
    if (old !== undefined && isOwnedBy(old, route)) await cluster.remove(SERVICE, namespace, name);
  }
  return { kind: 'placed', events };
}

function placeholderOf(route: Route, { public: outside, local, serviceName }: Hosts): KubernetesService {
  return {
    ...SERVICE,
    metadata: { name: serviceName },
    spec: {
      type: 'ExternalName',
      externalName: outside[0] ?? local.at(-1) ?? route.metadata.name,
      sessionAffinity: 'None',
      ports: [{ name: 'http2', port: 80, protocol: 'TCP', targetPort: 80 }],
    },
  };
}

/** Labels of its users stay: `networking.knative.dev/visibility` is set there. */
function metadataOf(route: Route, { serviceName }: Hosts, known: Resource | undefined): Resource['metadata'] {
  const { namespace, name } = route.metadata;
  return {
    ...known?.metadata,
    name: serviceName,
    ...(namespace !== undefined && { namespace }),
    labels: { ...known?.metadata.labels, [LABELS.route]: name },
    ownerReferences: [ownerOf(route)],
  };
}
