import type { Clock } from '../../base/clock.ts';
import { parseGoDuration } from '../../base/duration.ts';
import { conditionOf, isFalse, isReady, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import { INGRESS, type Ingress } from '../../apis/networking/ingress/types.ts';
import { ROUTE_CONDITIONS } from '../../apis/serving/route/status.ts';
import { ROLLOUT_DURATION } from '../../apis/serving/shared.ts';
import { KINDS, type Route, type TrafficTarget } from '../../apis/serving/types.ts';
import { settled, type Outcome, type Reconciler, type Told } from '../../control/reconciler.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { servingConfig } from './serving-config.ts';
import { hostsOf, type Hosts, type HostSettings } from './traffic/hosts.ts';
import { placeServices, visibilityOf } from './traffic/placeholders.ts';
import { ingressOf } from './traffic/route-ingress.ts';
import { parseRollout, ROLLOUT_ANNOTATION } from './traffic/rollout-text.ts';
import { isDone, nextStepMs, observeReady, step, type Rollout } from './traffic/rollout.ts';
import { markRouted, routedTo, type Labelled } from './traffic/routing-state.ts';
import { statusTraffic } from './traffic/status.ts';
import { findTraffic, goalOf, type Traffic } from './traffic/targets.ts';

export type RouteSettings = HostSettings & {
  readonly clock: Clock;
  readonly labelled: Labelled;
};

const LABEL_MAX = 63; // of a name in DNS
const CERTIFICATE = isTrue('CertificateProvisioned', 'TLSNotEnabled', 'external-domain-tls is not enabled');
const NOT_CONFIGURED = isUnknown(
  'IngressReady',
  'IngressNotConfigured',
  'Ingress has not yet been reconciled.',
);

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
      const outcome =
        found.kind === 'missing'
          ? await keepLast(cluster, route, settings, found.mark)
          : await new Assignment(cluster, route, settings, found.traffic).make();
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

async function keepLast(
  cluster: ResourceClient,
  route: Route,
  settings: HostSettings,
  mark: Mark,
): Promise<Outcome> {
  const { url, localUrl } = await hostsFor(cluster, route, '', settings);
  const isNew = route.status?.observedGeneration !== route.metadata.generation;
  return settled({ url, address: { url: localUrl } }, mark, ...(isNew ? [NOT_CONFIGURED] : []));
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
  settings: HostSettings,
): Promise<Hosts> {
  const { namespace = '', name } = route.metadata;
  const visibility = await visibilityOf(cluster, route, tag);
  return hostsOf({ namespace, name, tag, visibility }, settings);
}

/** One pass over a route all of whose targets are there. */
class Assignment {
  readonly #cluster: ResourceClient;
  readonly #route: Route;
  readonly #settings: RouteSettings;
  readonly #traffic: Traffic;
  readonly #events: Told[] = [];

  constructor(cluster: ResourceClient, route: Route, settings: RouteSettings, traffic: Traffic) {
    this.#cluster = cluster;
    this.#route = route;
    this.#settings = settings;
    this.#traffic = traffic;
  }

  async make(): Promise<Outcome> {
    const { namespace, name } = this.#route.metadata;
    const hosts = await this.#hosts();
    const tooLong = [...hosts.values()].find(({ serviceName }) => serviceName.length > LABEL_MAX);
    if (tooLong !== undefined) return this.#unnameable(tooLong);
    const known = await this.#cluster.find<Ingress>(INGRESS, namespace, name);
    const placed = await placeServices(this.#cluster, this.#route, hosts.values(), servicesOf(known));
    if (placed.kind === 'taken') return this.#taken(hosts, placed.name);
    this.#events.push(...placed.events);
    const features = await servingConfig(this.#cluster, 'config-features');
    const rollout = await this.#rollout(known);
    const ingress = await this.#cluster.apply<Ingress>(
      ingressOf(this.#route, {
        traffic: this.#traffic,
        rollout,
        hosts,
        isRoutedByTagHeader: features['tag-header-based-routing']?.toLowerCase() === 'enabled',
      }),
    );
    if (known === undefined)
      this.#events.push({ type: 'Normal', reason: 'Created', message: `Created Ingress "${name}"` });
    return this.#outcome(hosts, rollout, ingressMark(ingress, rollout), this.#next(rollout));
  }

  async #hosts(): Promise<ReadonlyMap<string, Hosts>> {
    const hosts = new Map<string, Hosts>();
    for (const tag of this.#traffic.byTag.keys())
      hosts.set(tag, await hostsFor(this.#cluster, this.#route, tag, this.#settings));
    return hosts;
  }

  /** Where traffic goes now, on the way to what is asked for. */
  async #rollout(known: Ingress | undefined): Promise<Rollout> {
    const goal = goalOf(this.#traffic);
    const durationMs = rolloutDurationMs(this.#route, await servingConfig(this.#cluster, 'config-network'));
    if (durationMs <= 0 || known === undefined) return goal;
    const nowMs = this.#settings.clock.nowMs();
    const before = parseRollout(known.metadata.annotations?.[ROLLOUT_ANNOTATION]);
    const wasReady = conditionOf(this.#route.status, 'IngressReady')?.status === 'True';
    const isTaken = isReady(known) && known.status?.observedGeneration === known.metadata.generation;
    const seen = before && isTaken && !wasReady ? observeReady(before, nowMs, durationMs) : before;
    return step(goal, seen, nowMs);
  }

  #next(rollout: Rollout): Outcome['next'] {
    const dueMs = nextStepMs(rollout);
    if (dueMs === undefined) return 'settled'; // the Ingress tells when the first percent has moved
    return { afterMs: Math.max(0, dueMs - this.#settings.clock.nowMs()) };
  }

  /** A tag and a name may be too long together, which neither is by itself. */
  #unnameable({ serviceName, url }: Hosts): Outcome {
    const message = `domain name error: invalid domain name "${new URL(url).hostname}": url: Invalid value: "${serviceName}": must be no more than ${LABEL_MAX} characters`;
    return settled({}, isFalse('AllTrafficAssigned', 'ErrorConfig', message));
  }

  #taken(hosts: ReadonlyMap<string, Hosts>, service: string): Outcome {
    const mark = isFalse(
      'IngressReady',
      'NotOwned',
      `There is an existing placeholder Service "${service}" that we do not own.`,
    );
    const message = `route: "${this.#route.metadata.name}" does not own Service: "${service}"`;
    if (conditionOf(this.#route.status, 'IngressReady')?.message !== mark.message)
      this.#events.push({ type: 'Warning', reason: 'InternalError', message });
    return this.#outcome(hosts, [], mark, 'settled');
  }

  #outcome(
    hosts: ReadonlyMap<string, Hosts>,
    rollout: Rollout,
    ingress: Mark,
    next: Outcome['next'],
  ): Outcome {
    const own = hosts.get('');
    const status = {
      url: own?.url,
      address: { url: own?.localUrl },
      traffic: statusTraffic(this.#traffic, rollout, hosts),
    };
    const marks = [isTrue('AllTrafficAssigned'), ingress, CERTIFICATE];
    return { marks, status, next, events: this.#events };
  }
}

/** The Services that stand for the hosts of an Ingress: their names are the first labels. */
function servicesOf(ingress: Ingress | undefined): readonly string[] {
  const first = (ingress?.spec.rules ?? []).map(({ hosts }) => hosts[0]?.split('.')[0] ?? '');
  return [...new Set(first)];
}

function ingressMark({ metadata, status }: Ingress, rollout: Rollout): Mark {
  if (!isDone(rollout))
    return isUnknown(
      'IngressReady',
      'RolloutInProgress',
      'A gradual rollout of the latest revision(s) is in progress.',
    );
  const ready = conditionOf(status, 'Ready');
  if (ready === undefined || status?.observedGeneration !== metadata.generation) return NOT_CONFIGURED;
  if (ready.status === 'True') return isTrue('IngressReady');
  const mark = ready.status === 'False' ? isFalse : isUnknown;
  return mark('IngressReady', ready.reason ?? '', ready.message ?? '');
}

/** The annotation, else config-network; none is asked for with 0. */
function rolloutDurationMs(
  { metadata: { annotations = {} } }: Route,
  network: Readonly<Record<string, string>>,
): number {
  const written = ROLLOUT_DURATION.map((name) => annotations[name]).find((value) => value !== undefined);
  const ofRoute = written === undefined ? 0 : (parseGoDuration(written) ?? 0);
  return ofRoute > 0 ? ofRoute : Number(network['rollout-duration'] ?? 0) * 1000;
}
