import { CORE_SERVICE, isMade, type CoreService, type ServicePort } from '../../../apis/core/service.ts';
import { POD, type Pod } from '../../../apis/core/pod.ts';
import { isSelected } from '../../../apis/label-selector.ts';
import { keyOf, type Resource } from '../../../apis/resource.ts';
import { localHostsOf, type RoutePlan, type Targets } from '../../plan.ts';
import type { RunningPods } from '../../pods/running-pods.ts';
import { ServicePool, type Member } from '../../services/service-pool.ts';
import type { Serving } from '../../serving.ts';
import { writeEndpoints, type Place } from './endpoint-objects.ts';
import { startLoop, type Loop, type LoopTools, type Passed } from './loop.ts';
import { mainContainerOf } from './pod-status.ts';

export type ServiceFeederOptions = LoopTools & { readonly serving: Serving; readonly pods: RunningPods };

type Fed = { readonly pools: ReadonlyMap<string, ServicePool>; readonly members: ReadonlySet<string> };
const NOTHING: Fed = { pools: new Map(), members: new Set() };

/**
 * Tells the gateway of v1 Services: their names inside the cluster, and which Pods answer for each of their ports. What the
 * platform makes for a Route or for itself is told otherwise.
 */
export class ServiceFeeder {
  readonly #options: ServiceFeederOptions;
  readonly #fed = new Map<string, Fed>();
  #loop: Loop | undefined;

  constructor(options: ServiceFeederOptions) {
    this.#options = options;
  }

  start(): void {
    const { informers, pods } = this.#options;
    const selecting = (pod: Resource): readonly string[] =>
      (informers.of(CORE_SERVICE).all() as readonly CoreService[])
        .filter((service) => selects(service, pod) || this.#fed.get(keyOf(service))?.members.has(keyOf(pod)))
        .map(keyOf);
    const loop = startLoop<CoreService>(
      this.#options,
      CORE_SERVICE,
      [{ kind: POD, concerns: selecting }],
      (service) => this.#pass(service),
      (key) => this.#remove(key),
    );
    pods.onChange((key) => {
      for (const { pools, members } of this.#fed.values())
        if (members.has(key)) for (const pool of pools.values()) pool.look();
    });
    this.#loop = loop;
  }

  async close(): Promise<void> {
    await this.#loop?.close();
  }

  async #pass(service: CoreService): Promise<Passed> {
    const key = keyOf(service);
    if (isMade(service) || service.spec?.type === 'ExternalName') {
      this.#remove(key);
      return {};
    }
    const pods = await this.#podsOf(service);
    this.#feed(service, pods);
    const places = pods.map((pod) => this.#placeOf(service, pod));
    await writeEndpoints(this.#options.cluster, service, places);
    return { status: { loadBalancer: {} } };
  }

  async #podsOf(service: CoreService): Promise<readonly Pod[]> {
    if (service.spec?.selector === undefined) return [];
    const { items } = await this.#options.cluster.list<Pod>(POD, service.metadata.namespace);
    return items.filter((pod) => selects(service, pod) && pod.metadata.deletionTimestamp === undefined);
  }

  #feed(service: CoreService, pods: readonly Pod[]): void {
    const { serving } = this.#options;
    const key = keyOf(service);
    const { selector, ports = [] } = service.spec ?? {};
    const before = this.#fed.get(key) ?? NOTHING;
    const why =
      selector === undefined ? 'it has no selector' : `no Pod has the labels ${labelsText(selector)}`;
    const pools = new Map<string, ServicePool>();
    for (const port of ports) {
      const name = poolName(key, port.port);
      const pool = before.pools.get(name) ?? this.#newPool(key, port);
      pools.set(name, pool);
      serving.setServicePool(name, pool);
      pool.setMembers(
        pods.map((pod) => memberOf(pod, port)),
        why,
      );
    }
    const none =
      before.pools.get(poolName(key, 0)) ?? new ServicePool(`Service ${key}`, 'http1', this.#poolTools());
    pools.set(poolName(key, 0), none);
    none.setMembers([], `it has no such port, but ${ports.map(({ port }) => port).join(', ')}`);
    serving.setServicePool(poolName(key, 0), none);
    for (const [name, pool] of before.pools)
      if (!pools.has(name)) {
        serving.setServicePool(name, undefined);
        pool.close();
      }
    this.#fed.set(key, { pools, members: new Set(pods.map(keyOf)) });
    serving.setRoute(routeOf(service));
  }

  #newPool(key: string, { port, appProtocol = '', name = '' }: ServicePort): ServicePool {
    const isHttp2 = appProtocol === 'kubernetes.io/h2c' || /^(?:h2c|grpc)(?:-|$)/.test(name);
    return new ServicePool(`Service ${key} (port ${port})`, isHttp2 ? 'h2c' : 'http1', this.#poolTools());
  }

  #poolTools(): ConstructorParameters<typeof ServicePool>[2] {
    const { pods, clock, random } = this.#options;
    return { lifeOf: (key) => pods.lifeOf(key), clock, random };
  }

  #placeOf(service: CoreService, pod: Pod): Place {
    const life = this.#options.pods.lifeOf(keyOf(pod));
    const own = life?.ready?.port;
    const ports = (service.spec?.ports ?? []).flatMap((port) => {
      const number = memberOf(pod, port).port ?? own;
      return number === undefined
        ? []
        : [{ name: port.name, port: number, protocol: port.protocol ?? 'TCP' }];
    });
    return { pod, isReady: own !== undefined, ports };
  }

  #remove(key: string): void {
    const { serving } = this.#options;
    const fed = this.#fed.get(key);
    if (fed === undefined) return;
    this.#fed.delete(key);
    serving.removeRoute(routeKey(key));
    for (const [name, pool] of fed.pools) {
      serving.setServicePool(name, undefined);
      pool.close();
    }
  }
}

const routeKey = (key: string): string => `Service ${key}`;
/** Of a port that a Service does not have: 0. */
const poolName = (key: string, port: number): string => `Service ${key}:${port}`;

function routeOf(service: CoreService): RoutePlan {
  const { namespace = '', name } = service.metadata;
  const key = keyOf(service);
  const ports = (service.spec?.ports ?? []).map(({ port }) => port);
  const to = (port: number): Targets => [{ revision: poolName(key, port), percent: 100 }];
  const usual = ports.includes(80) ? 80 : (ports[0] ?? 0);
  return {
    key: routeKey(key),
    publicHosts: [],
    localHosts: localHostsOf(namespace, name),
    targets: to(0),
    byPort: new Map([[0, to(usual)], ...ports.map((port) => [port, to(port)] as const)]),
  };
}

function selects({ spec, metadata }: CoreService, pod: Resource): boolean {
  const { selector } = spec ?? {};
  return (
    selector !== undefined &&
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

function labelsText(selector: Readonly<Record<string, string>>): string {
  return Object.entries(selector)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}
