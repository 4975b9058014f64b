import type { CoreService, ServicePort } from '../../../apis/core/service.ts';
import type { Pod } from '../../../apis/core/pod.ts';
import { isSelected } from '../../../apis/label-selector.ts';
import { keyOf, type Resource } from '../../../apis/resource.ts';
import { localHostsOf, type RoutePlan, type Targets } from '../../plan.ts';
import type { Member } from '../../services/service-pool.ts';
import { mainContainerOf } from './pod-status.ts';

export const routeKey = (key: string): string => `Service ${key}`;
/** Of the ports that a Service does not have: 0. */
export const poolName = (key: string, port: number): string => `Service ${key}:${port}`;

/** A name without a port means the usual one: 80, or the first. */
export function routeOf(service: CoreService): RoutePlan {
  const { namespace = '', name } = service.metadata;
  const key = keyOf(service);
  const { type, externalName = '' } = service.spec ?? {};
  const ports = portsOf(service).map(({ port }) => port);
  const to = (port: number): Targets => [{ revision: poolName(key, port), percent: 100 }];
  const usual = ports.includes(80) ? 80 : (ports[0] ?? 0);
  const base = { key: routeKey(key), publicHosts: [], localHosts: localHostsOf(namespace, name) };
  if (type === 'ExternalName' && isInside(externalName)) return { ...base, targets: [], to: externalName };
  return {
    ...base,
    targets: to(0),
    byPort: new Map([[0, to(usual)], ...ports.map((port) => [port, to(port)] as const)]),
  };
}

/** One that stands for another name has any port; without a list, that of HTTP. */
export function portsOf({ spec = {} }: CoreService): readonly ServicePort[] {
  const { type, ports = [] } = spec;
  return ports.length === 0 && type === 'ExternalName' ? [{ port: 80 }] : ports;
}

export function isInside(name: string): boolean {
  return /\.svc(?:\.cluster\.local)?\.?$/.test(name);
}

export function selects({ spec, metadata }: CoreService, pod: Resource): boolean {
  const { selector, type } = spec ?? {};
  return (
    selector !== undefined &&
    type !== 'ExternalName' &&
    metadata.namespace === pod.metadata.namespace &&
    isSelected({ matchLabels: selector }, pod.metadata.labels)
  );
}

/**
 * Where a Pod takes requests for a port of a Service. The port of its first container that has any is the one in PORT,
 * whatever its number; so is one that no container names. Others are taken as they are.
 */
export function memberOf(pod: Pod, { port, targetPort = port }: ServicePort): Member {
  const main = mainContainerOf(pod).ports?.[0];
  const declared = (pod.spec?.containers ?? []).flatMap(({ ports = [] }) => ports);
  const found = declared.find(({ name, containerPort }) =>
    typeof targetPort === 'number' ? containerPort === targetPort : name === targetPort,
  );
  const isMain = found === undefined || found === main;
  return { pod: keyOf(pod), port: isMain ? undefined : found.containerPort };
}

/** Why a Service without Pods has none. */
export function whyNobody({ spec = {} }: CoreService): string {
  const { selector } = spec;
  if (selector === undefined) return 'it has no selector';
  const labels = Object.entries(selector).map(([name, value]) => `${name}=${value}`);
  return `no Pod has the labels ${labels.join(',')}`;
}

const NODE_PORTS = { first: 30_000, count: 2768 };

/** The Service with a port of this machine for each of its ports that is to have one and has none; undefined: all have. */
export function withNodePorts(
  service: CoreService,
  taken: ReadonlySet<number>,
  random: () => number,
): CoreService | undefined {
  const { type = '', ports = [] } = service.spec ?? {};
  if (!['NodePort', 'LoadBalancer'].includes(type) || ports.every(({ nodePort }) => nodePort !== undefined))
    return undefined;
  const used = new Set(taken);
  const numbered = ports.map((port) => {
    if (port.nodePort !== undefined) return port;
    let nodePort = NODE_PORTS.first + Math.floor(random() * NODE_PORTS.count);
    while (used.has(nodePort))
      nodePort = NODE_PORTS.first + ((nodePort - NODE_PORTS.first + 1) % NODE_PORTS.count);
    used.add(nodePort);
    return { ...port, nodePort };
  });
  return { ...service, spec: { ...service.spec, ports: numbered } };
}
