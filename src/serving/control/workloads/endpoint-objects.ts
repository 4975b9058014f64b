import { ENDPOINT_SLICE, ENDPOINTS } from '../../../apis/core/endpoints.ts';
import { NODE_NAME } from '../../../apis/core/node.ts';
import type { CoreService } from '../../../apis/core/service.ts';
import type { Pod } from '../../../apis/core/pod.ts';
import { childName } from '../../../apis/names.ts';
import type { Resource } from '../../../apis/resource.ts';
import { isOwnedBy, ownerOf } from '../../../control/owned.ts';
import type { ResourceClient } from '../../../control/resource-client.ts';

/** Where a Pod of a Service takes requests: all on this machine, each at ports of its own. */
export type Place = {
  readonly pod: Pod;
  readonly isReady: boolean;
  readonly ports: readonly {
    readonly name: string | undefined;
    readonly port: number;
    readonly protocol: string;
  }[];
};

const SERVICE_LABEL = 'kubernetes.io/service-name';
const MANAGED_BY = { 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' };
const ADDRESS = '127.0.0.1';

type Open = Resource & Readonly<Record<string, unknown>>;

/** Writes the Endpoints of a Service, and an EndpointSlice for each Pod of it, since each has other ports. */
export async function writeEndpoints(
  cluster: ResourceClient,
  service: CoreService,
  places: readonly Place[],
): Promise<void> {
  const { namespace = '', name } = service.metadata;
  if (service.spec?.selector === undefined) return; // then they are their user's
  const reached = places.filter(({ ports }) => ports.length > 0);
  await cluster.apply<Open>({
    ...ENDPOINTS,
    metadata: {
      name,
      namespace,
      labels: { ...service.metadata.labels },
      ownerReferences: [ownerOf(service)],
    },
    ...(reached.length > 0 && { subsets: reached.map(subsetOf) }),
  });
  const wanted = reached.map((place) => sliceOf(service, place));
  for (const slice of wanted) await cluster.apply<Open>(slice);
  const { items } = await cluster.list(ENDPOINT_SLICE, namespace);
  for (const slice of items)
    if (isOwnedBy(slice, service) && !wanted.some(({ metadata }) => metadata.name === slice.metadata.name))
      await cluster.remove(ENDPOINT_SLICE, namespace, slice.metadata.name);
}

function subsetOf({ pod, isReady, ports }: Place): object {
  const address = { ip: ADDRESS, nodeName: NODE_NAME, targetRef: targetOf(pod) };
  return { [isReady ? 'addresses' : 'notReadyAddresses']: [address], ports: ports.map(portOf) };
}

function sliceOf(service: CoreService, { pod, isReady, ports }: Place): Open {
  const { namespace = '', name } = service.metadata;
  return {
    ...ENDPOINT_SLICE,
    metadata: {
      name: childName(name, `-${pod.metadata.name.slice(-5)}`),
      namespace,
      labels: { ...service.metadata.labels, ...MANAGED_BY, [SERVICE_LABEL]: name },
      ownerReferences: [ownerOf(service)],
    },
    addressType: 'IPv4',
    endpoints: [
      {
        addresses: [ADDRESS],
        conditions: { ready: isReady, serving: isReady, terminating: false },
        nodeName: NODE_NAME,
        targetRef: targetOf(pod),
      },
    ],
    ports: ports.map(portOf),
  };
}

function targetOf({ metadata: { name, namespace, uid } }: Pod): object {
  return { kind: 'Pod', name, namespace, uid };
}

function portOf({ name, port, protocol }: Place['ports'][number]): object {
  return { ...(name !== undefined && { name }), port, protocol };
}
