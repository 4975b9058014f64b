import { createHash } from 'node:crypto';
import { rfc3339 } from '../../apis/conditions.ts';
import { NODE_NAME } from '../../apis/core/node.ts';
import { ENDPOINTS } from '../../apis/core/endpoints.ts';
import type { Resource } from '../../apis/resource.ts';

/** What a platform knows of itself. */
export type SelfFacts = {
  readonly version: string; // of Millrace
  readonly kubernetes: string; // what the API server says it is: v1.34.1
  readonly startedMs: number; // since the epoch
  readonly hostName: string;
  /** Where the gateway is reached from this machine or, when it listens on all addresses, from others. */
  readonly gateway: { readonly host: string; readonly port: number };
  /** Where the gateway speaks TLS. */
  readonly secureGateway?: { readonly host: string; readonly port: number };
  readonly api: { readonly host: string; readonly port: number };
  /** Where the names inside the cluster are answered, and requests wait for instances. */
  readonly inside: { readonly host: string; readonly port: number };
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly pid: number;
};

export type SelfObject = Resource & {
  readonly spec?: unknown;
  readonly status?: unknown;
  readonly subsets?: unknown;
};

export const NODE = { apiVersion: 'v1', kind: 'Node' };
export const POD = { apiVersion: 'v1', kind: 'Pod' };
export const SERVICE = { apiVersion: 'v1', kind: 'Service' };
/** All of them have this label with this value; users' objects have not. */
export const SELF_LABEL = 'platform.millrace.dev/self';

/** The parts that Knative runs as Deployments of their own, by namespace; here each is a part of the one process. */
const ROLES: Readonly<Record<string, readonly string[]>> = {
  'istio-system': ['istio-ingressgateway', 'knative-ingressgateway'],
  'knative-eventing': ['eventing-controller', 'eventing-webhook', 'imc-dispatcher'],
  'knative-serving': ['activator', 'autoscaler', 'controller', 'webhook'],
};

/**
 * The objects that stand for the platform itself, so that what people type to look at an installation of Knative tells of this
 * one: the node, the parts as Pods, the gateway as the Service that leads into it (issue 6, item 7). Addresses and ports are
 * the real ones.
 */
export function selfObjects(facts: SelfFacts, nameSuffix: (role: string) => string): readonly SelfObject[] {
  const pods = Object.entries(ROLES).flatMap(([namespace, roles]) =>
    roles.map((role) => podOf(facts, namespace, role, nameSuffix(role))),
  );
  return [nodeOf(facts), ...servicesOf(facts), activatorEndpoints(facts), ...pods];
}

function meta(
  name: string,
  namespace?: string,
  labels: Readonly<Record<string, string>> = {},
): Resource['metadata'] {
  return { name, ...(namespace !== undefined && { namespace }), labels: { ...labels, [SELF_LABEL]: 'true' } };
}

function nodeOf(facts: SelfFacts): SelfObject {
  const { hostName, gateway, cores, memoryBytes, kernel, kubernetes, version } = facts;
  const size = { cpu: String(cores), memory: `${Math.floor(memoryBytes / 1024)}Ki`, pods: '10000' };
  const at = rfc3339(facts.startedMs);
  return {
    ...NODE,
    metadata: meta(NODE_NAME, undefined, {
      'kubernetes.io/hostname': hostName,
      'kubernetes.io/os': 'linux',
      'node-role.kubernetes.io/control-plane': '',
    }),
    spec: {},
    status: {
      addresses: [
        { type: 'InternalIP', address: gateway.host },
        { type: 'Hostname', address: hostName },
      ],
      capacity: size,
      allocatable: size,
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'PlatformReady',
          message: 'the platform is up',
          lastHeartbeatTime: at,
          lastTransitionTime: at,
        },
      ],
      nodeInfo: {
        kubeletVersion: kubernetes,
        osImage: `Millrace ${version}`,
        kernelVersion: kernel,
        containerRuntimeVersion: `millrace://${version}`,
        operatingSystem: 'linux',
      },
    },
  };
}

type Port = {
  readonly name: string;
  readonly port: number;
  readonly nodePort?: number;
  readonly targetPort?: number;
};

/** Of what leads somewhere: the API, the gateway under the two names that it had, and who holds requests. */
function servicesOf({ gateway, secureGateway, api, inside }: SelfFacts): readonly SelfObject[] {
  const http: readonly Port[] = [
    { name: 'http2', port: 80, nodePort: gateway.port },
    ...(secureGateway === undefined ? [] : [{ name: 'https', port: 443, nodePort: secureGateway.port }]),
  ];
  return [
    serviceOf('default', 'kubernetes', 'ClusterIP', api.host, [{ name: 'https', port: api.port }]),
    serviceOf('istio-system', 'istio-ingressgateway', 'NodePort', gateway.host, http),
    serviceOf('istio-system', 'knative-ingressgateway', 'LoadBalancer', gateway.host, http),
    serviceOf('knative-serving', ACTIVATOR, 'ClusterIP', inside.host, [
      { name: 'http', port: 80, targetPort: inside.port },
      { name: 'http2', port: 81, targetPort: inside.port },
    ]),
  ];
}

/** What the public Service of a revision leads to while it has no instance (serving pkg/networking, ActivatorServiceName). */
const ACTIVATOR = 'activator-service';

function activatorEndpoints({ inside }: SelfFacts): SelfObject {
  const { host: ip, port } = inside;
  const ports = ['http', 'http2'].map((name) => ({ name, port, protocol: 'TCP' }));
  return {
    ...ENDPOINTS,
    metadata: meta(ACTIVATOR, 'knative-serving'),
    subsets: [{ addresses: [{ ip }], ports }],
  };
}

function serviceOf(
  namespace: string,
  name: string,
  type: string,
  clusterIP: string,
  ports: readonly Port[],
): SelfObject {
  return {
    ...SERVICE,
    metadata: meta(name, namespace),
    spec: {
      type,
      clusterIP,
      ports: ports.map((port) => ({ targetPort: port.nodePort ?? port.port, ...port, protocol: 'TCP' })),
    },
    status: { loadBalancer: {} },
  };
}

function podOf(
  { version, startedMs, gateway, pid }: SelfFacts,
  namespace: string,
  role: string,
  suffix: string,
): SelfObject {
  const hash = createHash('sha256').update(`${role} ${version}`).digest('hex').slice(0, 10);
  const startedAt = rfc3339(startedMs);
  const image = `millrace:${version}`;
  return {
    ...POD,
    metadata: {
      ...meta(`${role}-${hash}-${suffix}`, namespace, { app: role }),
      annotations: { 'platform.millrace.dev/process': `a part of the platform's process, pid ${pid}` },
    },
    spec: { nodeName: NODE_NAME, containers: [{ name: role, image }] },
    status: {
      phase: 'Running',
      podIP: gateway.host,
      hostIP: gateway.host,
      startTime: startedAt,
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
        type,
        status: 'True',
        lastTransitionTime: startedAt,
      })),
      containerStatuses: [
        {
          name: role,
          image,
          imageID: image,
          ready: true,
          started: true,
          restartCount: 0,
          state: { running: { startedAt } },
        },
      ],
    },
  };
}
