import { CORE_SERVICE, isMade, type CoreService, type ServicePort } from '../../../apis/core/service.ts';
import { POD, type Pod } from '../../../apis/core/pod.ts';
import { keyOf, type Resource } from '../../../apis/resource.ts';
import { EventRecorder } from '../../../control/recorder.ts';
import type { GatewayPool } from '../../gateway/pool.ts';
import type { RunningPods } from '../../pods/running-pods.ts';
import { FarPool } from '../../services/far-pool.ts';
import { NodePorts } from '../../services/node-ports.ts';
import { ServicePool } from '../../services/service-pool.ts';
import type { Serving } from '../../serving.ts';
import { writeEndpoints, type Place } from './endpoint-objects.ts';
import { startLoop, type Loop, type LoopTools, type Passed } from './loop.ts';
import {
  isInside,
  memberOf,
  poolName,
  portsOf,
  routeKey,
  routeOf,
  selects,
  whyNobody,
  withNodePorts,
} from './service-plans.ts';

export type ServiceFeederOptions = LoopTools & { readonly serving: Serving; readonly pods: RunningPods };

type Pool = GatewayPool & { close(): unknown };
type Fed = {
  /** What its pools stand for; another text, other pools. */
  readonly kind: string;
  readonly pools: ReadonlyMap<string, Pool>;
  readonly members: ReadonlySet<string>;
};

const LOOK_AGAIN_MS = 10_000;

/**
 * Tells the gateway of v1 Services: their names inside the cluster, and who answers for each of their ports. What the
 * platform makes for a Route or for itself is told otherwise.
 */
export class ServiceFeeder {
  readonly #options: ServiceFeederOptions;
  readonly #fed = new Map<string, Fed>();
  readonly #nodePorts = new NodePorts();
  readonly #recorder: EventRecorder;
  #loop: Loop | undefined;

  constructor(options: ServiceFeederOptions) {
    this.#options = options;
    this.#recorder = new EventRecorder(options.cluster, options.clock, 'service-controller');
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
        if (members.has(key)) for (const pool of pools.values()) if (pool instanceof ServicePool) pool.look();
    });
    this.#loop = loop;
  }

  async close(): Promise<void> {
    await this.#loop?.close();
    this.#nodePorts.close();
  }

  async #pass(service: CoreService): Promise<Passed> {
    const key = keyOf(service);
    if (isMade(service)) {
      this.#remove(key);
      return {};
    }
    const numbered = withNodePorts(service, this.#takenNodePorts(key), this.#options.random);
    if (numbered !== undefined) await this.#options.cluster.apply(numbered); // and another pass follows
    const pods = await this.#podsOf(service);
    const pools = await this.#feed(service, pods);
    const faults = await this.#openNodePorts(service, pools);
    for (const message of faults)
      await this.#recorder.tell(service, { type: 'Warning', reason: 'PortNotOpened', message });
    const places = pods.map((pod) => this.#placeOf(service, pod));
    await writeEndpoints(this.#options.cluster, service, places);
    return { status: { loadBalancer: {} }, againAfterMs: faults.length > 0 ? LOOK_AGAIN_MS : undefined };
  }

  async #podsOf(service: CoreService): Promise<readonly Pod[]> {
    const { items } = await this.#options.cluster.list<Pod>(POD, service.metadata.namespace);
    return items.filter((pod) => selects(service, pod) && pod.metadata.deletionTimestamp === undefined);
  }

  async #feed(service: CoreService, pods: readonly Pod[]): Promise<ReadonlyMap<string, Pool>> {
    const { serving } = this.#options;
    const key = keyOf(service);
    const { type, externalName = '' } = service.spec ?? {};
    const kind = type === 'ExternalName' ? externalName : '';
    const known = this.#fed.get(key);
    const before = known?.kind === kind ? known.pools : new Map<string, Pool>();
    const pools = new Map<string, Pool>();
    const isRouted = isInside(kind);
    for (const port of isRouted ? [] : portsOf(service)) {
      const name = poolName(key, port.port);
      pools.set(name, before.get(name) ?? (await this.#newPool(key, kind, port)));
    }
    const [none, numbers] = [poolName(key, 0), portsOf(service).map(({ port }) => port)];
    pools.set(none, before.get(none) ?? new ServicePool(`Service ${key}`, 'http1', this.#poolTools()));
    for (const [name, pool] of pools) {
      serving.setServicePool(name, pool);
      if (!(pool instanceof ServicePool)) continue;
      const port = portsOf(service).find((each) => poolName(key, each.port) === name);
      if (port === undefined) pool.setMembers([], `it has no such port, but ${numbers.join(', ')}`);
      else
        pool.setMembers(
          pods.map((pod) => memberOf(pod, port)),
          whyNobody(service),
        );
    }
    for (const [name, pool] of known?.pools ?? [])
      if (pools.get(name) !== pool) this.#drop(name, pool, pools);
    this.#fed.set(key, { kind, pools, members: new Set(pods.map(keyOf)) });
    serving.setRoute(routeOf(service));
    return pools;
  }

  #newPool(
    key: string,
    farHost: string,
    { port, appProtocol = '', name = '' }: ServicePort,
  ): Pool | Promise<Pool> {
    if (farHost !== '') return FarPool.open(farHost, port);
    const isHttp2 = appProtocol === 'kubernetes.io/h2c' || /^(?:h2c|grpc)(?:-|$)/.test(name);
    return new ServicePool(`Service ${key} (port ${port})`, isHttp2 ? 'h2c' : 'http1', this.#poolTools());
  }

  #poolTools(): ConstructorParameters<typeof ServicePool>[2] {
    const { pods, clock, random } = this.#options;
    return { lifeOf: (key) => pods.lifeOf(key), clock, random };
  }

  #openNodePorts(service: CoreService, pools: ReadonlyMap<string, Pool>): Promise<readonly string[]> {
    const key = keyOf(service);
    const wanted = portsOf(service).flatMap(({ port, nodePort }) => {
      const pool = pools.get(poolName(key, port));
      return nodePort === undefined || pool === undefined ? [] : [{ port: nodePort, pool }];
    });
    return this.#nodePorts.set(key, wanted);
  }

  #takenNodePorts(key: string): ReadonlySet<number> {
    const others = this.#options.informers.of(CORE_SERVICE).all() as readonly CoreService[];
    return new Set(
      others
        .filter((other) => keyOf(other) !== key)
        .flatMap((other) => portsOf(other).flatMap(({ nodePort }) => nodePort ?? [])),
    );
  }

  #placeOf(service: CoreService, pod: Pod): Place {
    const life = this.#options.pods.lifeOf(keyOf(pod));
    const own = life?.ready?.port;
    const ports = portsOf(service).flatMap((port) => {
      const number = memberOf(pod, port).port ?? own;
      return number === undefined
        ? []
        : [{ name: port.name, port: number, protocol: port.protocol ?? 'TCP' }];
    });
    return { pod, isReady: own !== undefined, ports };
  }

  #drop(name: string, pool: Pool, kept: ReadonlyMap<string, Pool>): void {
    if (!kept.has(name)) this.#options.serving.setServicePool(name, undefined);
    void pool.close();
  }

  #remove(key: string): void {
    const fed = this.#fed.get(key);
    if (fed === undefined) return;
    this.#fed.delete(key);
    this.#nodePorts.remove(key);
    this.#options.serving.removeRoute(routeKey(key));
    for (const [name, pool] of fed.pools) this.#drop(name, pool, new Map());
  }
}
