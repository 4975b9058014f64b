import { ENDPOINTS } from '../../apis/core/endpoints.ts';
import { CORE_SERVICE, type CoreService, type ServicePort } from '../../apis/core/service.ts';
import type { ServerlessService } from '../../apis/networking/serverless-service/serverless-service.ts';
import { childName } from '../../apis/names.ts';
import type { ObjectMeta, Resource } from '../../apis/resource.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import { ownerOf } from '../../control/owned.ts';

/** An instance that takes requests, and where. */
export type ReadyInstance = { readonly id: string; readonly port: number };

/** Whoever answers for a revision that has no instance, or where a burst is to find room: the internal listener. */
export type Door = { readonly host: string; readonly port: number };

export type Endpoints = Resource & {
  readonly subsets?: readonly {
    readonly addresses: readonly {
      readonly ip: string;
      readonly targetRef?: { readonly kind: 'Pod'; readonly name: string; readonly namespace: string };
    }[];
    readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: 'TCP' }[];
  }[];
};

/** networking pkg/apis/networking; nothing in the platform reads what has the second. */
const OWNED_BY = 'networking.internal.knative.dev/serverlessservice';
export const SERVICE_TYPE = 'networking.internal.knative.dev/serviceType';
const [HTTP, HTTP2, HTTPS, METRICS, USER_METRICS] = [80, 81, 443, 9090, 9091];
/** What Knative's queue-proxy listens on, by protocol; names for it here, since the gateway stands in its place. */
const BACKEND = { http1: 8012, h2c: 8013, https: 8112 };
const CLUSTER_IP = '127.0.0.1';
const INSTANCE_ADDRESS = '127.0.0.1';

export const privateName = (name: string): string => childName(name, '-private');

/** The Service that a revision is reached by inside, whoever answers (serving serverlessservice/resources/services.go). */
export function publicServiceOf(service: ServerlessService): CoreService {
  return {
    ...CORE_SERVICE,
    metadata: metaOf(service, service.metadata.name, 'Public'),
    spec: {
      type: 'ClusterIP',
      clusterIP: CLUSTER_IP,
      ports: [
        { ...trafficPort(service), port: isHttp2(service) ? HTTP2 : HTTP },
        tcp('https', HTTPS, BACKEND.https),
      ],
    },
  };
}

/** The Service of its instances alone. */
export function privateServiceOf(service: ServerlessService): CoreService {
  const { name, labels = {} } = service.metadata;
  const traffic = trafficPort(service);
  return {
    ...CORE_SERVICE,
    metadata: metaOf(service, privateName(name), 'Private'),
    spec: {
      type: 'ClusterIP',
      clusterIP: CLUSTER_IP,
      selector: { [LABELS.revisionUid]: labels[LABELS.revisionUid] ?? '' },
      ports: [
        { ...traffic, port: HTTP },
        tcp('https', HTTPS, BACKEND.https),
        tcp('http-autometric', METRICS, 'http-autometric'),
        tcp('http-usermetric', USER_METRICS, 'http-usermetric'),
        tcp(`${traffic.name}-istio`, backendOf(service), backendOf(service)),
      ],
    },
  };
}

/** One subset for each instance: all have this machine's address, each a port of its own. */
export function privateEndpointsOf(
  service: ServerlessService,
  instances: readonly ReadyInstance[],
): Endpoints {
  const { name, namespace = '' } = service.metadata;
  const subsets = instances.map(({ id, port }) => ({
    addresses: [{ ip: INSTANCE_ADDRESS, targetRef: { kind: 'Pod' as const, name: id, namespace } }],
    ports: [portOf(service, port)],
  }));
  return endpoints(metaOf(service, privateName(name), 'Private'), subsets);
}

/** Where its requests go: to the instances, or to who holds them until there are some. */
export function publicEndpointsOf(
  service: ServerlessService,
  instances: readonly ReadyInstance[],
  door: Door,
): Endpoints {
  const isServed = service.spec.mode === 'Serve' && instances.length > 0;
  const held = [{ addresses: [{ ip: door.host }], ports: [portOf(service, door.port)] }];
  const subsets = isServed ? privateEndpointsOf(service, instances).subsets : held;
  return endpoints(metaOf(service, service.metadata.name, 'Public'), subsets);
}

function endpoints(metadata: ObjectMeta, subsets: Endpoints['subsets'] = []): Endpoints {
  return { ...ENDPOINTS, metadata, ...(subsets.length > 0 && { subsets }) };
}

function metaOf(service: ServerlessService, name: string, type: 'Public' | 'Private'): ObjectMeta {
  const { namespace, labels = {}, annotations = {}, name: owner } = service.metadata;
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    labels: { ...labels, [OWNED_BY]: owner, [SERVICE_TYPE]: type },
    annotations,
    ownerReferences: [ownerOf(service)],
  };
}

const isHttp2 = ({ spec }: ServerlessService): boolean => spec.protocolType === 'h2c';
const backendOf = (service: ServerlessService): number => (isHttp2(service) ? BACKEND.h2c : BACKEND.http1);

function trafficPort(service: ServerlessService): Omit<ServicePort, 'port'> & { readonly name: string } {
  return {
    name: isHttp2(service) ? 'http2' : 'http',
    protocol: 'TCP',
    targetPort: backendOf(service),
    ...(isHttp2(service) && { appProtocol: 'kubernetes.io/h2c' }),
  };
}

function tcp(name: string, port: number, targetPort: number | string): ServicePort {
  return { name, protocol: 'TCP', port, targetPort };
}

function portOf(
  service: ServerlessService,
  port: number,
): { readonly name: string; readonly port: number; readonly protocol: 'TCP' } {
  return { name: trafficPort(service).name, port, protocol: 'TCP' };
}
