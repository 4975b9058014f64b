import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.ts';
import type { InstanceEvent, PoolTools } from './activator/pool-tools.ts';
import { RevisionPool } from './activator/revision-pool.ts';
import { createGateway, type Gateway } from './gateway/gateway.ts';
import type { RevisionPlan, RoutePlan } from './plan.ts';
import type { Runtime } from './runtime/runtime.ts';

export type ServingOptions = {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly random?: () => number;
  readonly observe?: (event: InstanceEvent) => void;
};

type Fallback = (request: IncomingMessage, response: ServerResponse) => void;

/** Services as the data plane knows them: routes by host, a pool of instances for each revision. */
export class Serving {
  readonly #options: ServingOptions;
  readonly #tools: PoolTools;
  readonly #pools = new Map<string, RevisionPool>();
  readonly #routes = new Map<string, RoutePlan>();
  readonly #publicHosts = new Map<string, RoutePlan>();
  readonly #localHosts = new Map<string, RoutePlan>();
  readonly #stop = new AbortController();
  #isTicking = false;
  #names = 0;

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#tools = {
      runtime: options.runtime,
      clock: options.clock,
      random: options.random ?? Math.random,
      observe: (event) => {
        if (event.kind === 'starting') this.#keepTicking();
        options.observe?.(event);
      },
      nameInstance: ({ instance }) =>
        `${instance.revision}-deployment-${(this.#names += 1).toString(36).padStart(5, '0')}`,
    };
  }

  /** A gateway for the public listener, or for the internal one. */
  gateway(listener: 'public' | 'internal', otherwise: Fallback): Gateway {
    const hosts = listener === 'public' ? this.#publicHosts : this.#localHosts;
    return createGateway({
      routeFor: (host) => hosts.get(host),
      poolFor: (revision) => this.#pools.get(revision),
      clock: this.#options.clock,
      random: this.#tools.random,
      otherwise,
    });
  }

  /** Whether a name inside the cluster is a service's: then the internal listener answers for it. */
  answersTo(host: string): boolean {
    return this.#localHosts.has(host) || this.#publicHosts.has(host);
  }

  setRevision(plan: RevisionPlan): void {
    const known = this.#pools.get(plan.key);
    if (known !== undefined) known.plan = plan;
    const pool = known ?? new RevisionPool(plan, this.#tools);
    this.#pools.set(plan.key, pool);
    pool.prepare();
  }

  async removeRevision(key: string): Promise<void> {
    const pool = this.#pools.get(key);
    this.#pools.delete(key);
    await pool?.remove(pool.plan.timeoutMs);
  }

  setRoute(plan: RoutePlan): void {
    this.removeRoute(plan.key);
    this.#routes.set(plan.key, plan);
    for (const host of plan.publicHosts) this.#publicHosts.set(host, plan);
    for (const host of plan.localHosts) this.#localHosts.set(host, plan);
  }

  removeRoute(key: string): void {
    const plan = this.#routes.get(key);
    this.#routes.delete(key);
    for (const host of plan?.publicHosts ?? [])
      if (this.#publicHosts.get(host) === plan) this.#publicHosts.delete(host);
    for (const host of plan?.localHosts ?? [])
      if (this.#localHosts.get(host) === plan) this.#localHosts.delete(host);
  }

  countsOf(revision: string): RevisionPool['counts'] {
    return this.#pools.get(revision)?.counts ?? { ready: 0, desired: 0, inFlight: 0, waiting: 0 };
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
    await Promise.all([...this.#pools.values()].map((pool) => pool.remove(graceMs)));
    await this.#options.runtime.close();
  }

  /** One ticker for all, and only while something is up: a service at zero costs nothing. */
  #keepTicking(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    void this.#tick();
  }

  async #tick(): Promise<void> {
    const { clock } = this.#options;
    for (let second = 1; !this.#stop.signal.aborted; second += 1) {
      await clock.until(clock.nowMs() + 1000, this.#stop.signal);
      const up = [...this.#pools.values()].filter((pool) => pool.isUp);
      for (const pool of up) pool.tick(second % 2 === 0);
      if (up.length === 0) break;
    }
    this.#isTicking = false;
  }
}
