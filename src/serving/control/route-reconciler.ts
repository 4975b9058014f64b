import type { Clock } from '../../base/clock.ts';
import { parseGoDuration } from '../../base/duration.ts';
import { conditionOf, isFalse, isReady, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import { INGRESS, type Ingress } from '../../apis/networking/ingress/types.ts';
import { ROUTE_CONDITIONS } from '../../apis/serving/route/status.ts';
import { ROLLOUT_DURATION } from '../../apis/serving/shared.ts';
import { KINDS, type Route, type TrafficTarget } from '../../apis/serving/types.ts';
import { settled, type Outcome, type Reconciler, type Told } from '../../control/reconciler.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { ingressMark, NOT_CONFIGURED } from './ingress-mark.ts';
import { servingConfig } from './serving-config.ts';
import {
  hostPart,
  networkSettings,
  plainScheme,
  publicUrlOf,
  type NetworkSettings,
  type PublicDoor,
} from './network-settings.ts';
import { lookAgain } from './tls/certificate.ts';
import { hostTls, type HostTls } from './tls/host-tls.ts';
import { hostFault, hostsOf, type Hosts } from './traffic/hosts.ts';
import { placeServices, visibilityOf } from './traffic/placeholders.ts';
import { ingressOf } from './traffic/route-ingress.ts';
import { parseRollout, ROLLOUT_ANNOTATION } from './traffic/rollout-text.ts';
import { isDone, nextStepMs, observeReady, step, type Rollout } from './traffic/rollout.ts';
import { markRouted, routedTo, type Labelled } from './traffic/routing-state.ts';
import { statusTraffic } from './traffic/status.ts';
import { findTraffic, goalOf, type Traffic } from './traffic/targets.ts';
import { WHILE_BLOCKED } from './while-blocked.ts';

export type RouteSettings = {
  readonly door: PublicDoor;
  readonly clock: Clock;
  readonly labelled: Labelled;
};

/**
 * Resolves who gets which share, and tells the gateway by an Ingress; while something of it is missing, the last good
 * traffic stays (serving pkg/reconciler/route). Says on revisions and configurations that they are routed to.
 */
export function routeReconciler(cluster: ResourceClient, settings: RouteSettings): Reconciler<Route> {
  return {
    kind: KINDS.route,
    conditions: ROUTE_CONDITIONS,
    finalizer: 'routes.serving.knative.dev',
    async reconcile(route) {
      const found = await findTraffic(cluster, route);
      const network = await networkSettings(cluster);
      const outcome =
        found.kind === 'missing'
          ? await keepLast(cluster, route, settings.door, network, found.mark)
          : await new Assignment(cluster, route, settings, network, found.traffic).make();
      await label(cluster, route, settings, outcome);
      return outcome;
    },
    async finalize(route) {
      const { namespace, name } = route.metadata;
      await cluster.remove(INGRESS, namespace, name); // nothing comes in any more, before what it leads to goes
      const nothing = { revisions: new Set<string>(), configurations: new Set<string>() };
      const nowMs = settings.clock.nowMs();
      await markRouted(cluster, route, nothing, { labelled: settings.labelled, isSettled: true, nowMs });
      return [];
    },
  };
}

/** What it has goes on, under the names that it has; a new one is told where it will answer. */
async function keepLast(
  cluster: ResourceClient,
  route: Route,
  door: PublicDoor,
  settings: NetworkSettings,
  mark: Mark,
): Promise<Outcome> {
  const isNew = route.status?.observedGeneration !== route.metadata.generation;
  const marks = [mark, ...(isNew ? [NOT_CONFIGURED] : [])];
  if (route.status?.url !== undefined) return settled({}, ...marks);
  const hosts = await hostsFor(cluster, route, '', settings, door);
  const url = urlOf(hosts, plainScheme(door, settings.network), door);
  return settled({ url, address: { url: hosts.localUrl } }, ...marks);
}

/** Where it is asked for: outside, or inside when it is hidden. */
function urlOf({ public: [host], localUrl }: Hosts, scheme: string, door: PublicDoor): string {
  return host === undefined ? localUrl : publicUrlOf(door, host, scheme);
}

async function label(
  cluster: ResourceClient,
  route: Route,
  { labelled, clock }: RouteSettings,
  { status, marks }: Outcome,
): Promise<void> {
  const now = (status['traffic'] ?? route.status?.traffic ?? []) as readonly TrafficTarget[]; // as written here
  const { namespace = '' } = route.metadata;
  const to = await routedTo(cluster, namespace, [...now, ...(route.spec.traffic ?? [])]);
  const isSettled =
    marks.some(({ status: is }) => is === 'False') || marks.every(({ status: is }) => is === 'True');
  await markRouted(cluster, route, to, { labelled, isSettled, nowMs: clock.nowMs() });
}

async function hostsFor(
  cluster: ResourceClient,
  route: Route,
  tag: string,
  settings: NetworkSettings,
  door: PublicDoor,
): Promise<Hosts> {
  const { namespace = '', name, labels = {}, annotations = {} } = route.metadata;
  const part = hostPart(name, tag, settings);
  const visibility = await visibilityOf(cluster, route, part);
  return hostsOf({ namespace, labels, annotations, part, visibility }, settings, door);
}

/** One pass over a route all of whose targets are there. */
class Assignment {
  readonly #cluster: ResourceClient;
  readonly #route: Route;
  readonly #settings: RouteSettings;
  readonly #network: NetworkSettings;
  readonly #traffic: Traffic;
  readonly #events: Told[] = [];

  constructor(
    cluster: ResourceClient,
    route: Route,
    settings: RouteSettings,
    network: NetworkSettings,
    traffic: Traffic,
  ) {
    this.#cluster = cluster;
    this.#route = route;
    this.#settings = settings;
    this.#network = network;
    this.#traffic = traffic;
  }

  async make(): Promise<Outcome> {
    const { namespace, name, annotations = {} } = this.#route.metadata;
    const hosts = await this.#hosts();
    const fault = [...hosts.values()].map(hostFault).find((each) => each !== undefined);
    if (fault !== undefined)
      return settled({}, isFalse('AllTrafficAssigned', 'ErrorConfig', `domain name error: ${fault}`));
    const { clock, door } = this.#settings;
    const outside = [...hosts.values()].flatMap((each) => each.public);
    const tls = await hostTls(
      this.#cluster,
      { hosts: outside, annotations },
      this.#network,
      door,
      clock.nowMs(),
    );
    if ('fault' in tls) return settled({}, isFalse('IngressReady', 'ErrorConfig', tls.fault));
    const known = await this.#cluster.find<Ingress>(INGRESS, namespace, name);
    const placed = await placeServices(this.#cluster, this.#route, hosts.values(), servicesOf(known));
    if (placed.kind === 'taken') return this.#taken(hosts, tls, placed.name);
    this.#events.push(...placed.events);
    const features = await servingConfig(this.#cluster, 'config-features');
    const rollout = await this.#rollout(known);
    const ingress = await this.#cluster.apply<Ingress>(
      ingressOf(this.#route, {
        traffic: this.#traffic,
        rollout,
        hosts,
        tls: tls.tls,
        httpOption: tls.httpOption,
        isRoutedByTagHeader: features['tag-header-based-routing']?.toLowerCase() === 'enabled',
      }),
    );
    if (known === undefined)
      this.#events.push({ type: 'Normal', reason: 'Created', message: `Created Ingress "${name}"` });
    return this.#outcome(hosts, tls, rollout, routedMark(ingress, rollout), this.#next(rollout, tls));
  }

  async #hosts(): Promise<ReadonlyMap<string, Hosts>> {
    const hosts = new Map<string, Hosts>();
    for (const tag of this.#traffic.byTag.keys())
      hosts.set(tag, await hostsFor(this.#cluster, this.#route, tag, this.#network, this.#settings.door));
    return hosts;
  }

  /** Where traffic goes now, on the way to what is asked for. */
  async #rollout(known: Ingress | undefined): Promise<Rollout> {
    const goal = goalOf(this.#traffic);
    const durationMs = rolloutDurationMs(this.#route, this.#network.network.rolloutDurationMs);
    if (durationMs <= 0 || known === undefined) return goal;
    const nowMs = this.#settings.clock.nowMs();
    const before = parseRollout(known.metadata.annotations?.[ROLLOUT_ANNOTATION]);
    const wasReady = conditionOf(this.#route.status, 'IngressReady')?.status === 'True';
    const isTaken = isReady(known) && known.status?.observedGeneration === known.metadata.generation;
    const seen = before && isTaken && !wasReady ? observeReady(before, nowMs, durationMs) : before;
    return step(goal, seen, nowMs);
  }

  #next(rollout: Rollout, { untilMs }: HostTls): Outcome['next'] {
    const nowMs = this.#settings.clock.nowMs();
    const dueMs = nextStepMs(rollout);
    if (dueMs !== undefined) return { afterMs: Math.max(0, dueMs - nowMs) };
    return untilMs === undefined ? 'settled' : lookAgain(untilMs, nowMs); // the Ingress tells when the first percent has moved
  }

  #taken(hosts: ReadonlyMap<string, Hosts>, tls: HostTls, service: string): Outcome {
    const mark = isFalse(
      'IngressReady',
      'NotOwned',
      `There is an existing placeholder Service "${service}" that we do not own. Delete it, or give the Route another name.`,
    );
    const message = `route: "${this.#route.metadata.name}" does not own Service: "${service}"`;
    if (conditionOf(this.#route.status, 'IngressReady')?.message !== mark.message)
      this.#events.push({ type: 'Warning', reason: 'InternalError', message });
    return this.#outcome(hosts, tls, [], mark, WHILE_BLOCKED);
  }

  #outcome(
    hosts: ReadonlyMap<string, Hosts>,
    tls: HostTls,
    rollout: Rollout,
    ingress: Mark,
    next: Outcome['next'],
  ): Outcome {
    const { door } = this.#settings;
    const scheme = tls.tls.length > 0 ? 'https' : plainScheme(door, this.#network.network);
    const urlFor = (tag: string): string | undefined => {
      const each = hosts.get(tag);
      return each && urlOf(each, scheme, door);
    };
    const status = {
      url: urlFor(''),
      address: { url: hosts.get('')?.localUrl },
      traffic: statusTraffic(this.#traffic, rollout, urlFor),
    };
    const marks = [isTrue('AllTrafficAssigned'), ingress, tls.mark];
    return { marks, status, next, events: this.#events };
  }
}

/** The Services that stand for the hosts of an Ingress: their names are the first labels. */
function servicesOf(ingress: Ingress | undefined): readonly string[] {
  const first = (ingress?.spec.rules ?? []).map(({ hosts }) => hosts[0]?.split('.')[0] ?? '');
  return [...new Set(first)];
}

function routedMark(ingress: Ingress, rollout: Rollout): Mark {
  if (isDone(rollout)) return ingressMark(ingress);
  return isUnknown(
    'IngressReady',
    'RolloutInProgress',
    'A gradual rollout of the latest revision(s) is in progress.',
  );
}

/** The annotation, else config-network; none is asked for with 0. */
function rolloutDurationMs({ metadata: { annotations = {} } }: Route, usualMs: number): number {
  const written = ROLLOUT_DURATION.map((name) => annotations[name]).find((value) => value !== undefined);
  const ofRoute = written === undefined ? 0 : (parseGoDuration(written) ?? 0);
  return ofRoute > 0 ? ofRoute : usualMs;
}
