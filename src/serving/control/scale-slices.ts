import { isDeepStrictEqual } from 'node:util';
import { ENDPOINT_SLICE, ENDPOINTS } from '../../apis/core/endpoints.ts';
import type { CoreService } from '../../apis/core/service.ts';
import { childName } from '../../apis/names.ts';
import type { Resource } from '../../apis/resource.ts';
import { ownerOf } from '../../control/owned.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import type { Endpoints } from './scale-services.ts';

type Subset = NonNullable<Endpoints['subsets']>[number];

/**
 * Writes a Service of a revision, its Endpoints, and the EndpointSlices that say the same, which is what kubectl describes a
 * Service by: one for each subset, since each instance has a port of its own.
 */
export async function writeService(
  cluster: ResourceClient,
  service: CoreService,
  endpoints: Endpoints,
): Promise<void> {
  const { namespace, name } = endpoints.metadata;
  const owner = await cluster.apply(service);
  const before = await cluster.find<Endpoints>(ENDPOINTS, namespace, name);
  if (before !== undefined && isDeepStrictEqual(before.subsets, endpoints.subsets)) {
    await cluster.apply(endpoints); // its labels may be others
    return;
  }
  const slices = (endpoints.subsets ?? []).map((subset) => sliceOf(owner, subset));
  for (const slice of slices) await cluster.apply(slice);
  const gone = (before?.subsets ?? []).map((subset) => sliceName(name, subset));
  for (const old of gone)
    if (!slices.some(({ metadata }) => metadata.name === old))
      await cluster.remove(ENDPOINT_SLICE, namespace, old);
  await cluster.apply(endpoints); // last: it says which slices there are
}

function sliceName(service: string, { addresses: [address] }: Subset): string {
  return childName(service, `-${address?.targetRef?.name.slice(-5) ?? 'held'}`);
}

function sliceOf(service: CoreService, subset: Subset): Resource & Readonly<Record<string, unknown>> {
  const { namespace, name, labels = {} } = service.metadata;
  return {
    ...ENDPOINT_SLICE,
    metadata: {
      name: sliceName(name, subset),
      ...(namespace !== undefined && { namespace }),
      labels: {
        ...labels,
        'kubernetes.io/service-name': name,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      ownerReferences: [ownerOf(service)],
    },
    addressType: 'IPv4',
    endpoints: subset.addresses.map(({ ip, targetRef }) => ({
      addresses: [ip],
      conditions: { ready: true, serving: true, terminating: false },
      ...(targetRef !== undefined && { targetRef }),
    })),
    ports: subset.ports,
  };
}
