import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.ts';
import type { InstanceEvent, PoolCounts, PoolTools } from './activator/pool-tools.ts';
import { RevisionPool } from './activator/revision-pool.ts';
import type { Trouble } from './activator/trouble.ts';
import { SharedRoom } from './activator/limits.ts';
import type { Reading } from './autoscaler/demand.ts';
import { createGateway, PLAIN_FRONT, type Front, type Gateway } from './gateway/gateway.ts';
import { HostTable } from './gateway/host-table.ts';
import { InstanceLinks } from './gateway/instance-links.ts';
import { instanceName } from './instance-name.ts';
import type { RevisionPlan, RoutePlan } from './plan.ts';
import type { GatewayPool } from './gateway/pool.ts';
import type { RequestLog } from './gateway/request-log.ts';
import { revisionOfHost, revisionRoute } from './revision-host.ts';
import type { Runtime } from './runtime/runtime.ts';

export type ServingOptions = {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly random?: () => number;
  readonly observe?: (event: InstanceEvent) => void;
  readonly requestLog?: RequestLog;
  /** How many instances there may be, over all revisions. */
  readonly instancesMax?: number;
};

type Fallback = (request: IncomingMessage, response: ServerResponse) => void;

/** One revision as it is now: what its Deployment and its conditions are made of. */
export type RevisionSnapshot = PoolCounts & {
  readonly revision: string;
  readonly instances: readonly {
    readonly id: string;
    readonly state: 'starting' | 'ready' | 'suspect' | 'draining';
    readonly inFlight: number;
  }[];
  /** Why none is ready, as long as none is. */
  readonly trouble: Trouble | undefined;
  /** What the autoscaler saw last; undefined at zero, and where requests do not decide. */
  readonly reading: Reading | undefined;
};

const NOTHING: PoolCounts = { ready: 0, desired: 0, inFlight: 0, waiting: 0 };
/** Requests that wait, over all revisions (P6); one revision alone may have half of them, which is upstream's bound. */
const WAITING_MAX = 20_000;
const INSTANCES_MAX = 1000;

/** Services as the data plane knows them: routes by host, a pool of instances for each revision. */
export class Serving {
  readonly #options: ServingOptions;
  readonly #tools: PoolTools;
  readonly #pools = new Map<string, RevisionPool>();
  /** Of ports of v1 Services, by names that no revision has. */
  readonly #servicePools = new Map<string, GatewayPool>();
  /** Removed, and not yet done with what they had. */
  readonly #leaving = new Set<RevisionPool>();
  /** Those that the ticker looks at: a revision at zero is not among them. */
  readonly #up = new Set<Parameters<PoolTools['keepTicking']>[0]>();
  readonly #routes = new Map<string, RoutePlan>();
  readonly #publicHosts = new HostTable((plan) => this.#hostsMoved(plan));
  readonly #localHosts = new HostTable((plan) => this.#hostsMoved(plan));
  readonly #links = new InstanceLinks();
  readonly #stop = new AbortController();
  #isTicking = false;
  #rescaled: (revision: string) => void = () => undefined;
  #hostsMoved: (plan: RoutePlan) => void = () => undefined;

  constructor(options: ServingOptions) {
    const random = options.random ?? Math.random;
    this.#options = options;
    this.#tools = {
      runtime: options.runtime,
      clock: options.clock,
      random,
      observe: (event) => options.observe?.(event),
      nameInstance: ({ instance }) => instanceName(instance.revision, random),
      room: new SharedRoom(WAITING_MAX),
      berths: new SharedRoom(options.instancesMax ?? INSTANCES_MAX),
      keepTicking: (pool) => {
        this.#up.add(pool);
        if (!this.#isTicking) void this.#tick();
      },
      rescaled: (revision) => this.#rescaled(revision),
    };
  }

  /** A gateway for the public listener, or for the internal one. */
  gateway(listener: 'public' | 'internal', otherwise: Fallback, front: Front = PLAIN_FRONT): Gateway {
    return createGateway({
      routeFor:
        listener === 'public'
          ? (host) => this.#publicHosts.find(host) ?? (this.#isLocal(host) ? 'hidden' : undefined)
          : (host) => this.#localRouteOf(host),
      localRouteFor: (host) => this.#localRouteOf(host),
      poolFor: (revision) => this.#pools.get(revision) ?? this.#servicePools.get(revision),
      links: this.#links,
      clock: this.#options.clock,
      random: this.#tools.random,
      requestLog: this.#options.requestLog,
      otherwise,
      front,
    });
  }

