import type { Condition } from '../../src/apis/duck.ts';
import { INGRESS, type Ingress } from '../../src/apis/networking/ingress/types.ts';
import { keyOf } from '../../src/apis/resource.ts';
import { KINDS } from '../../src/apis/serving/types.ts';
import type { Outcome } from '../../src/control/reconciler.ts';
import type { KindName } from '../../src/control/resource-client.ts';
import { configurationReconciler } from '../../src/serving/control/configuration-reconciler.ts';
import type { PublicDoor } from '../../src/serving/control/network-settings.ts';
import { ingressReconciler } from '../../src/serving/control/ingress-reconciler.ts';
import { routeReconciler } from '../../src/serving/control/route-reconciler.ts';
import { serviceReconciler } from '../../src/serving/control/service-reconciler.ts';
import { routesOf, type Labelled } from '../../src/serving/control/traffic/routing-state.ts';
import { conditionIn, World, type Stated } from './world.ts';

/** A world with the reconcilers of traffic, each looked through by hand. */
export class ServingWorld {
  readonly world: World;
  /** What the gateway has taken, by key of its Ingress; everything, unless a test holds it back. */
  isGatewaySlow = false;

  /** How public names are reached. */
  door: PublicDoor = {
    publicUrl: undefined,
    domain: 'localhost',
    httpPort: 80,
    httpsPort: undefined,
    hasTrustedProxies: false,
  };

  private constructor(world: World) {
    this.world = world;
  }

  static async open(): Promise<ServingWorld> {
    return new ServingWorld(await World.open());
  }

  service(name = 'hello'): Promise<Outcome> {
    return this.world.pass(serviceReconciler(this.world.controller), name);
  }

  configuration(name = 'hello'): Promise<Outcome> {
    return this.world.pass(configurationReconciler(this.world.controller, this.world.clock), name);
  }

  get routes(): ReturnType<typeof routeReconciler> {
    return routeReconciler(this.world.controller, {
      door: this.door,
      clock: this.world.clock,
      labelled: this.#labelled,
    });
  }

  route(name = 'hello'): Promise<Outcome> {
    return this.world.pass(this.routes, name);
  }

  async ingress(name = 'hello'): Promise<void> {
    const routedGeneration = (key: string): number | undefined =>
      this.isGatewaySlow
        ? undefined
        : this.world.store
            .list({ group: 'networking.internal.knative.dev', kind: 'Ingress' })
            .items.find((ingress) => keyOf(ingress) === key)?.metadata.generation;
    const at = { ingress: [{ ip: '127.0.0.1' }] };
    const settings = { routedGeneration, publicLoadBalancer: at, privateLoadBalancer: at };
    if ((await this.world.controller.find(INGRESS, 'default', name)) !== undefined)
      await this.world.pass(ingressReconciler(settings), name);
  }

  /** A route until it is settled: its Ingress is taken in between. */
  async routed(name = 'hello'): Promise<Outcome> {
    await this.route(name);
    await this.ingress(name);
    return this.route(name);
  }

  /** One look of each controller, in the order in which changes travel. */
  async round(name = 'hello'): Promise<void> {
    await this.service(name);
    await this.configuration(name);
    await this.service(name); // a Service whose revision has a name waits for its Configuration
    await this.routed(name);
    await this.service(name);
  }

  ready(name: string, status = 'True', message = ''): Promise<Stated> {
    return this.world.state(KINDS.revision, name, {
      conditions: [{ type: 'Ready', status, reason: 'R', message }],
    });
  }

  async condition(kind: KindName, name: string, type: string): Promise<Partial<Condition> | undefined> {
    return conditionIn(await this.world.get(kind, name), type);
  }

  async traffic(name = 'hello'): Promise<unknown> {
    return (await this.world.get(KINDS.route, name)).status?.['traffic'];
  }

  /** The shares of each host of a route, as `90 a-00001, 10 a-00002`, by its first name. */
  async splits(name = 'hello'): Promise<Record<string, string>> {
    const { spec } = (await this.world.get(INGRESS, name)) as unknown as Ingress; // of that kind
    return Object.fromEntries(
      spec.rules.map(({ hosts, http: { paths } }) => [
        hosts[0],
        (paths.at(-1)?.splits ?? [])
          .map(({ percent, serviceName }) => `${percent} ${serviceName}`)
          .join(', '),
      ]),
    );
  }

  readonly #labelled: Labelled = (namespace, route) => {
    const namesOf = (kind: string): string[] =>
      this.world.store
        .list({ group: 'serving.knative.dev', kind, namespace })
        .items.filter((object) => routesOf(object).includes(route))
        .map(({ metadata }) => metadata.name);
    return { revisions: namesOf('Revision'), configurations: namesOf('Configuration') };
  };
}