  /** Which of the two listeners answers for a host name; undefined: it is no service's. */
  listenerFor(host: string): 'public' | 'internal' | undefined {
    if (this.#localRouteOf(host) !== undefined) return 'internal';
    return this.#publicHosts.find(host) === undefined ? undefined : 'public';
  }

  /** Whether a host name is a service's. */
  answersTo(host: string): boolean {
    return this.listenerFor(host) !== undefined;
  }

  setRevision(plan: RevisionPlan): void {
    const known = this.#pools.get(plan.key);
    if (known !== undefined) known.plan = plan;
    const pool = known ?? new RevisionPool(plan, this.#tools);
    this.#pools.set(plan.key, pool);
    pool.prepare();
  }

  /** Resolves when its last instance has gone, which is after the last of its requests. */
  async removeRevision(key: string): Promise<void> {
    const pool = this.#pools.get(key);
    if (pool === undefined) return;
    this.#pools.delete(key);
    this.#leaving.add(pool);
    await pool.remove(pool.plan.timeoutMs);
    this.#leaving.delete(pool);
  }

  /** Who answers for a target of that name; undefined: nobody any more. */
  setServicePool(name: string, pool: GatewayPool | undefined): void {
    if (pool === undefined) this.#servicePools.delete(name);
    else this.#servicePools.set(name, pool);
  }

  setRoute(plan: RoutePlan): void {
    const before = this.#routes.get(plan.key);
    this.#routes.set(plan.key, plan);
    this.#publicHosts.set(plan, plan.publicHosts, before?.publicHosts ?? []);
    this.#localHosts.set(plan, plan.localHosts, before?.localHosts ?? []);
  }

  removeRoute(key: string): void {
    const plan = this.#routes.get(key);
    this.#routes.delete(key);
    this.#publicHosts.remove(key, plan?.publicHosts ?? []);
    this.#localHosts.remove(key, plan?.localHosts ?? []);
  }

  /** A host that a route asks for while another has it. */
  takenHostOf(key: string): { readonly host: string; readonly by: string } | undefined {
    const plan = this.#routes.get(key);
    for (const [table, hosts] of [
      [this.#publicHosts, plan?.publicHosts ?? []],
      [this.#localHosts, plan?.localHosts ?? []],
    ] as const)
      for (const host of hosts) {
        const holder = table.holderOf(host);
        if (holder !== undefined && holder.key !== key) return { host, by: holder.key };
      }
    return undefined;
  }

  /** Told of routes that have got a host from another, or lost one to another. */
  whenHostsMove(listener: (plan: RoutePlan) => void): void {
    this.#hostsMoved = listener;
  }

  /** Told of revisions whose mode of serving a decision has changed; their instances are told of by `observe`. */
  whenRescaled(listener: (revision: string) => void): void {
    this.#rescaled = listener;
  }

  countsOf(revision: string): PoolCounts {
    return this.#pools.get(revision)?.counts ?? NOTHING;
  }

  /** The activator of one revision, for whoever has no HTTP request in hand. */
  poolOf(revision: string): RevisionPool | undefined {
    return this.#pools.get(revision);
  }

  /** All revisions as they are now. */
  snapshot(): readonly RevisionSnapshot[] {
    return [...this.#pools].map(([revision, pool]) => ({
      revision,
      ...pool.counts,
      instances: pool.slots.map(({ id, state, inFlight }) => ({ id, state, inFlight })),
      trouble: pool.trouble,
      reading: pool.reading,
    }));
  }

  /** Lets all instances of a revision go now, each after what it has in flight; resolves when they are gone. */
  async scaleToZero(revision: string): Promise<void> {
    await this.#pools.get(revision)?.empty();
  }

  async replaceInstance(revision: string, id: string): Promise<void> {
    await this.#pools.get(revision)?.replace(id);
  }

  async close(graceMs: number): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#pools.values(), ...this.#leaving].map((pool) => pool.remove(graceMs)));
    await this.#options.runtime.close();
  }

  /** Names inside the cluster are not told apart outside, whether a service has them or not. */
  #isLocal(host: string): boolean {
    return (
      this.#localRouteOf(host) !== undefined || host.endsWith('.svc.cluster.local') || host.endsWith('.svc')
    );
  }

  /** A revision answers to its own names too; no table has them, since hardly anybody asks for one. */
  #localRouteOf(host: string): RoutePlan | undefined {
    const found = this.#localHosts.find(host);
    const key = found === undefined ? revisionOfHost(host) : undefined;
    return key !== undefined && this.#pools.has(key) ? revisionRoute(key, host) : found;
  }

  /** One ticker for all, and only while something is up: a service at zero costs nothing. */
  async #tick(): Promise<void> {
    const { clock } = this.#options;
    this.#isTicking = true;
    for (let second = 1; this.#up.size > 0 && !this.#stop.signal.aborted; second += 1) {
      await clock.until(clock.nowMs() + 1000, this.#stop.signal);
      if (this.#stop.signal.aborted) break;
      for (const pool of this.#up) {
        pool.tick(second % 2 === 0);
        if (!pool.isUp) this.#up.delete(pool);
      }
    }
    this.#isTicking = false;
  }
}
